# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""pgbouncer_check on real poolers, well and sick."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import psycopg
import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.integration.databases.conftest import login
from tests.testbed.pgbouncer import ADMIN, PASSWORD, STATS, serve_pgbouncer

LIMITS = {"waiting_clients": {"fail": 0}, "max_wait": {"fail": "1s"}, "pool_percent": {"warn": 90}, "clients_percent": {"fail": 90},
          "connections_percent": {"fail": 100}, "average_wait": {"fail": "1h"}, "average_query": {"fail": "1h"}, "stopped": "fail",
          "settings": {"fail": {"auth_type": "scram-sha-256"}}}


@pytest.fixture(scope="module")
def pooler(newest_pg):
    """A pool of a single connection; the options that lead to its console."""
    with serve_pgbouncer(newest_pg, settings={"default_pool_size": "1", "max_client_conn": "20", "max_db_connections": "5"}) as port:
        yield {"login_host": "127.0.0.1", "login_port": port, "login_user": STATS, "login_password": PASSWORD}


def through(newest_pg, pooler):
    return psycopg.connect(host="127.0.0.1", port=pooler["login_port"], user=newest_pg.user, password=newest_pg.password, dbname="pooled")


def found(answer):
    assert not answer.get("failed"), answer
    return {finding["check"].removeprefix("database."): finding for finding in answer["findings"]}


def test_a_pool_that_is_well_passes_everything(run_module, newest_pg, pooler):
    with through(newest_pg, pooler) as connection:
        connection.execute("SELECT 1")
    answer = run_module("pgbouncer_check", {**pooler, "limits": LIMITS, "name": "front"})
    assert answer["changed"] is False and {finding["status"] for finding in answer["findings"]} == {"pass"}
    assert {"pool_waiting", "pool_wait", "pool_saturation", "pooler_clients", "pool_connections", "pool_average_wait",
            "pooler_settings"} <= set(found(answer))
    assert answer["pooler"]["name"] == "front" and answer["pooler"]["version"].startswith("PgBouncer")
    assert [pool["database"] for pool in answer["pooler"]["pools"]] == ["pooled"] and PASSWORD not in str(answer)


def test_who_waits_is_seen(run_module, newest_pg, pooler):
    with through(newest_pg, pooler) as holder, through(newest_pg, pooler) as waiter:
        holder.execute("SELECT 1")  # in a transaction that is not ended
        thread = threading.Thread(target=waiter.execute, args=("SELECT 2",))
        thread.start()

        def waited() -> bool:
            answer = run_module("pgbouncer_check", {**pooler, "limits": {**LIMITS, "max_wait": {"fail": "10ms"}}})
            seen.update(found(answer))
            return seen["pool_waiting"]["status"] == "fail" and seen["pool_wait"]["status"] == "fail"

        seen: dict = {}
        wait_until(waited, deadline=Deadline(SystemClock(), 60), what="a client that waits")
        holder.rollback()
        thread.join()
    assert seen["pool_waiting"]["subject"] == "pgbouncer: pooled as postgres" and seen["pool_waiting"]["observed"] == 1
    assert seen["pool_saturation"]["status"] == "warn" and "(1 of 1) is 100%" in seen["pool_saturation"]["message"]


def test_a_paused_database_is_a_failure(run_module, pooler):
    console = psycopg.connect(host="127.0.0.1", port=pooler["login_port"], user=ADMIN, password=PASSWORD, dbname="pgbouncer",
                              autocommit=True)
    with console:
        console.execute("PAUSE pooled")
        try:
            seen = found(run_module("pgbouncer_check", {**pooler, "limits": {"stopped": "fail"}}))
        finally:
            console.execute("RESUME pooled")
    assert seen["pool_stopped"]["status"] == "fail" and "RESUME pooled" in seen["pool_stopped"]["hint"]


def test_wrong_places_and_credentials_are_told_apart(run_module, newest_pg, pooler):
    def answer(**change):
        result = run_module("pgbouncer_check", {**pooler, "limits": LIMITS, **change})
        assert result["failed"] and result["hint"] and PASSWORD not in str(result), result
        return result["error"]

    assert answer(login_port=1) == "Unreachable"
    assert answer(login_password="wrong") == "AccessDenied"
    assert answer(login_user="nobody") == "AccessDenied"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert answer(login_port=silent.getsockname()[1], connect_timeout=2, timeout="2s") == "TimedOut"
    # A PostgreSQL server is no pooler: it has no database pgbouncer.
    server = login(replace(newest_pg, database="x"))
    assert answer(**{key: server[key] for key in ("login_port", "login_user", "login_password")}) == "NotFound"
