# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups against the bare programs and community.postgresql. ``EVENKEEL_BENCH_SCALE=0.1`` scales sizes down for a trial,
``EVENKEEL_BENCH_PARTS`` chooses among ``dump-<major>`` and ``memory`` by a pattern.

Whole runs of the module are measured, start-up included, each in a process of its own. Installed libraries have bytecode in
them, as pip leaves them; the collection and its peer are compiled on each start, as they are inside a packed module.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import module_loader
from ansible.template import Templar
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.pg_dump import DumpPrograms
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import format_size

from tests.benchmarks.harness import Row, seconds, side_by_side
from tests.conftest import ROOT
from tests.testbed import postgres

SCALE = float(os.environ.get("EVENKEEL_BENCH_SCALE", "1"))
PARTS = os.environ.get("EVENKEEL_BENCH_PARTS", "*")
GIB = 2**30
_ROW_BYTES = 190
# Text that compresses as a shop's data does: some words of a few, some digests.
_FILL = ("INSERT INTO {table} SELECT n, md5(n::text) || md5((n * 7)::text), (ARRAY['pending','paid','shipped','returned'])[1 + n %% 4], "
         "repeat('lorem ipsum dolor ', 3) || n, now() - n * interval '1 second', (n %% 9999) / 7.0 FROM generate_series(1, %s) n")


def fill(target: PostgresTarget, size: float, *, tables: int = 8) -> None:
    """A database of about ``size`` bytes of rows, in ``tables`` tables of one size."""
    with connect(target) as session:
        for number in range(tables):
            names = {"table": ("public", f"orders_{number}")}
            session.run("CREATE TABLE {table} (id bigint PRIMARY KEY, token text, state text, note text, at timestamptz, "
                        "amount numeric)", names=names)
            session.run(_FILL, (int(size / tables / _ROW_BYTES),), names=names)
        session.run("VACUUM ANALYZE")
        session.run("CHECKPOINT")


def database(target: PostgresTarget, name: str, size: float) -> PostgresTarget:
    """A new database of that size on the server."""
    with connect(target) as session:
        session.run("CREATE DATABASE {name}", names={"name": name})
    inside = PostgresTarget(**{**target.__dict__, "database": name})
    fill(inside, size)
    return inside


def module(name: str, options: dict, *, package: str = "evenkeel.ops", watch: bool = False,
           path: str = "") -> tuple[dict, int]:
    """Run a module as Ansible does, ``path`` before PATH; its answer, and with ``watch`` the peak of the summed RSS of its tree."""
    return run_packed(packed(name, options, package=package), watch=watch, path=path)


def packed(name: str, options: dict, *, package: str = "evenkeel.ops") -> bytes:
    """The module and its arguments as one program, as the controller sends it over a pipeline."""
    name, loader = f"{package}.{name}", DataLoader()
    found = module_loader.find_plugin_with_context(name)
    internal = {"_ansible_remote_tmp": tempfile.gettempdir(), "_ansible_keep_remote_files": False, "_ansible_check_mode": False}
    return modify_module(
        module_name=name, module_path=found.plugin_resolved_path, module_args={**options, **internal}, templar=Templar(loader),
        task_vars={"ansible_playbook_python": sys.executable, "ansible_python_interpreter": sys.executable},
        module_compression="ZIP_DEFLATED").b_module_data


