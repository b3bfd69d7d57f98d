# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restoring a logical backup of 1 GiB, against bare pg_restore and against community.postgresql.

All restore into servers with the same settings, those of a drill. Measured are the drill's phases fetch (every stored byte
hashed, which the peers do not do) and restore. Of ``postgresql_db`` it is a whole ``ansible`` run less that of a ping; what the
drill takes in all to the first query, with the making of a server that the peer finds running, is printed beside.
EVENKEEL_BENCH_SCALE (default 1) scales the data down for trials, EVENKEEL_BENCH_PARTS chooses among ``pg_restore`` and
``postgresql_db`` by a pattern.
"""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import pg_dump
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.compression import Zstd
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.encryption import AgeCipher
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.scratch_database import DATABASE, ScratchDatabase
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.storage import nobody_writes
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.create import CreationPolicy, create_backup
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.dump_engine import Database, DumpEngine, DumpPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.payload import Codecs
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Backup, Repository
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.database import DatabaseDrill
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.policy import DrillPolicy

from tests.benchmarks.harness import Row, seconds
from tests.conftest import ROOT
from tests.testbed.postgres import installations, running_server

REPETITIONS = 3
SCALE = float(os.environ.get("EVENKEEL_BENCH_SCALE", "1"))
PARTS = os.environ.get("EVENKEEL_BENCH_PARTS", "*")
TABLES, ROWS = 4, int(2_000_000 * SCALE)
CODECS = Codecs(Zstd(), AgeCipher())


def rows() -> Iterator[Row]:
    """Three rows; each repetition checks that all rows arrived."""
    newest = max(installations(), key=lambda one: one.major)
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)
    try:
        with running_server(newest, settings={"max_wal_size": "8GB", "shared_buffers": "512MB"}) as (_server, target):
            size = _build(target)
            backup = _backup(target, newest, folder / "repository")
            plain = folder / "plain.sql.gz"
            if fnmatch.fnmatchcase("postgresql_db", PARTS):
                _ansible("community.postgresql.postgresql_db", newest, {
                    "name": "postgres", "state": "dump", "target": str(plain), "login_host": target.host, "login_port": target.port,
                    "login_user": target.user, "login_password": target.password})
        work = f"restore of {size / 2**30:.2f} GiB"
        if fnmatch.fnmatchcase("pg_restore", PARTS):
            yield _against_pg_restore(work, backup, newest, folder)
        if fnmatch.fnmatchcase("postgresql_db", PARTS):
            yield from _against_postgresql_db(work, newest, folder, plain)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _build(target: PostgresTarget) -> int:
    with connect(target) as session:
        session.set("search_path", "public")
        for number in range(TABLES):
            session.run(f"CREATE TABLE t{number} (id bigint, n int, v text)")
            session.run(f"INSERT INTO t{number} SELECT g, g % 1000, md5(g::text) || md5((g / 3)::text) || repeat('x', 20)"
                        f" FROM generate_series(1, {ROWS}) g")
            session.run(f"ALTER TABLE t{number} ADD PRIMARY KEY (id)")
        return session.value("SELECT pg_database_size(current_database())")


def _backup(target: PostgresTarget, installation, folder: Path) -> Backup:
    engine = DumpEngine(
        Database(lambda: connect(target), target.client_environment, target.host, target.port, target.database),
        pg_dump.DumpPrograms(Commands(), [installation.folder]), DumpPolicy(fingerprint="off"), SystemClock(), nobody_writes)
    return create_backup(Repository(folder, "unnamed", "unnamed"), "bench", engine, CODECS, CreationPolicy(), SystemClock(),
                         free_bytes=lambda path: shutil.disk_usage(folder.parent).free).backup


def _against_pg_restore(work: str, backup: Backup, installation, folder: Path) -> Row:
    ours, theirs = [], []
    for _number in range(REPETITIONS):
        with _scratch(installation, folder / "ours") as database:
            drill = DatabaseDrill(backup, CODECS, database, DrillPolicy(), folder / "ours", jobs=2, deadline=_deadline())
            database.create({})
            ours.append((seconds(drill.fetch), seconds(drill.restore)))
            _check(database)
        with _scratch(installation, folder / "theirs") as database:
            database.create({})
            argv = [installation.program("pg_restore"), "-j2", "-h", str(folder / "theirs" / "server"), "-U", "postgres", "-d", DATABASE,
                    str(backup.data)]
            theirs.append(seconds(lambda argv=argv: subprocess.run(argv, check=True)))
            _check(database)
    mine, peer = statistics.median(sum(phases) for phases in ours), statistics.median(theirs)
    fetch, restore = (statistics.median(column) for column in zip(*ours, strict=True))
    return Row(work, "bare pg_restore -j2", mine / peer, 1.1, False, f"fetch {fetch:.2f} + restore {restore:.2f}; peer {peer:.2f}")


def _against_postgresql_db(work: str, installation, folder: Path, plain: Path) -> Iterator[Row]:
    """Both restore into a running server; the drill also makes that server, which is printed beside."""
    ours, recoveries, wholes, theirs = [], [], [], []
    startup = statistics.median(
        seconds(lambda: _ansible("ansible.builtin.ping", installation, {"data": "pong"})) for _number in range(REPETITIONS))
    for _number in range(REPETITIONS):
        answers: list[dict] = []
        wholes.append(seconds(lambda answers=answers: answers.append(_ansible("evenkeel.ops.restore_drill", installation, {
            "repository": str(folder / "repository"), "plan": "bench", "amcheck": False, "scratch_dir": str(folder),
            "bin_dir": installation.folder,
            "assertions": [{"name": "all rows", "sql": f"SELECT count(*) FROM t{TABLES - 1}", "expected": ROWS}]}))))
        if answers[0]["drill"]["status"] != "pass":
            raise AssertionError(answers[0]["summary"])
        drill = answers[0]["drill"]
        ours.append(sum(phase["seconds"] for phase in drill["phases"] if phase["name"] in ("fetch", "restore")))
        recoveries.append(drill["rto_seconds"])
        with _scratch(installation, folder / "theirs") as database:
            database.create({})
            theirs.append(seconds(lambda: _ansible("community.postgresql.postgresql_db", installation, {
                "name": DATABASE, "state": "restore", "target": str(plain), "login_user": "postgres",
                "login_unix_socket": str(folder / "theirs" / "server")})) - startup)
            _check(database)
    mine, recovery, peer = statistics.median(ours), statistics.median(recoveries), statistics.median(theirs)
    told = f"peer {peer:.2f} without Ansible's start-up (whole run {peer + startup:.2f})"
    yield Row(work, "postgresql_db state=restore", peer / mine, 1.7, True, f"fetch + restore {mine:.2f}; {told}")
    yield Row(f"{work} with the making of its server", "the same, into a server that runs", peer / recovery, None, True,
              f"{recovery:.2f} to the first query (whole run {statistics.median(wholes):.2f}); {told}")


@contextmanager
def _scratch(installation, folder: Path) -> Iterator[ScratchDatabase]:
    """A drill's server, running."""
    folder.mkdir(mode=0o755)
    database = ScratchDatabase(Commands(), SystemClock(), major=installation.major, folders=[installation.folder])
    try:
        database.prepare(folder / "server", _deadline())
        yield database
    finally:
        database.stop()
        shutil.rmtree(folder)


def _deadline() -> Deadline:
    return Deadline(SystemClock(), 3600)


def _check(database: ScratchDatabase) -> None:
    with database.session() as session:
        found = [session.value(f"SELECT count(*) FROM public.t{number}") for number in range(TABLES)]
    if found != [ROWS] * TABLES:
        raise AssertionError(f"restored {found} rows of {ROWS} each")


def _ansible(module: str, installation, options: dict) -> dict:
    """One task by its full name, as a whole run of ``ansible``; gives its answer. The installation's programs come first on its PATH."""
    programs = f"{installation.folder}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible")), "localhost", "-c", "local", "-m", module, "-a", json.dumps(options),
         "-e", json.dumps({"ansible_python_interpreter": sys.executable})],
        cwd=ROOT, env={**os.environ, "PATH": programs, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1",
                       "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{module}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
    return json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{"):])[0]
