# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance keeps to its window: random windows under load, with predictions that are right, wrong, or of another machine."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.maintenance_history import gather
from ansible_collections.evenkeel.ops.plugins.modules import postgresql_maintenance

from tests.integration.databases.conftest import REINDEX, VACUUM, login
from tests.integration.reliability.figures import scaled
from tests.testbed.cuts import Cuts

PROMISE = "maintenance keeps to its window"
TABLES = [f"busy{number}" for number in range(6)]
FORECAST = {"margin_percent": 25, "first_margin_percent": 50, "samples": 5, "patience": 3, "forced_within": "7d"}
CATALOGS = ["pg_catalog.*", "information_schema.*", "pg_toast.*"]


@pytest.fixture
def busy(newest_pg) -> Iterator[PostgresTarget]:
    """A database of six tables, on which others work all the time; some of them hold their transactions open for a while."""
    target = replace(newest_pg, database="busy windows")
    with connect(newest_pg) as session:
        session.run("CREATE DATABASE {name}", names={"name": target.database})
    with connect(target) as session:
        for table in TABLES:
            session.run(f"CREATE TABLE public.{table} (id int PRIMARY KEY, v text) WITH (autovacuum_enabled = off)")
            session.run(f"INSERT INTO public.{table} SELECT g, md5(g::text) FROM generate_series(1, 40000) g")
            session.run(f"CREATE INDEX ON public.{table} (v)")
    ended = threading.Event()
    others = [threading.Thread(target=load, args=(target, ended, number), daemon=True) for number in range(4)]
    for other in others:
        other.start()
    try:
        yield target
    finally:
        ended.set()
        for other in others:
            other.join(30)
        with connect(newest_pg) as session:
            session.run("DROP DATABASE IF EXISTS {name} WITH (FORCE)", names={"name": target.database})


def load(target: PostgresTarget, ended: threading.Event, number: int) -> None:
    """Short transactions that leave dead rows; each now and then one that keeps its locks and its view for up to a second."""
    dice = random.Random(number)
    with connect(target, autocommit=False, application_name="load") as session:
        while not ended.is_set():
            with contextlib.suppress(OpsError):  # it waited for a lock for too long, or for one of its like
                first = dice.randrange(1, 39000)
                session.run(f"UPDATE public.{dice.choice(TABLES)} SET v = md5(v || 'x') WHERE id BETWEEN %s AND %s", (first, first + 300))
                if dice.random() < 0.1:
                    ended.wait(dice.random())
            session.run("COMMIT")
            ended.wait(0.01)


class Onlooker(threading.Thread):
    """Notes when a statement of ours that works (no mere question) was last seen running."""

    def __init__(self, target: PostgresTarget) -> None:
        super().__init__(daemon=True)
        self.seen: float = 0.0
        self.ended = threading.Event()
        self._target = target

    def run(self) -> None:
        with connect(self._target, application_name="onlooker") as session:
            while not self.ended.wait(0.01):
                at = time.time()
                if session.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
                                 "AND application_name = 'evenkeel.ops' AND query ~ '^(VACUUM|ANALYZE|REINDEX|DROP)'"):
                    self.seen = at


def get_sick(target: PostgresTarget) -> None:
    """Wait until the load has left enough dead rows in several tables."""
    deadline = time.time() + 60
    with connect(target) as session:
        while session.value("SELECT count(*) FROM pg_stat_user_tables WHERE n_dead_tup > 1000") < 3:
            assert time.time() < deadline, "the load leaves no dead rows"
            time.sleep(0.1)


def options(target: PostgresTarget, dice: random.Random, records: list[dict[str, Any]], end: datetime) -> dict[str, Any]:
    rate = dice.choice(["1MiB", "20MiB", "1GiB", "100GiB"])
    return {**login(target), "ssl_mode": "prefer", "ca_cert": None, "connect_timeout": 10, "time_budget": "1h", "gentle": {},
            "connection_budget": dice.randint(1, 3), "lock_timeout": dice.choice(["200ms", "5s"]), "share": 1,
            "deadline": format_instant(end), "forecast": FORECAST,
            "history": dice.choice([{}, gather(records, samples=5)]),
            "vacuum": {**VACUUM, "dead_percent": 1, "rate": rate, "exclude": CATALOGS},
            "reindex": {**REINDEX, "rate": rate, "bloat_percent": 5, "estimated_percent": 5}}


def test_random_windows_under_load_are_never_overrun(busy, figure):
    windows, records, late, worst = scaled(100, 6), [], [], float("-inf")
    became: Counter[str] = Counter()
    onlooker = Onlooker(busy)
    onlooker.start()
    for number in range(windows):
        dice = random.Random(number)
        window = dice.uniform(0.3, 4.0)
        get_sick(busy)
        closes = datetime.now(timezone.utc) + timedelta(seconds=window)
        outcome = postgresql_maintenance.run(Request(options(busy, dice, records, closes)))
        end = closes.timestamp()
        time.sleep(0.05)
        if onlooker.seen > end:
            late.append((number, onlooker.seen - end))
        worst = max(worst, time.time() - 0.05 - end)
        records.append(outcome.values)
        for step in outcome.values["steps"]:
            became[step["status"]] += 1
    onlooker.ended.set()
    onlooker.join(10)
    words = ", ".join(f"{count} {word}" for word, count in sorted(became.items()))
    figure(PROMISE, "random windows of 0.3 to 4 s on a database that others write to, with right and wrong predictions",
           f"{windows} windows, overruns {len(late)}; the last answer came {abs(worst):.2f} s {'after' if worst > 0 else 'before'} its "
           f"window's end at the worst; steps: {words}")
    assert became["done"] and became["left"] and not late, late
    with connect(busy) as session:
        for _turn in range(5):  # what a cancelled rebuild could not drop at once, a run that has the time for it drops
            closes = datetime.now(timezone.utc) + timedelta(seconds=60)
            last = postgresql_maintenance.run(Request({**options(busy, random.Random(1), [], closes), "lock_timeout": "5s"}))
            if not session.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid"):
                break
        assert session.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0, last.values


class Late(Cuts):
    """A way to a server that lets nobody in before a second and a half have passed."""

    def _serve(self, client: socket.socket) -> None:
        time.sleep(1.5)
        super()._serve(client)


def test_what_connecting_takes_is_part_of_the_window(newest_pg):
    proxy = Late(newest_pg.port, lambda _number, _method, _path: None)
    try:
        closes = datetime.now(timezone.utc) + timedelta(seconds=60)
        asked = options(replace(newest_pg, port=proxy.port), random.Random(1), [], closes)
        outcome = postgresql_maintenance.run(Request(asked, check_mode=True))
    finally:
        proxy.stop()
    assert outcome.values["maintenance"]["window_seconds"] <= 58.5
