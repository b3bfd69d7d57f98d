# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""postgresql_check on real servers, well and sick."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres

from tests.integration.databases.conftest import REINDEX, VACUUM, login
from tests.integration.databases.test_postgresql_reindex import eventually

STRICT = {
    "connections_percent": {"fail": 90}, "connections": {"fail": 50}, "cache_hit_percent": {"fail": 1}, "transaction_age": {"fail": "1d"},
    "idle_in_transaction": {"fail": "1d"}, "lock_wait": {"fail": "1h"}, "query_mean": {"fail": "1h"}, "query_p95": {"fail": "1h"},
    "statement_mean": {"fail": "1h"}, "xid_age": {"fail": 10**8}, "multixact_age": {"fail": 10**8}, "replicas": {"fail": 0},
    "replication_lag": {"fail": "1m"}, "replication_lag_size": {"fail": "1GiB"}, "slot_retained": {"fail": "10GiB"},
    "inactive_slot_retained": {"fail": "10GiB"}, "archive_backlog": {"fail": 5}, "archive_age": {"fail": "1h"},
    "invalid_indexes": {"fail": 0}, "deadlocks_per_day": {"fail": 1000}, "checksum_failures": {"fail": 0},
    "user_connections_percent": {"fail": 90}, "application_connections_percent": {"fail": 90}, "address_connections_percent": {"fail": 90},
    "idle_session": {"fail": "1d"}, "unencrypted_sessions": {"fail": 0},
    "clients": {"fail": {"users": ["postgres"], "addresses": ["127.0.0.0/8", "::1", "socket"]}},
    "database_size": {"fail": "1TiB"}, "settings": {"fail": {"full_page_writes": "on"}}, "without_statements": "unknown",
}


def found(answer: dict) -> dict[str, dict]:
    assert not answer.get("failed"), answer
    return {finding["check"].removeprefix("database."): finding for finding in answer["findings"]}


def test_a_healthy_database_passes_everything(run_module, database, session):
    session.run("CREATE EXTENSION pg_stat_statements")
    answer = run_module("postgresql_check", login(database, limits=STRICT))
    assert answer["changed"] is False
    assert {finding["check"]: finding["status"] for finding in answer["findings"] if finding["status"] != "pass"} == {}
    assert {finding["check"] for finding in answer["findings"]} >= {"database." + word for word in (
        "connections", "cache_hit", "transaction_age", "locks", "query_mean", "query_p95", "slow_statement", "xid_age", "multixact_age",
        "replicas", "invalid_indexes", "deadlocks", "checksum_failures", "size", "settings")}
    assert answer["database"]["name"] == database.database and answer["database"]["metrics"]["sessions"]["maximum"] == 60


def test_without_pg_stat_statements_the_policy_decides(run_module, database):
    limits = {"query_mean": {"fail": "1s"}, "without_statements": "warn"}
    assert found(run_module("postgresql_check", login(database, limits=limits)))["statements"]["status"] == "warn"
    limits["without_statements"] = "ignore"
    assert found(run_module("postgresql_check", login(database, limits=limits))) == {}


def test_old_and_idle_transactions_and_who_waits_for_them(run_module, database, session):
    session.run("CREATE TABLE t (v int)")
    limits = {"transaction_age": {"fail": "100ms"}, "idle_in_transaction": {"warn": "100ms"}, "lock_wait": {"fail": "100ms"}}
    with postgres.connect(database, autocommit=False) as holder, postgres.connect(database) as waiter:
        holder.run("LOCK TABLE public.t")
        thread = threading.Thread(target=lambda: waiter.run("SELECT * FROM public.t"))
        thread.start()
        eventually(lambda: session.value("SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted", (waiter.backend_pid,)))
        time.sleep(0.2)
        seen = found(run_module("postgresql_check", login(database, limits=limits)))
        pid = holder.backend_pid
        assert seen["transaction_age"]["status"] == "fail" and seen["transaction_age"]["subject"] == f"pid {pid} of postgres"
        assert seen["idle_in_transaction"]["status"] == "warn" and f"pg_terminate_backend({pid});" in seen["idle_in_transaction"]["hint"]
        assert seen["locks"]["status"] == "fail" and seen["locks"]["subject"] == f"pid {waiter.backend_pid} of postgres"
        assert 0.1 < seen["locks"]["observed"] < 30 and f"pg_terminate_backend({pid});" in seen["locks"]["hint"]
        holder.run("ROLLBACK")
        thread.join()


def test_slow_statements_are_named(run_module, database, session):
    session.run("CREATE EXTENSION pg_stat_statements")
    session.run("SELECT pg_stat_statements_reset()")  # on a busy machine the extension itself takes as long
    session.run("SELECT pg_sleep(0.3)")
    limits = {"statement_mean": {"fail": "200ms"}, "query_p95": {"fail": "1h"}, "query_mean": {"fail": "0s"}}
    seen = found(run_module("postgresql_check", login(database, limits=limits)))
    assert seen["slow_statement"]["status"] == "fail" and "pg_sleep" in seen["slow_statement"]["message"]
    assert seen["query_mean"]["status"] == "fail" and seen["query_p95"]["status"] == "pass"


