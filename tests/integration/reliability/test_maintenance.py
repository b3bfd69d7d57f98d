# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance of databases survives its server, and no name in a database is ever obeyed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresSession, connect
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import CommandFailed

from tests.integration.databases.conftest import login
from tests.integration.reliability.figures import FULL, scaled
from tests.integration.reliability.test_hostile_names import executed, for_tables
from tests.integration.reliability.workers import answer_in, begin, to_end
from tests.testbed.postgres import installations, running_server

KILLS, NAMES, SEED = scaled(30, 6), scaled(200, 60), 20260115
TABLES, HOWS = 6, ("killed", "shut down immediately", "restarted")
# Seconds within which most of the work is done on a quiet machine.
LENGTH = 0.4
VACUUM = {"dead_rows": 100, "dead_percent": 10, "changed_rows": 10**6, "changed_percent": 10, "freeze_age": 150000000,
          "multixact_age": 300000000, "urgent_age": 1000000000, "bloat_percent": 50, "bloat_size": "100MiB", "rate": "50MiB",
          "exclude": ["pg_catalog.*", "information_schema.*"]}
REINDEX = {"bloat_percent": 40, "estimated_percent": 60, "bloat_size": "64KiB", "rate": "20MiB"}
INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


def sicken(session: PostgresSession, *, vacuumed: bool) -> None:
    """Tables of which four rows of five are dead, or, vacuumed, indexes that are mostly air."""
    for number in range(TABLES):
        names = {"table": ("public", f"t{number}")}
        session.run("DROP TABLE IF EXISTS {table}", names=names)
        session.run("CREATE TABLE {table} (id int PRIMARY KEY, v text) WITH (autovacuum_enabled = off)", names=names)
        session.run("INSERT INTO {table} SELECT g, md5(g::text) FROM generate_series(1, 15000) g", names=names)
        session.run("CREATE INDEX ON {table} (v)", names=names)
        session.run("DELETE FROM {table} WHERE id % 5 <> 0", names=names)
        if vacuumed:
            session.run("VACUUM ANALYZE {table}", names=names)
    session.run("CHECKPOINT")


def bring_down(server: Any, how: str) -> None:
    """As a crash of the machine's power would be without its disk (kill), as an immediate shutdown, or as a restart by hand."""
    if how == "killed":
        os.kill(server.pid, signal.SIGKILL)
    server.stop(immediately=how == "shut down immediately")


def bring_up(server: Any) -> None:
    """A killed server's processes notice within a moment; until then a new one is refused."""
    end = time.monotonic() + 60
    while True:
        try:
            return server.start()
        except CommandFailed:
            if time.monotonic() > end:
                raise
            time.sleep(0.3)


@contextlib.contextmanager
def report(target: Any, running: bool) -> Iterator[None]:
    """A long transaction of somebody else, for which a concurrent rebuild has to wait between its phases."""
    if not running:
        yield
        return
    with connect(target, autocommit=False) as session:  # the server goes down under it
        session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        session.run("SELECT count(*) FROM pg_class")
        yield


