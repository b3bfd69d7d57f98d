# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both ends of a pipe are checked: the program that writes, or the one that reads, is killed at each twentieth of the way.

Compression and encryption run inside the module: they end with it, which is what the tests of kills are about.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from time import sleep
from typing import Any

import psutil
import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import pg_dump, postgres, storage
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.compression import Zstd
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.encryption import AgeCipher
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.tar import Tar
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.target_database import TargetDatabase
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.archive_engine import (
    ArchiveEngine,
    ArchivePolicy,
    ArchiveReader,
    extract,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.create import CreationPolicy, create_backup
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.dump_engine import Database, DumpEngine, DumpPolicy, DumpReader
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.payload import Codecs, materialize
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.verify import verify_backup
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline

from tests.integration.reliability.figures import scaled

PROMISE = "both ends of a pipe are checked"
POINTS = range(0, 100, scaled(5, 25))
CLOCK = SystemClock()


def children(name: str) -> list[psutil.Process]:
    """The programs of this name that this process started, and what they started."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if one.name() == name and one.status() != psutil.STATUS_ZOMBIE and "--version" not in one.cmdline():
                found.append(one)
    return found


def slain(process: psutil.Process) -> bool:
    """Kill it in the middle of its work: one that can be stopped has not begun to end by itself."""
    with suppress(psutil.Error):
        process.suspend()
        while (status := process.status()) not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            if status == psutil.STATUS_STOPPED:
                process.kill()
                return True
            sleep(0.001)
    return False


class Killer:
    """Zstandard that kills a program when so many bytes have gone through it."""

    def __init__(self, program: str, after: float) -> None:
        self._program, self._after, self._passed, self.killed = program, after, 0, False

    def compressing(self, reader: Any) -> Any:
        return Zstd().compressing(_Tap(reader, self._count))

    def decompressing(self, writer: Any) -> Any:
        return Zstd().decompressing(_Tap(writer, self._count))

    def _count(self, size: int) -> None:
        self._passed += size
        if not self.killed and self._passed > self._after:
            self.killed = any(slain(one) for one in children(self._program))


class _Tap:
    def __init__(self, stream: Any, count: Callable[[int], None]) -> None:
        self._stream, self._count = stream, count

    def read(self, size: int = -1) -> bytes:
        self._count(0)
        block = self._stream.read(min(size, 65536) if size > 0 else 65536)
        self._count(len(block))
        return block

    def write(self, block: bytes) -> int:
        view, done = memoryview(block), 0
        while done < len(view):
            piece = bytes(view[done:done + 65536])
            self._count(len(piece))
            self._stream.write(piece)
            done += len(piece)
        return len(block)

    def flush(self) -> None:
        self._stream.flush()


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Files that do not compress."""
    folder = tmp_path_factory.mktemp("pipes") / "source"
    folder.mkdir()
    for number in range(30):
        (folder / str(number)).write_bytes(random.Random(number).randbytes(200_000))
    return folder


def codecs(compression: Any = None) -> Codecs:
    return Codecs(compression or Zstd(), AgeCipher(()))


def archive(repository: Repository, source: Path, compression: Any = None) -> Any:
    engine = ArchiveEngine(Tar(Commands()), ArchivePolicy((str(source),)), CLOCK, storage.tree_bytes, repository.root)
    return create_backup(repository, "files", engine, codecs(compression), CreationPolicy(), CLOCK, free_bytes=storage.free_bytes).backup


def counted(points: int, killed: int, false: int, left: int) -> str:
    return f"{killed} of {points} were killed in time: false successes {false}, copies or targets left behind {left}"


def test_tar_that_is_killed_is_no_backup_no_verification_and_no_restore(tmp_path, source, figure):
    repository = Repository(tmp_path / "repository", "unnamed", "unnamed")
    whole = archive(repository, source)
    size = whole.manifest.files[0].plain_bytes
    reader, tar = ArchiveReader(Tar(Commands()), timeout=60), Tar(Commands())
    killed, false, left = {"create": 0, "verify": 0, "restore": 0}, dict.fromkeys(("create", "verify", "restore"), 0), 0
    for point in POINTS:
        killer = Killer("tar", size * point / 100)
        with suppress(OpsError):
            archive(repository, source, killer)
            false["create"] += killer.killed
        killed["create"] += killer.killed
        left += len(repository.ids("files")) - 1
        killer = Killer("tar", size * point / 100)
        verified = verify_backup(whole, lambda engine: reader, codecs(killer), CLOCK, scratch=tmp_path)
        false["verify"] += killer.killed and verified.status == "pass"
        killed["verify"] += killer.killed
        killer, target = Killer("tar", size * point / 100), tmp_path / f"target-{point}"
        target.mkdir()
        with suppress(OpsError):
            extract(whole, target, codecs(killer), tar, timeout=60)
            false["restore"] += killer.killed
        killed["restore"] += killer.killed
    for work, how in (("create", "writes a backup"), ("verify", "reads a verification"), ("restore", "unpacks a restore")):
        behind = left if work == "create" else 0
        figure(PROMISE, f"tar that {how} killed at each 5%", counted(len(POINTS), killed[work], false[work], behind))
    assert sum(false.values()) == left == 0 and min(killed.values()) >= len(POINTS) - 1, (killed, false, left)
    assert repository.open(whole.id).status in ("created", "verified"), "a reader that was killed says nothing against the copy"


class Watch:
    """Kills a program as soon as ``reached`` says so, from beside."""

    def __init__(self, program: str, reached: Callable[[], bool], *, worker: bool = False) -> None:
        self._program, self._reached, self._worker = program, reached, worker
        self._over, self.killed = Event(), False
        self._thread = Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.is_set() and not self.killed:
            found = children(self._program)
            if found and self._reached():
                # The newest is a worker where there are some; the oldest is the leader.
                order = sorted(found, key=lambda one: one.pid)
                if self._worker and len(order) < 2:
                    continue
                self.killed = slain(order[-1 if self._worker else 0])
            self._over.wait(0.001)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()


def size_of(folder: Path) -> int:
    with suppress(OSError):
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return 0


@pytest.fixture(scope="module")
def big_shop(newest_pg):
    """A database of which a dump takes a second."""
    with postgres.connect(newest_pg) as session:
        session.run("CREATE DATABASE piped_shop")
    target = replace(newest_pg, database="piped_shop")
    with postgres.connect(target) as session:
        for number in range(4):
            session.run("CREATE TABLE {name} AS SELECT n AS id, md5(n::text) || md5((n * 7)::text) AS token FROM generate_series(1, %s) n",
                        (scaled(200_000, 60_000),), names={"name": ("public", f"orders_{number}")})
    yield target
    with postgres.connect(newest_pg) as session:
        session.run("DROP DATABASE IF EXISTS piped_shop WITH (FORCE)")


def data_of(backup: Any) -> list[tuple[str, str]]:
    """The files with the rows; the table of contents bears the time of its making."""
    return [(file.path, file.sha256) for file in backup.manifest.files if file.plain_path != "toc.dat"]


def rows_of(target: TargetDatabase) -> list[int]:
    with target.session() as session:
        return [session.value("SELECT count(*) FROM {name}", names={"name": ("public", f"orders_{number}")}) for number in range(4)]


def test_pg_dump_and_pg_restore_that_are_killed_are_no_backup_and_no_restore(tmp_path, big_shop, programs, figure):
    repository = Repository(tmp_path / "repository", "unnamed", "unnamed")
    client = pg_dump.DumpPrograms(Commands(), [programs])
    policy = DumpPolicy(jobs=2, compression="auto", level=1, fingerprint="off", lock_timeout=60, timeout=60)
    database = Database(lambda: postgres.connect(big_shop), big_shop.client_environment, big_shop.host, big_shop.port, big_shop.database)
    engine = DumpEngine(database, client, policy, CLOCK, storage.nobody_writes)

    def dump() -> Any:
        return create_backup(repository, "shop", engine, codecs(), CreationPolicy(), CLOCK, free_bytes=storage.free_bytes).backup

    whole = dump()
    size = whole.manifest.bytes
    began = CLOCK.monotonic()
    reader = DumpReader(client, jobs=2, timeout=60)
    reader.read_in_full(whole, codecs(), tmp_path / "scratch")
    reading = CLOCK.monotonic() - began
    orders = replace(big_shop, database="postgres")
    target = TargetDatabase(Commands(), orders, "piped_restored", archive_major=whole.manifest.source["server_version"] // 10000,
                            owners=True, folders=[programs])
    dumped = materialize(whole, tmp_path / "dumped", codecs())

    def restore() -> int:
        with target.orders() as session:
            target.discard(session)
        target.create({})
        return target.restore(dumped, jobs=2, deadline=Deadline(CLOCK, 60)).error_count

    began = CLOCK.monotonic()
    assert restore() == 0
    restoring = CLOCK.monotonic() - began
    rows = rows_of(target)
    words = ("pg_dump", "a worker of pg_dump", "pg_restore that verifies", "pg_restore", "a worker of pg_restore")
    killed, false, left = dict.fromkeys(words, 0), dict.fromkeys(words, 0), 0
    plan = repository.plan_folder("shop")
    for point, word in itertools.product(POINTS, words):
        for attempt in range(4):  # what was over before its moment came is tried again, and half as late
            share, began, whole_size = point / 100 / 2**attempt, CLOCK.monotonic(), size_of(plan)
            reached = {
                "pg_dump": lambda whole_size=whole_size, share=share: size_of(plan) - whole_size >= size * share,
                "pg_restore that verifies": lambda began=began, share=share: CLOCK.monotonic() - began >= reading * share,
                "pg_restore": lambda began=began, share=share: CLOCK.monotonic() - began >= restoring * share,
            }[word.removeprefix("a worker of ")]
            with Watch("pg_dump" if "dump" in word else "pg_restore", reached, worker="worker" in word) as watch:
                # A worker that had written all of its tables and was waiting may be killed: what was made is whole then.
                try:
                    if "dump" in word:
                        success = data_of(dump()) != data_of(whole)
                    elif "verifies" in word:
                        success = verify_backup(whole, lambda engine: reader, codecs(), CLOCK, scratch=tmp_path).status == "pass"
                    else:
                        success = restore() == 0 and rows_of(target) != rows
                except OpsError:
                    success = False
            killed[word] += watch.killed
            false[word] += watch.killed and success
            if "dump" in word:
                left += len(repository.ids("shop")) - len(repository.list("shop"))
            if watch.killed:
                break
    assert repository.open(whole.id).usable, "a reader that was killed says nothing against the copy"
    with target.orders() as session:
        target.discard(session)
    for word in words:
        figure(PROMISE, f"{word} killed at each 5%", counted(len(POINTS), killed[word], false[word], left if word == "pg_dump" else 0))
    assert sum(false.values()) == left == 0, (killed, false, left)
    assert sum(killed.values()) >= len(POINTS) * len(words) / 2, killed
