# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Physical backups of 1 GiB through us against the bare programs; a drill against the bare restore and checks; incremental copies.

What is compared is the work: looking at the source, copying, hashing, and writing the manifest, in this process, against the
bare program. The whole run of the module, Python's start-up included, is printed beside. A start-up, for the rows of incremental
copies, is what the same takes of an empty cluster. EVENKEEL_BENCH_SCALE (default 1) scales the data down for trials.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import storage
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly import engines
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import reading_codecs, writing_codecs
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.create import CreationPolicy, create_backup
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Backup, Repository
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.drill import run_drill
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.policy import DrillPolicy

from tests.benchmarks.bench_backups import fill, module
from tests.benchmarks.harness import Row, seconds
from tests.testbed import postgres
from tests.testbed.stanza import call, installation, stanza_server

SCALE = float(os.environ.get("EVENKEEL_BENCH_SCALE", "1"))
SIZE = int(2**30 * SCALE)
REPETITIONS = 3
JOBS = 2


def rows() -> Iterator[Row]:
    """Six rows."""
    yield from _pg_basebackup()
    yield from _pgbackrest()


def _pg_basebackup() -> Iterator[Row]:
    newest = max(postgres.installations(), key=lambda one: one.major)
    settings = {"summarize_wal": "on", "max_wal_size": "8GB", "shared_buffers": "512MB"}
    with _folder() as folder, postgres.running_server(newest, settings=settings) as (_server, target):
        options = _options(folder, target, newest, "pg_basebackup",
                           pg_basebackup={"type": "full", "full_every": None, "level": 3, "wal_dir": None})
        startup = _median(lambda: _again(options, folder, "empty", kind="incr"), first=lambda: _create(options, folder, "empty"))
        fill(target, SIZE)
        size = _size(target)
        work = f"physical backup of {size / 2**30:.2f} GiB by pg_basebackup {newest.major}"
        ours, theirs = [], []
        for _number in range(REPETITIONS):
            ours.append(seconds(lambda: _create(options, folder, "bench")))
            theirs.append(seconds(lambda: _bare_base(newest, target, folder)))
        mine, peer = statistics.median(ours), statistics.median(theirs)
        yield Row(work, "bare pg_basebackup --compress=server-zstd:3,workers=2", mine / peer, 1.05, False, f"{mine:.2f}; peer {peer:.2f}")
        whole = statistics.median(seconds(lambda: module("backup", _plain(options))) for _number in range(REPETITIONS))
        yield Row(f"{work}, whole run of the module", "the same", whole / peer, None, False, f"{whole:.2f}; peer {peer:.2f}")
        yield _unchanged("pg_basebackup", lambda: _again(options, folder, "bench", kind="incr"), mine, startup)
        yield _drill(options, folder, newest, size)


def _pgbackrest() -> Iterator[Row]:
    found = installation()
    if found is None:
        return
    with stanza_server(settings={"max_wal_size": "8GB", "shared_buffers": "512MB"}) as made, _folder() as folder:
        call("pgbackrest_stanza", made.stanza(jobs=JOBS))
        made.server.stop()
        made.server.start()
        native = {"stanza": "shop", "config": str(made.config), "account": None, "type": "full", "full_every": None, "archive_age": "1h"}
        options = _options(folder, made.target, found, "pgbackrest", pgbackrest=native)
        startup = _median(lambda: _again(options, folder, "empty", kind="incr"), first=lambda: _create(options, folder, "empty"))
        fill(made.target, SIZE)
        with connect(made.target) as session:
            session.value("SELECT pg_switch_wal()")
        work = f"physical backup of {_size(made.target) / 2**30:.2f} GiB by pgBackRest, full"
        account = made.server.account
        become = ["setpriv", f"--reuid={account}", f"--regid={account}", "--clear-groups"] if account else []
        argv = [*become, "pgbackrest", f"--config={made.config}", "--stanza=shop", "--type=full", f"--process-max={JOBS}", "--start-fast",
                "--log-level-console=off", "backup"]
        ours, theirs = [], []
        for _number in range(REPETITIONS):
            ours.append(seconds(lambda: _create(options, folder, "bench")))
            theirs.append(seconds(lambda: subprocess.run(argv, check=True, cwd="/", capture_output=True)))
        mine, peer = statistics.median(ours), statistics.median(theirs)
        yield Row(work, "bare pgbackrest backup", mine / peer, 1.05, False, f"{mine:.2f}; peer {peer:.2f}")
        _create(options, folder, "bench")
        yield _unchanged("pgBackRest", lambda: _again(options, folder, "bench", kind="incr"), mine, startup)


def _unchanged(engine: str, again: Callable[[], Any], full: float, startup: float) -> Row:
    took = statistics.median(seconds(again) for _number in range(REPETITIONS))
    allowed = 0.01 * full + startup
    return Row(f"an incremental copy by {engine} of what has not changed", "1% of a full one and the start-up", took / allowed, 1.0, False,
               f"{took:.2f}; full {full:.2f}, start-up {startup:.2f}")


