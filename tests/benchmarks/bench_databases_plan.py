# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of all maintenance: what drawing it up costs beside the query that reads the catalog, and how true its predictions are."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import yaml
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.maintenance_history import gather
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.tables import observe_tables
from ansible_collections.evenkeel.ops.plugins.modules import postgresql_maintenance

from tests.benchmarks.harness import Row, seconds
from tests.conftest import ROOT
from tests.testbed.postgres import installations, running_server

TABLES, REPETITIONS, ALLOWED_SECONDS = 10_000, 3, 2.0
PREDICTED, LEARNING_RUNS = 10, 3
DEFAULTS = yaml.safe_load((ROOT / "roles" / "databases" / "defaults" / "main.yml").read_text(encoding="utf-8"))
CATALOGS = ["pg_catalog.*", "information_schema.*", "pg_toast.*"]
_MAKE = """
DO $do$ BEGIN
  FOR n IN {first}..{last} LOOP
    EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY) WITH (autovacuum_enabled = off)', n);
    EXECUTE format('INSERT INTO t%s SELECT generate_series(1, 40)', n);
    EXECUTE format('DELETE FROM t%s WHERE id > 10', n);
  END LOOP;
END $do$
"""


def rows() -> Iterator[Row]:
    """Two rows; each checks that the plan is what it should be."""
    newest = max(installations(), key=lambda one: one.major)
    settings = {"autovacuum": "off", "shared_buffers": "512MB", "max_wal_size": "8GB", "max_locks_per_transaction": "4096"}
    with running_server(newest, settings=settings) as running:
        target = running[1]
        with postgres.connect(target) as session:
            session.set("search_path", "public")
            yield _planning(session, target)
            yield _predicting(session, target)


def _options(target: Any, **change: Any) -> dict[str, Any]:
    policies = {name: {**DEFAULTS["databases_maintenance"][name], "exclude": CATALOGS, **change.pop(name, {})}
                for name in ("vacuum", "reindex")}
    return {"login_host": target.host, "login_port": target.port, "login_user": target.user, "login_password": target.password,
            "login_db": target.database, "ssl_mode": "prefer", "ca_cert": None, "connect_timeout": 10, "time_budget": "30m",
            "connection_budget": 2, "lock_timeout": "5s", "gentle": {}, "forecast": DEFAULTS["databases_forecast"], "history": {},
            "deadline": None, "share": 1, **policies, **change}


def _planning(session: Any, target: Any) -> Row:
    """All of 10,000 tables with an index each are due, and the indexes small enough that each is looked at."""
    for first in range(0, TABLES, 1000):
        session.run(_MAKE.format(first=first, last=first + 999))
    session.run("SELECT pg_stat_force_next_flush()")
    options = _options(target, vacuum={"dead_rows": 10}, reindex={"bloat_size": "8KiB"})
    answers, ours, query = [], [], []
    for _number in range(REPETITIONS):
        query.append(seconds(lambda: observe_tables(session, large=100 * 2**20)))
        ours.append(seconds(lambda: answers.append(postgresql_maintenance.run(Request(options, True)))))
    if len(answers[-1].values["steps"]) < TABLES:
        raise AssertionError(answers[-1].summary)
    for first in range(0, TABLES, 1000):
        session.run(f"DO $do$ BEGIN FOR n IN {first}..{first + 999} LOOP EXECUTE format('DROP TABLE t%s', n); END LOOP; END $do$")
    session.run("VACUUM")
    over = statistics.median(ours) - statistics.median(query)
    return Row("a plan of 20,000 relations, 10,000 of them due, over the query that reads them", "2 seconds", over / ALLOWED_SECONDS,
               1.0, False, f"run() {statistics.median(ours):.2f}, the query alone {statistics.median(query):.2f}: {over:.2f} over it")


def _predicting(session: Any, target: Any) -> Row:
    """Tables of 25,000 to 250,000 rows are filled and made sick again and again, each time by another share: vacuum and rebuild."""
    for number in range(PREDICTED):
        session.run(f"CREATE TABLE p{number} (id int PRIMARY KEY, v text)")
        session.run(f"CREATE INDEX ON p{number} (v)")
    records, errors = [], []
    for turn in range(LEARNING_RUNS + 1):
        for number in range(PREDICTED):
            session.run(f"INSERT INTO p{number} SELECT g, md5(g::text) FROM generate_series(1, {25_000 * (number + 1)}) g "
                        "ON CONFLICT DO NOTHING")
        session.run("VACUUM ANALYZE")
        for number in range(PREDICTED):
            session.run(f"DELETE FROM p{number} WHERE id % {4 + (number + turn) % 3} <> 0")
        session.run("SELECT pg_stat_force_next_flush()")
        session.run("CHECKPOINT")
        answer = postgresql_maintenance.run(Request(_options(target, history=gather(records, samples=5))))
        records.append(answer.values)
        done = [row for row in answer.values["relations"] if row["status"] == "done"]
        if len(done) < PREDICTED:
            raise AssertionError(f"turn {turn}: {answer.summary}")
        errors.append(statistics.median(abs(row["predicted_seconds"] - row["seconds"]) / row["seconds"] for row in done))
    words = ", ".join(f"{100 * error:.0f}%" for error in errors)
    took = [row["seconds"] for row in done]
    return Row(f"predicted durations after {LEARNING_RUNS} runs, median error of {len(done)} works", "what they took", errors[-1], 0.25,
               False, f"errors run by run {words}; the works took {min(took):.3f} to {max(took):.3f}")