def wait_for_work(session: PostgresSession) -> None:
    """Until the server works on the first statement."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if session.fetch("SELECT 1 FROM pg_stat_activity WHERE query ~ '^(VACUUM|REINDEX)' AND state = 'active'"):
            return
        time.sleep(0.005)


def test_a_server_that_goes_down_in_the_middle_leaves_nothing_that_the_next_run_does_not_mend(tmp_path, figure):
    dice, seen, wrong = random.Random(SEED), Counter(), []
    answer = tmp_path / "answer"
    newest = max(installations(), key=lambda one: one.major)
    with running_server(newest, settings={"autovacuum": "off", "shared_buffers": "64MB"}) as (server, target):
        options = {"postgresql_vacuum": login(target, policy=VACUUM), "postgresql_reindex": login(target, policy=REINDEX)}
        for number in range(KILLS):
            # Mostly in the rebuilding, which is what leaves something behind; every other time while somebody's report runs.
            module = "postgresql_vacuum" if number % 4 == 3 else "postgresql_reindex"
            with connect(target) as session:
                sicken(session, vacuumed=module == "postgresql_reindex")
                with report(target, number % 2 == 0):
                    process = begin(module, options[module], answer)
                    wait_for_work(session)
                    time.sleep(dice.uniform(0, LENGTH))
                    bring_down(server, HOWS[number % len(HOWS)])
                    process.join(60)
            said = answer_in(answer)
            seen["downs"] += 1
            if said.get("failed"):
                seen["in time"] += 1
                seen["told"] += said["error"] == "Unreachable" and bool(said["hint"])
            elif not said:
                wrong.append(f"{number}: it never ended")
            bring_up(server)
            with connect(target) as session:
                seen["leftovers"] += session.value(INVALID)
                done = to_end(module, options[module], answer)
                if done.get("failed") or done.get("not_done") or {entry["status"] for entry in done["relations"]} - {"done"}:
                    wrong.append(f"{number}: {done.get('msg') or done.get('summary')}")
                seen["left"] += session.value(INVALID)
                again = to_end(module, options[module], answer)
                if again.get("changed") is not False:
                    wrong.append(f"{number}: the next run left something to do: {again.get('summary')}")
    figure("maintenance survives its server", "a server killed, shut down at once and restarted in the middle of vacuum and rebuilding",
           f"{seen['downs']} times, {seen['in time']} of them before the work was done, {seen['told']} of these told; "
           f"{seen['leftovers']} invalid indexes were left, after the next run {seen['left']}")
    assert not wrong, wrong[:5]
    assert seen["left"] == 0 and seen["told"] == seen["in time"] > 0
    assert seen["leftovers"] > 0 or not FULL  # in a few tries chance may spare it


@pytest.fixture
def hostile(newest_pg, tmp_path: Path) -> Iterator[Any]:
    """A database of tables with hostile names, each with a column and an index of that name, all of them sick; their number."""
    assert executed() == []
    with connect(newest_pg) as session:
        session.run("DROP DATABASE IF EXISTS {name} WITH (FORCE)", names={"name": "hostile_maintenance"})
        session.run("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'", names={"name": "hostile_maintenance"})
    target = replace(newest_pg, database="hostile_maintenance")
    with connect(target) as session:
        session.run("CREATE TABLE public.precious AS SELECT 1 AS one")
        for name in for_tables()[:NAMES]:
            # A schema and an index of its name too, where the server takes it: it keeps pg_… for itself.
            schema = name if not name.startswith("pg_") else "x"
            names = {"schema": schema, "table": (schema, name), "column": name, "index": name[:40] + "_index"}
            session.run("CREATE SCHEMA IF NOT EXISTS {schema}", names=names)
            session.run("CREATE TABLE {table} ({column} int) WITH (autovacuum_enabled = off)", names=names)
            session.run("INSERT INTO {table} SELECT generate_series(1, 4000)", names=names)
            session.run("CREATE INDEX {index} ON {table} ({column})", names=names)
            session.run("DELETE FROM {table} WHERE {column} % 10 <> 0", names=names)
        session.run("SELECT pg_stat_force_next_flush()")
    yield target
    with connect(newest_pg) as session:
        session.run("DROP DATABASE {name} WITH (FORCE)", names={"name": "hostile_maintenance"})


def test_no_name_in_a_database_is_obeyed(run_module, hostile, figure):
    vacuum, reindex = login(hostile, policy=VACUUM), login(hostile, policy={**REINDEX, "bloat_size": "32KiB"})
    planned = run_module("postgresql_vacuum", vacuum, check=True, diff=True)
    vacuumed = run_module("postgresql_vacuum", vacuum, diff=True)
    rebuilt = run_module("postgresql_reindex", reindex, diff=True)
    counts = [sum(entry["status"] == "done" for entry in answer["relations"]) for answer in (vacuumed, rebuilt)]
    with connect(hostile) as session:
        precious = session.value("SELECT one FROM public.precious")
        bad = session.value(INVALID)
    figure("names are hostile", "names of schemas, tables, columns and indexes, through vacuum and rebuilding",
           f"{counts[0]} vacuumed and {counts[1]} rebuilt of {NAMES}; executed {len(executed())}")
    assert executed() == [] and precious == 1 and bad == 0
    assert len(planned["relations"]) == NAMES and counts == [NAMES, NAMES], (vacuumed["summary"], rebuilt["summary"])
