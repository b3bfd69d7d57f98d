# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan and maintenance as an operator runs them: the plan on the console, durations and debt from the ledger (postgresql_history)."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres

from tests.integration.databases.conftest import dead_rows, login, sick_table

CATALOGS = ["pg_catalog.*", "information_schema.*", "pg_toast.*"]


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "hosts.yml"
    path.write_text(json.dumps({"databases": {"hosts": {"db1": {
        "ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}}}}))
    return path


@pytest.fixture
def shop(newest_pg):
    with postgres.connect(newest_pg) as session:
        session.run("CREATE DATABASE planned_shop")
    target = replace(newest_pg, database="planned_shop")
    with postgres.connect(target) as session:
        session.set("search_path", "public")
        yield target, session
    with postgres.connect(newest_pg) as session:
        session.run("DROP DATABASE planned_shop WITH (FORCE)")


def variables(target, **change):
    return {"databases_targets": [{"name": "shop", **login(target)}], "databases_maintenance": {
        "vacuum": {"dead_rows": 100, "dead_percent": 10, "changed_rows": 10**6, "changed_percent": 10, "freeze_age": 150000000,
                   "multixact_age": 300000000, "urgent_age": 1000000000, "bloat_percent": 50, "bloat_size": "100MiB", "rate": "50MiB",
                   "exclude": CATALOGS},
        "reindex": {"bloat_percent": 40, "estimated_percent": 60, "bloat_size": "128KiB", "rate": "20MiB"}}, **change}


def records(tmp_path) -> list[tuple]:
    """Procedure, status, whether anything changed, and what the maintenance returned, oldest first."""
    with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
        rows = ledger.execute("SELECT procedure, status, changed, body FROM records ORDER BY id").fetchall()
    return [(procedure, status, changed, json.loads(body)) for procedure, status, changed, body in rows]


def test_the_plan_is_printed_and_recorded_and_maintenance_does_it_and_learns(playbook, inventory, tmp_path, shop):
    target, session = shop
    sick_table(session, "t")
    planned = playbook("evenkeel.ops.databases.plan", inventory=inventory, variables=variables(target))
    assert planned.returncode == 0 and "changed=0" in planned.stdout, planned.stdout + planned.stderr
    for words in ("planned_shop: ", "SHARE UPDATE EXCLUSIVE", 'VACUUM', '"public"."t"', "looked at again before it is begun", "~"):
        assert words in planned.stdout, planned.stdout
    assert dead_rows(session, "t") > 0 and target.password not in planned.stdout
    [(procedure, status, changed, [body])] = records(tmp_path)
    assert (procedure, status, changed) == ("plan", "pass", 0) and body["steps"] and "console" not in body

    shown = [(step["relation"], step["statement"]) for step in body["steps"]]
    done = playbook("evenkeel.ops.databases.maintain", inventory=inventory, variables=variables(target))
    assert done.returncode == 0 and dead_rows(session, "t") == 0, done.stdout + done.stderr
    [body] = records(tmp_path)[-1][3]
    assert [(step["relation"], step["statement"]) for step in body["steps"] if step["status"] == "done"] == shown

    session.run("INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 20000) g ON CONFLICT DO NOTHING")
    session.run("DELETE FROM t WHERE id % 5 <> 0")
    session.run("SELECT pg_stat_force_next_flush()")
    again = playbook("evenkeel.ops.databases.plan", inventory=inventory, variables=variables(target))
    assert again.returncode == 0 and "by its last run (1)" in again.stdout, again.stdout


def test_what_is_left_is_recorded_shown_and_closes_the_gate_where_the_policy_says_so(playbook, inventory, tmp_path, shop):
    target, session = shop
    sick_table(session, "t")
    short = variables(target, databases_time_budget="0s", databases_fail_on=["warn", "fail", "unknown"])
    for runs in (1, 2):
        done = playbook("evenkeel.ops.databases.maintain", inventory=inventory, variables=short)
        assert done.returncode != 0 and "The gate is closed" in done.stdout and "is left (16000 dead rows" in done.stdout, done.stdout
        (_procedure, status, changed, [body]) = records(tmp_path)[-1]
        assert (status, changed) == ("warn", 0)
        assert {(debt["relation"], debt["runs"]) for debt in body["debt"]} >= {("public.t", runs)}, body["debt"]
        assert {row["relation"] for row in body["not_done"]} >= {"public.t"}
    assert "left 2 runs in a row" in done.stdout and "anti-wraparound vacuum" in done.stdout


def test_maintenance_goes_on_without_a_ledger_to_learn_from(playbook, inventory, tmp_path, shop):
    target, session = shop
    sick_table(session, "t")
    away = variables(target, evenkeel_ledger_url="postgresql+psycopg://nobody@127.0.0.1:1/away")
    done = playbook("evenkeel.ops.databases.maintain", inventory=inventory, variables=away)
    assert done.returncode != 0, "that nothing was recorded is a failure"
    assert "durations are predicted from sizes alone" in done.stdout and dead_rows(session, "t") == 0, done.stdout