def test_an_inactive_slot_an_invalid_index_and_settings_that_lose_data(run_module, database, session, role):
    session.run("SELECT pg_create_physical_replication_slot('left_behind', true)")
    role("careless")
    session.run("ALTER ROLE careless SET synchronous_commit = off")
    session.run("CREATE TABLE t AS SELECT 1 AS v FROM generate_series(1, 2)")
    with pytest.raises(postgres.StatementFailed):
        session.run("CREATE UNIQUE INDEX CONCURRENTLY twice ON t (v)")
    try:
        session.run("SELECT pg_switch_wal()")
        limits = {"inactive_slot_retained": {"fail": "0"}, "invalid_indexes": {"fail": 0},
                  "settings": {"fail": {"fsync": True}, "warn": {"synchronous_commit": ["on", "local"]}}}
        answer = run_module("postgresql_check", login(database, limits=limits))
    finally:
        session.run("SELECT pg_drop_replication_slot('left_behind')")
    seen = found(answer)
    assert seen["slots"]["status"] == "fail" and "pg_drop_replication_slot('left_behind');" in seen["slots"]["hint"]
    assert "public.twice" in seen["invalid_indexes"]["message"]
    assert "REINDEX INDEX CONCURRENTLY public.twice" in seen["invalid_indexes"]["hint"]
    settings = {finding["subject"]: finding for finding in answer["findings"] if finding["check"] == "database.settings"}
    assert settings["fsync"]["status"] == "fail" and "ALTER SYSTEM SET fsync" in settings["fsync"]["hint"]
    assert settings["synchronous_commit"]["status"] == "warn" and "role careless" in settings["synchronous_commit"]["message"]


def test_who_is_connected_and_from_where(run_module, database, role):
    target = role("report user")
    with postgres.connect(target, application_name="bi") as stranger:
        stranger.run("SELECT 1")
        limits = {"idle_session": {"warn": "0s"}, "application_connections_percent": {"warn": 0},
                  "clients": {"fail": {"users": ["postgres"]}, "warn": {"addresses": ["10.0.0.0/8"], "databases": [database.database]}}}
        answer = run_module("postgresql_check", login(database, limits=limits, name="the shop"))
    seen = found(answer)
    assert seen["idle_session"]["status"] == seen["application_connections"]["status"] == "warn"
    audit = {finding["subject"]: finding for finding in answer["findings"] if finding["check"] == "database.clients"}
    finding = audit["report user from 127.0.0.1 (bi)"]
    assert finding["status"] == "fail" and finding["message"] == f"1 sessions in {database.database}: the user is not expected"
    assert {finding["status"] for subject, finding in audit.items() if subject.startswith("postgres from")} == {"warn"}
    assert answer["database"]["target"] == "the shop"
    assert any(client["application"] == "bi" and client["state"] == "idle" for client in answer["database"]["metrics"]["clients"])


def test_deadlocks_are_counted(run_module, database, session):
    session.run("CREATE TABLE t AS SELECT g AS id, 0 AS v FROM generate_series(1, 2) g")

    def lock(first: int, second: int) -> None:
        with postgres.connect(database, autocommit=False) as one:
            try:
                one.run("SELECT v FROM public.t WHERE id = %s FOR UPDATE", (first,))
                barrier.wait()
                one.run("SELECT v FROM public.t WHERE id = %s FOR UPDATE", (second,))
            except postgres.StatementFailed as error:
                assert error.sqlstate == "40P01"

    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=lock, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The server counts it when the session that gave up tells its statistics.
    eventually(lambda: session.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
    seen = found(run_module("postgresql_check", login(database, limits={"deadlocks_per_day": {"fail": 0}})))
    assert seen["deadlocks"]["status"] == "fail" and seen["deadlocks"]["observed"] == 1


def test_who_may_not_see_gets_unknown_and_pg_monitor_mends_it(run_module, session, role):
    monitor = role("monitor")
    limits = {"transaction_age": {"fail": "1d"}, "lock_wait": {"fail": "1d"}, "archive_backlog": {"fail": 1}, "xid_age": {"fail": 10**8}}
    seen = found(run_module("postgresql_check", login(monitor, limits=limits)))
    assert seen["transactions"]["status"] == seen["blocked"]["status"] == "unknown" and seen["xid_age"]["status"] == "pass"
    assert "GRANT pg_monitor" in seen["transactions"]["hint"]
    session.run("GRANT pg_monitor TO monitor")
    seen = found(run_module("postgresql_check", login(monitor, limits=limits)))
    assert {finding["status"] for finding in seen.values()} == {"pass"}


@pytest.fixture
def silent_server():
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("module", ["postgresql_check", "postgresql_vacuum", "postgresql_reindex"])
def test_wrong_places_and_credentials_are_told_apart(run_module, newest_pg, silent_server, module):
    own = {"postgresql_check": {"limits": {}}, "postgresql_vacuum": {"policy": {**VACUUM, "bloat_size": 1}},
           "postgresql_reindex": {"policy": REINDEX}}[module]

    def answer(*, connect_timeout: int = 30, **change) -> dict:
        result = run_module(module, {**login(replace(newest_pg, **change)), **own, "connect_timeout": connect_timeout})
        assert result["failed"] and result["hint"] and newest_pg.password not in str(result), result
        return result

    assert answer(host="no-such-host.invalid")["error"] == "Unreachable"
    assert answer(port=1)["error"] == "Unreachable"
    assert answer(password="wrong")["error"] == "AccessDenied"
    assert answer(user="nobody there")["error"] == "AccessDenied"
    assert answer(database="no such")["error"] == "NotFound"
    silent = answer(port=silent_server, connect_timeout=2)
    assert silent["error"] == "TimedOut" and "No answer" in silent["msg"]


def test_unknown_limits_are_refused(run_module, database):
    answer = run_module("postgresql_check", login(database, limits={"xid_ages": {"fail": 1}}))
    assert answer["error"] == "InvalidOption" and "xid_ages" in answer["msg"] and "Known are" in answer["hint"]