def run_packed(program: bytes, *, watch: bool = False, path: str = "") -> tuple[dict, int]:
    """Run what `packed` made; gives what `module` does."""
    process = subprocess.Popen([sys.executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
                               env=_environment() | {"PATH": os.pathsep.join(filter(None, (path, os.environ["PATH"])))})
    peak = _Peak(process.pid) if watch else None
    said, _errors = process.communicate(program)
    answer = json.loads([line for line in said.decode().splitlines() if line.startswith("{")][-1])
    if answer.get("failed"):
        raise RuntimeError(answer["msg"])
    return answer, peak.stop() if peak else 0


_BYTECODE = tempfile.TemporaryDirectory(prefix="evenkeel-bench-bytecode-")


def _environment() -> dict[str, str]:
    """Ours, but whatever was installed without bytecode gets it once."""
    return {**{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPYCACHEPREFIX": _BYTECODE.name}


class _Peak:
    """Samples the resident memory of a process and all that it started, pages that several share counted in each.

    Not in a child that is still a copy of its parent, until it becomes another program: it has no memory of its own, and whether
    a look meets it is chance.
    """

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self._largest = 0
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._over.wait(0.02):
            total = 0
            with contextlib.suppress(psutil.Error):
                own = self._process.cmdline()
                for one in (self._process, *self._process.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        if one == self._process or one.cmdline() != own:
                            total += one.memory_info().rss
            self._largest = max(self._largest, total)

    def stop(self) -> int:
        self._over.set()
        self._thread.join()
        return self._largest


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def rows() -> Iterator[Row]:
    """The rows of the logical backup, of the fingerprint and of memory, on every major that is here."""
    for installation in sorted(postgres.installations(), key=lambda one: -one.major):
        if not fnmatch.fnmatchcase(f"dump-{installation.major}", PARTS):
            continue
        with postgres.running_server(installation, settings={"shared_buffers": "256MB", "max_wal_size": "4GB"}) as (_server, target), \
                _folder() as folder:
            yield from _dump_rows(database(target, "shop", 1.2 * GIB * SCALE), installation, folder)
    if not fnmatch.fnmatchcase("memory", PARTS):
        return
    with _folder() as folder:
        newest = max(postgres.installations(), key=lambda one: one.major)
        yield from _archive_memory(folder)
        with postgres.running_server(newest, settings={"max_wal_size": "4GB"}) as (_server, target):
            yield from _dump_memory(target, newest.folder, folder)


def _dump_rows(shop: PostgresTarget, installation: postgres.Installation, folder: Path) -> Iterator[Row]:
    major, bare = installation.major, folder / "bare"
    sizes: dict[str, int] = {}
    with connect(shop) as session:
        size = session.value("SELECT sum(pg_table_size(oid)) FROM pg_class WHERE relname LIKE 'orders%%'", ())
    work = f"logical backup of {format_size(float(size))}, PostgreSQL {major}, fingerprint off"
    options = {"plan": "shop", "engine": "pg_dump", "bin_dir": installation.folder, "login_host": shop.host,
               "login_port": shop.port, "login_password": shop.password, "login_db": shop.database, "min_free": "0"}

    programs = {fingerprint: packed("backup", {**options, "repository": str(folder / "repository"), "fingerprint": fingerprint})
                for fingerprint in ("off", "sampled", "full")}

    def ours(fingerprint: str = "off") -> None:
        shutil.rmtree(folder / "repository", ignore_errors=True)
        answer, _peak = run_packed(programs[fingerprint])
        sizes["ours"] = answer["backup"]["bytes"]

    in_pg_dump = DumpPrograms(Commands(), [installation.folder]).client_for(major).compresses_with("zstd")

    def peer() -> None:
        shutil.rmtree(bare, ignore_errors=True)
        method = "--compress=zstd:1" if in_pg_dump else "--compress=0"
        with shop.client_environment() as environment:
            subprocess.run([f"{installation.folder}/pg_dump", "-Fd", "-j2", method, "-f", str(bare)],
                           env={**os.environ, **environment}, check=True)
        if not in_pg_dump:
            subprocess.run(["zstd", "-q", "-1", "-T2", "--rm", *map(str, bare.glob("*.dat"))], check=True)
        sizes["bare"] = sum(path.stat().st_size for path in bare.iterdir())

    ours()  # once, for the bytecode
    mine, theirs = side_by_side(ours, peer)
    told = "pg_dump -Fd -j2 --compress=zstd:1" if in_pg_dump else "pg_dump -Fd -j2 -Z0, then zstd -1 -T2"
    yield Row(work, told, mine / theirs, 1.1, False,
              f"{mine:.1f} s, {format_size(sizes['ours'])}; bare {theirs:.1f} s, {format_size(sizes['bare'])}")

    login = {"login_host": shop.host, "login_port": shop.port, "login_user": shop.user, "login_password": shop.password}
    dump = folder / "shop.sql.gz"
    community = packed("postgresql_db", {"name": shop.database, "state": "dump", "target": str(dump), **login},
                       package="community.postgresql")
    module("postgresql_ping", login, package="community.postgresql")  # once, for the bytecode
    theirs = seconds(lambda: run_packed(community, path=installation.folder))
    sizes["community"] = dump.stat().st_size
    yield Row(work, "community.postgresql.postgresql_db state=dump to .sql.gz", theirs / mine, 5, True,
              f"{mine:.1f} s, {format_size(sizes['ours'])}; theirs {theirs:.1f} s, {format_size(sizes['community'])}")
    for fingerprint, reach in (("sampled", 1.1), ("full", None)):
        with_it, without = side_by_side(lambda mode=fingerprint: ours(mode), ours)
        yield Row(f"the same with fingerprint {fingerprint}", "itself with fingerprint off", with_it / without, reach, False,
                  f"{with_it:.1f} s; off {without:.1f} s")


def _archive_memory(folder: Path) -> Iterator[Row]:
    peaks = {}
    for name, size in (("small", 100 * 2**20), ("large", 5 * GIB * SCALE)):
        source = folder / name
        source.mkdir()
        block = os.urandom(2**20)
        for number in range(int(size / 2**26) + 1):
            with (source / str(number)).open("wb") as stream:
                for piece in range(min(64, int((size - number * 2**26) / 2**20))):
                    stream.write(block[piece:] + block[:piece])
        _answer, peaks[name] = module("backup", {"plan": name, "engine": "archive", "paths": [str(source)], "min_free": "0",
                                                 "repository": str(folder / "repository")}, watch=True)
        shutil.rmtree(source)
        shutil.rmtree(folder / "repository")
    yield Row(f"memory of an archive of {format_size(5 * GIB * SCALE)} (whole process tree)", "one of 100 MiB",
              peaks["large"] / peaks["small"], 1.1, False, f"{format_size(peaks['large'])}; {format_size(peaks['small'])}")


def _dump_memory(target: PostgresTarget, programs: str, folder: Path) -> Iterator[Row]:
    peaks = {}
    for name, size in (("small", 100 * 2**20), ("large", 5 * GIB * SCALE)):
        shop = database(target, name, size)
        _answer, peaks[name] = module("backup", {
            "plan": name, "engine": "pg_dump", "bin_dir": programs, "login_host": shop.host, "login_port": shop.port,
            "login_password": shop.password, "login_db": shop.database, "repository": str(folder / "repository"),
            "fingerprint": "full"}, watch=True)
        shutil.rmtree(folder / "repository")
        with connect(target) as session:
            session.run("DROP DATABASE {name}", names={"name": name})
        time.sleep(0.5)
    yield Row(f"memory of a logical backup of {format_size(5 * GIB * SCALE)} (whole process tree)", "one of 100 MiB",
              peaks["large"] / peaks["small"], 1.1, False, f"{format_size(peaks['large'])}; {format_size(peaks['small'])}")
