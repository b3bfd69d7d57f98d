# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance of 400 tables of equal size, 20, all or none of them sick, against PostgreSQL's own vacuumdb and reindexdb; and what
an application notices of it.

Compared is the work inside one Python process that calls the module's ``run`` (Python's start-up is in neither figure; those
programs have next to none); the time of the whole module process is printed beside.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request
from ansible_collections.evenkeel.ops.plugins.modules import postgresql_reindex, postgresql_vacuum

from tests.benchmarks.harness import Row, seconds, side_by_side
from tests.conftest import ROOT
from tests.testbed.postgres import installations, running_server

TABLES, SICK, ROWS, REPETITIONS = 400, 20, 30000, 5
# Where all are sick each table is smaller, and so is what counts as large enough.
ALL_ROWS, ALL_SIZE, CLIENTS, LOAD_SECONDS, RATE = 4000, "64KiB", 4, 40, 400
DEFAULTS = yaml.safe_load((ROOT / "roles" / "databases" / "defaults" / "main.yml").read_text(encoding="utf-8"))
NAMES = [f"sick_{number:03}" for number in range(SICK)]
ALL_NAMES = [("all_sick", f"t{number:03}") for number in range(TABLES)]


def rows() -> Iterator[Row]:
    """All of them; each checks that what it measures did what it should."""
    newest = max(installations(), key=lambda one: one.major)
    settings = {"autovacuum": "off", "shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "1h"}  # none comes by itself
    with running_server(newest, settings=settings) as (_server, target):
        yield from _rows_on(target, newest)


def _rows_on(target, installation) -> Iterator[Row]:
    with target.client_environment() as environment, postgres.connect(target) as session:
        bench = _Bench(session, target, installation, environment)
        bench.build()
        yield bench.first_run("vacuum of 20 of 400 tables", postgresql_vacuum, "vacuum", bench.sicken,
                              lambda: bench.program("vacuumdb", "-j2", "-z", *bench.named()), 20)
        yield bench.first_run("rebuild of the indexes of 20 of 400 tables", postgresql_reindex, "reindex", bench.bloat,
                              lambda: bench.program("reindexdb", "-j2", "--concurrently", *bench.named()), 20)
        yield from bench.second_run()
        yield from bench.all_sick()
        yield from bench.application()


class _Bench:
    def __init__(self, session, target, installation, environment) -> None:
        self.session, self.target, self.installation, self.environment = session, target, installation, environment

    def build(self) -> None:
        self.session.set("search_path", "public")
        self.session.run("CREATE EXTENSION pgstattuple")
        for number in range(TABLES - SICK):
            self._table(f"well_{number:03}")
        self.sicken()
        self.session.run("VACUUM ANALYZE")

    def _table(self, name: str) -> None:
        self.session.run(f"CREATE TABLE {name} (id int, v text, PRIMARY KEY (id, v))")
        self.session.run(f"INSERT INTO {name} SELECT g, md5(g::text) FROM generate_series(1, {ROWS}) g")
        self.session.run(f"CREATE INDEX ON {name} (v)")

    def sicken(self) -> None:
        """Twenty tables of which four rows of five are dead."""
        for name in NAMES:
            self.session.run(f"DROP TABLE IF EXISTS {name}")
            self._table(name)
            self.session.run(f"DELETE FROM {name} WHERE id % 5 <> 0")
        self.session.run("SELECT pg_stat_force_next_flush()")
        self.session.run("CHECKPOINT")

    def bloat(self) -> None:
        """The same, vacuumed: forty indexes that are mostly air."""
        self.sicken()
        for name in NAMES:
            self.session.run(f"VACUUM ANALYZE {name}")
        self.session.run("CHECKPOINT")

    def named(self) -> list[str]:
        return [f"--table=public.{name}" for name in NAMES]

    def program(self, name: str, *arguments: str) -> None:
        subprocess.run([self.installation.program(name), *arguments], env={**self.environment, "LC_ALL": "C.UTF-8"}, check=True,
                       stdout=subprocess.DEVNULL)

    def options(self, policy: str, **change: Any) -> dict[str, Any]:
        return {"login_host": self.target.host, "login_port": self.target.port, "login_user": self.target.user,
                "login_password": self.target.password, "login_db": self.target.database, "ssl_mode": "prefer", "ca_cert": None,
                "connect_timeout": 10, "policy": {**DEFAULTS["databases_maintenance"][policy], **change}, "time_budget": "30m",
                "connection_budget": 2, "lock_timeout": "5s", "gentle": {}}

    def process(self, module, policy: str) -> None:
        """The whole module, in a process of its own."""
        arguments = {**self.options(policy, exclude=["pg_catalog.*"]), "_ansible_remote_tmp": "/tmp"}
        subprocess.run([sys.executable, "-m", "tests.testbed.module", module.__name__.rpartition(".")[2]], cwd=ROOT, check=True,
                       input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), text=True, stdout=subprocess.DEVNULL)

    def first_run(self, work: str, module, policy: str, prepare: Callable[[], None], theirs: Callable[[], None], expected: int) -> Row:
        # Making tables sick over and over makes the catalogs due too; the peer is not asked to do those.
        request = Request(self.options(policy, exclude=["pg_catalog.*"]))

        def ours() -> None:
            answer = module.run(request)
            relations = answer.values["relations"]
            if len(relations) != expected or {entry["status"] for entry in relations} != {"done"} \
                    or any("well" in entry["relation"] for entry in relations):
                raise AssertionError(f"{work}: {answer.summary}")

        mine, peer = side_by_side(ours, theirs, prepare=prepare, repetitions=REPETITIONS)
        prepare()
        theirs()
        if (after := module.run(request)).values["relations"]:
            raise AssertionError(f"{work}: the peer left {after.summary} to do")
        prepare()
        whole = seconds(lambda: self.process(module, policy))
        return Row(work, "bare `vacuumdb`" if policy == "vacuum" else "bare `reindexdb`", mine / peer, 1.15, False,
                   f"{mine:.2f} s against {peer:.2f} s on exactly those 20; whole module process {whole:.2f} s")

    def second_run(self) -> Iterator[Row]:
        """Nothing is to be done any more; the peer's rebuilding makes the catalogs due again, hence the VACUUM in between."""
        modules = ((postgresql_vacuum, "vacuum"), (postgresql_reindex, "reindex"))
        for module, policy in reversed(modules):
            module.run(Request(self.options(policy)))

        def ours() -> None:
            for module, policy in modules:
                if module.run(Request(self.options(policy))).changed:
                    raise AssertionError(f"{policy} found something to do")

        def theirs() -> None:
            self.program("vacuumdb", "-j2", "-z")
            self.program("reindexdb", "-j2", "--concurrently")

        pairs = []
        for _number in range(REPETITIONS):
            self.session.run("VACUUM ANALYZE")
            pairs.append((seconds(ours), seconds(theirs)))
        self.session.run("VACUUM ANALYZE")
        mine, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
        whole = seconds(lambda: [self.process(module, policy) for module, policy in modules])
        yield Row("the same 400 tables again, nothing to do", "vacuumdb -j2 -z and reindexdb -j2 --concurrently of all",
                  peer / mine, 15, True, f"{mine:.3f} s against {peer:.2f} s")
        yield Row("the same, with Python's start-up twice", "the same", peer / whole, None, True, f"{whole:.2f} s against {peer:.2f} s")

    def all_sick(self) -> Iterator[Row]:
        """Every table of another schema is sick: nothing can be won by choosing, and little may be lost by it."""
        self.session.run("CREATE SCHEMA all_sick")
        for name in ALL_NAMES:
            self.session.run("CREATE TABLE {table} (id int, v text, PRIMARY KEY (id, v))", names={"table": name})
            self.session.run(f"INSERT INTO {{table}} SELECT g, md5(g::text) FROM generate_series(1, {ALL_ROWS}) g", names={"table": name})
            self.session.run("CREATE INDEX ON {table} (v)", names={"table": name})
        exclude = ["pg_catalog.*", "public.*"]
        for work, module, policy, prepare, theirs in (
                ("vacuum of 400 tables, all sick", postgresql_vacuum, "vacuum", self.sicken_all,
                 lambda: self.program("vacuumdb", "-j2", "-z", "--schema=all_sick")),
                ("rebuild of the indexes of 400 tables, all bloated", postgresql_reindex, "reindex", self.bloat_all,
                 lambda: self.program("reindexdb", "-j2", "--concurrently", "--schema=all_sick"))):
            change = {"exclude": exclude, **({"bloat_size": ALL_SIZE} if policy == "reindex" else {"changed_rows": 100})}
            request = Request(self.options(policy, **change))

            def ours(module=module, request=request, work=work) -> None:
                answer = module.run(request)
                if len([entry for entry in answer.values["relations"] if entry["status"] == "done"]) != TABLES:
                    raise AssertionError(f"{work}: {answer.summary}")

            mine, peer = side_by_side(ours, theirs, prepare=prepare, repetitions=REPETITIONS)
            yield Row(work, "bare `vacuumdb`" if policy == "vacuum" else "bare `reindexdb`", mine / peer, 1.1, False,
                      f"{mine:.2f} s against {peer:.2f} s")

    def sicken_all(self) -> None:
        """Of each of them half the rows are dead."""
        for name in ALL_NAMES:
            self.session.run(f"UPDATE {{table}} SET id = id + {ALL_ROWS}", names={"table": name})
        self.session.run("SELECT pg_stat_force_next_flush()")
        self.session.run("CHECKPOINT")

    def bloat_all(self) -> None:
        """The same, vacuumed: indexes that are half air."""
        self.sicken_all()
        self.program("vacuumdb", "-z", "--schema=all_sick")
        self.session.run("CHECKPOINT")

    def application(self) -> Iterator[Row]:
        """What 99 of 100 transactions of pgbench take at most while all 420 sick tables are vacuumed and their indexes rebuilt."""
        self.program("pgbench", "-i", "-q", "-s", "5")
        self.session.run("CHECKPOINT")
        calm = self.latency(lambda: time.sleep(LOAD_SECONDS / 3))
        for gentle, connections, words in (
                ({}, 2, "without the gentle settings"),
                (DEFAULTS["databases_maintenance"]["gentle"], 2, "with the gentle settings of the role's defaults"),
                ({}, 1, "with one connection")):
            took: list[float] = []
            self.sicken_all()
            self.sicken()
            busy = self.latency(partial(self.maintain, gentle, connections, took))
            yield Row(f"an application's transactions during maintenance, 99th percentile, {words}", "the same without maintenance",
                      busy / calm, None, False, f"{busy:.1f} ms against {calm:.1f} ms; the maintenance took {sum(took):.1f} s")

    def maintain(self, gentle: dict, connections: int, took: list[float]) -> None:
        """Vacuum and rebuild what is sick; the seconds of each go into ``took``."""
        for module, policy in ((postgresql_vacuum, "vacuum"), (postgresql_reindex, "reindex")):
            small = {"bloat_size": ALL_SIZE} if policy == "reindex" else {}
            request = Request({**self.options(policy, exclude=["pg_catalog.*"], **small), "gentle": gentle,
                               "connection_budget": connections})
            took.append(seconds(partial(module.run, request)))

    def latency(self, work: Callable[[], object]) -> float:
        """Milliseconds that 99 of 100 transactions of pgbench took at most while ``work`` was done; they come at a fixed rate, and the time
        for which one had to wait for its turn is in the figure.
        """
        with tempfile.TemporaryDirectory() as folder:
            load = subprocess.Popen(
                [self.installation.program("pgbench"), "-n", f"-c{CLIENTS}", f"-T{LOAD_SECONDS}", "-Mprepared", f"-R{RATE}", "-l"],
                cwd=folder, env={**self.environment, "LC_ALL": "C.UTF-8"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                time.sleep(1)
                began = time.time()
                work()
                ended = time.time()
                if load.poll() is not None:
                    raise AssertionError(f"the work took {ended - began:.0f} s, longer than the load of {LOAD_SECONDS} s")
            finally:
                load.wait(3 * LOAD_SECONDS)  # it writes its log when it ends
            # client, transaction, microseconds, script, epoch, microseconds (PostgreSQL documentation, pgbench, Per-Transaction Logging)
            lines = [line.split() for path in Path(folder).iterdir() for line in path.read_text().splitlines()]
        within = sorted(int(line[2]) for line in lines if len(line) >= 6 and began <= int(line[4]) + int(line[5]) / 1e6 <= ended)
        if len(within) < 100:
            raise AssertionError(f"only {len(within)} transactions were logged")
        return within[int(0.99 * len(within))] / 1000