def _drill(options: dict[str, Any], folder: Path, found: Any, size: int) -> Row:
    """Ours fetches, unpacks, verifies, starts, replays, asks, checks heap, indexes and pages; bare does each with its own program."""
    backup = _create(options, folder, "drilled")
    request = Request({**options, "scratch_dir": str(folder)})
    ours, theirs = [], []
    for _number in range(REPETITIONS):
        deadline = Deadline(SystemClock(), 3600)
        make = engines.kit_for(backup.engine).drill(request, backup, reading_codecs(None), DrillPolicy(), deadline)

        def drill(make: Any = make) -> None:
            done = run_drill(backup, DrillPolicy(), make, folder, SystemClock())
            if done.drill["status"] != "pass":
                raise AssertionError(done.findings)

        ours.append(seconds(drill))
        theirs.append(seconds(lambda: _bare_drill(backup, found, folder)))
    mine, peer = statistics.median(ours), statistics.median(theirs)
    return Row(f"drill of a physical backup of {size / 2**30:.2f} GiB", "bare unpacking, pg_verifybackup, start, pg_amcheck, pg_checksums",
               mine / peer, 1.15, False, f"{mine:.2f}; peer {peer:.2f}")


def _bare_drill(backup: Backup, found: Any, folder: Path) -> None:
    target = folder / "bare"
    data = target / "data"
    (data / "pg_wal").mkdir(parents=True)
    stored = backup.data
    try:
        for name, where in (("base", data), ("pg_wal", data / "pg_wal")):
            with subprocess.Popen(["zstd", "-dcq", str(stored / f"{name}.tar.zst")], stdout=subprocess.PIPE) as unpacked:
                subprocess.run(["tar", "-xf", "-", "-C", str(where)], stdin=unpacked.stdout, check=True)
        shutil.copy(stored / "backup_manifest", data)
        subprocess.run([found.program("pg_verifybackup"), "-q", str(data)], check=True, capture_output=True)
        account = postgres.PostgresServer(postgres.Commands(), found, target, SystemClock()).account
        if account:
            subprocess.run(["chown", "-R", account, str(target)], check=True)
        data.chmod(0o700)
        server = postgres.PostgresServer(postgres.Commands(), found, target, SystemClock(), settings={
            "fsync": "off", "autovacuum": "off", "shared_buffers": "256MB", "maintenance_work_mem": "256MB", "jit": "off",
            "archive_mode": "off", "max_wal_size": "8GB", "summarize_wal": "off"})
        server.start()
        try:
            argv = [found.program("pg_amcheck"), "-a", f"-j{JOBS}", "--install-missing", "--parent-check", "--heapallindexed",
                    "-h", str(target), "-U", "postgres"]
            subprocess.run(argv, check=True, capture_output=True)
        finally:
            server.stop()
        become = ["setpriv", f"--reuid={account}", f"--regid={account}", "--clear-groups"] if account else []
        subprocess.run([*become, found.program("pg_checksums"), "--check", "-D", str(data)], check=True, capture_output=True, cwd="/")
    finally:
        shutil.rmtree(target, ignore_errors=True)


def _bare_base(found: Any, target: Any, folder: Path) -> None:
    with target.client_environment() as environment:
        subprocess.run([found.program("pg_basebackup"), "-D", str(folder / "bare"), "-Ft", "-X", "stream", "--checkpoint=fast",
                        "--compress=server-zstd:level=3,workers=2"], check=True, env={**os.environ, **environment}, capture_output=True)
    shutil.rmtree(folder / "bare")


def _create(options: dict[str, Any], folder: Path, plan: str) -> Backup:
    repository = Repository(folder / "store", "unnamed", "unnamed")
    request = Request({**options, "plan": plan})
    engine = engines.kit_for(options["engine"]).engine(request, repository)
    made = create_backup(repository, plan, engine, writing_codecs((), level=1, threads=JOBS), CreationPolicy(), SystemClock(),
                         free_bytes=storage.free_bytes)
    if made.backup is None or not made.made:
        raise AssertionError("no backup was made")
    return made.backup


def _again(options: dict[str, Any], folder: Path, plan: str, *, kind: str) -> Backup:
    """A copy that rests on the one before; that it does is checked."""
    engine = options["engine"]
    backup = _create({**options, engine: {**options[engine], "type": kind}}, folder, plan)
    if backup.manifest.parent is None:
        raise AssertionError("it is a full one")
    return backup


def _median(work: Callable[[], Any], *, first: Callable[[], Any]) -> float:
    first()
    return statistics.median(seconds(work) for _number in range(REPETITIONS))


def _options(folder: Path, target: Any, found: Any, engine: str, **native: Any) -> dict[str, Any]:
    nothing = {name: {} for name in ("pgbackrest", "pg_basebackup")}
    return {"repository": str(folder / "store"), "system": "unnamed", "environment": "unnamed", "require_mount": False, "engine": engine,
            "plan": "bench", "jobs": JOBS, "timeout": "1h", "bin_dir": found.folder, "recipients": [], "login_host": target.host,
            "login_port": target.port, "login_user": target.user, "login_password": target.password, "login_db": target.database,
            "ssl_mode": "prefer", "ca_cert": None, "connect_timeout": 10, **{**nothing, **native}}


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """The options as a playbook gives them."""
    given = {key: value for key, value in options.items() if value not in (None, [], {})}
    return {key: {name: one for name, one in value.items() if one is not None} if isinstance(value, dict) else value
            for key, value in given.items()}


def _size(target: Any) -> int:
    with connect(target) as session:
        return session.value("SELECT sum(pg_database_size(oid))::int8 FROM pg_database")


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
