# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inspection and reviews as an operator runs them, with what earlier runs left in the ledger (postgresql_trend, postgresql_baseline)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant

from tests.integration.databases.conftest import login
from tests.testbed.pgbouncer import PASSWORD, STATS, serve_pgbouncer

GROWTH = {"window": "1d", "least_span": "0s", "database": {"warn": "1MiB"}, "relation": {"fail": "1MiB"}, "room_for": {"fail": "30d"},
          "without_history": "unknown"}
REGRESSIONS = {"window": "1d", "times": {"warn": 1.5}, "cost_times": {"fail": 10}, "least_calls": 20, "least_rise": "0s",
               "without_history": "unknown"}


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "hosts.yml"
    path.write_text(json.dumps({"databases": {"hosts": {"db1": {
        "ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}}}}))
    return path


def records(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    return ledger.records(ledger.newest_run(system="unnamed", environment="unnamed"))


def by_check(record):
    found: dict[str, list] = {}
    for finding in record["findings"]:
        found.setdefault(finding["check"].removeprefix("database."), []).append(finding)
    return found


def look_up(session):
    for number in range(40):
        session.fetch("SELECT v FROM orders WHERE id = %s", (number,))


def test_inspect_compares_with_earlier_runs(playbook, inventory, tmp_path, database, session, role):
    session.run("CREATE EXTENSION pg_stat_statements")
    monitor = role("monitor")
    session.run("GRANT pg_monitor, pg_read_all_data TO monitor")
    session.run("CREATE TABLE orders AS SELECT g AS id, repeat('x', 100) AS v FROM generate_series(1, 40000) g")
    session.run("CREATE INDEX orders_id ON orders (id); ANALYZE orders; SELECT pg_stat_statements_reset()")
    look_up(session)
    with serve_pgbouncer(database) as port:
        variables = {
            "databases_targets": [{"name": "away", **login(monitor), "login_port": 1},
                                  {"name": "shop", **login(monitor), "capacity": "1TiB"}],
            "databases_poolers": [{"name": "front", "login_host": "127.0.0.1", "login_port": port, "login_user": STATS,
                                   "login_password": PASSWORD}],
            "databases_growth": GROWTH, "databases_regressions": REGRESSIONS}
        first = playbook("evenkeel.ops.databases.inspect", inventory=inventory, variables=variables)
        assert first.returncode != 0 and "No PostgreSQL server answers" in first.stdout, first.stdout + first.stderr
        [record] = records(tmp_path)
        seen = by_check(record)
        for check in ("growth", "statement_regression"):
            assert [(finding["status"], finding["subject"]) for finding in seen[check]] == [("unknown", "shop")]
        assert seen["pooler_clients"][0]["subject"] == "front" and seen["plans"][0]["status"] == "pass"

        session.run("DROP INDEX orders_id")
        session.run("INSERT INTO orders SELECT g, repeat('y', 100) FROM generate_series(1, 40000) g; ANALYZE orders")
        look_up(session)
        variables["databases_targets"].pop(0)
        second = playbook("evenkeel.ops.databases.inspect", inventory=inventory, variables=variables)
    assert second.returncode != 0, second.stdout
    [record] = records(tmp_path)
    seen = by_check(record)
    [regression] = [one for one in seen["statement_regression"] if "SELECT v FROM orders" in one["message"]]
    assert regression["status"] == "warn" and regression["observed"] > regression["limit"] and regression["unit"] == "ms"
    [replanned] = [one for one in seen["plan_regression"] if "SELECT v FROM orders" in one["message"]]
    assert replanned["status"] == "fail" and replanned["subject"].startswith("shop: query ")
    assert "Index Scan using orders_id on orders" in replanned["message"] and "Seq Scan on orders" in replanned["message"]
    assert seen["growth"][0]["status"] == "warn" and "public.orders" in seen["growth"][0]["message"]
    assert [one["subject"] for one in seen["relation_growth"] if one["status"] == "fail"] == ["shop: public.orders"]
    assert seen["room"][0]["subject"] == "shop"
    values = {key: value for entry in record["body"] for key, value in entry.items()}
    assert values["growth"][0]["target"] == "shop" and values["growth"][0]["capacity"] == 2 ** 40
    assert any(one["replanned"] and "orders" in one["statement"] for one in values["regressions"])
    assert "pooler" in values and PASSWORD not in json.dumps(record["body"]) + first.stdout + second.stdout


def test_inspect_check_mode_reads_and_records_nothing(playbook, inventory, tmp_path, database):
    done = playbook("evenkeel.ops.databases.inspect", inventory=inventory, options=("--check",), variables={
        "databases_targets": [{"name": "shop", **login(database)}], "databases_limits": {"xid_age": {"fail": 10 ** 9}}})
    assert done.returncode == 0 and "changed=0" in done.stdout, done.stdout + done.stderr
    assert Ledger(f"sqlite:///{tmp_path}/ledger.sqlite").newest_run(system="unnamed", environment="unnamed") is None


def test_logs_are_reviewed_once(playbook, inventory, tmp_path):
    log = tmp_path / "pg.log"
    log.write_text("2026-07-01 10:00:00.000 UTC [8] PANIC:  could not write to file\n")
    variables = {"databases_logs": [{"name": "db 1/main", "paths": [f"{log}*"]}], "databases_log_state": str(tmp_path / "state")}
    planned = playbook("evenkeel.ops.databases.review_logs", inventory=inventory, variables=variables, options=("--check",))
    assert planned.returncode != 0 and not (tmp_path / "state").exists()
    first = playbook("evenkeel.ops.databases.review_logs", inventory=inventory, variables=variables)
    assert first.returncode != 0 and "crashes and panics is 1, over the limit of 0" in first.stdout, first.stdout
    again = playbook("evenkeel.ops.databases.review_logs", inventory=inventory, variables=variables)
    assert again.returncode == 0 and "changed=0" in again.stdout, again.stdout
    [record] = records(tmp_path)
    assert record["procedure"] == "review_logs" and record["body"][0]["log"]["events"] == 0


def test_a_quarter_is_compared_with_the_one_before(playbook, inventory, tmp_path):
    ledger, now = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite"), datetime.now(timezone.utc)
    this_one = now.replace(month=now.month - (now.month - 1) % 3, day=1, hour=0, minute=0, second=0, microsecond=0)
    for days in range(180, 0, -6):  # the last whole quarter and the one before have at least 90 days each
        at = this_one - timedelta(days=days)
        ledger.append({"run": f"r{days}", "at": format_instant(at), "system": "unnamed", "environment": "unnamed", "host": "db1",
                       "area": "databases", "procedure": "inspect", "status": "pass", "changed": False,
                       "body": [{"database": {"target": "shop", "metrics": {"sessions": {"used": 30 if days > 95 else 90}}}}]}, [])
    done = playbook("evenkeel.ops.databases.review_baseline", inventory=inventory, variables={"databases_baseline": {
        "period": "quarter", "least_runs": 10, "without_history": "unknown",
        "worse_percent": {"connections": {"fail": 50}, "size": {"fail": 1}}}})
    assert done.returncode != 0, done.stdout
    [record] = records(tmp_path)
    seen = {finding["subject"]: finding for finding in record["findings"]}
    assert seen["shop: size"]["status"] == "unknown" and record["procedure"] == "review_baseline"
    assert seen["shop: connections"]["status"] == "fail" and seen["shop: connections"]["observed"] == 200.0
    [baseline] = record["body"][0]["baselines"]
    assert baseline["target"] == "shop" and baseline["runs_after"] >= 14
