# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""trace_scan on a real Jaeger, and the canaries of logs and traces that monitoring_verify sends."""

from __future__ import annotations

import secrets
import threading
import time

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.jaeger import Jaeger
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.conftest import missing
from tests.testbed.jaeger import serve_jaeger, span

NOWHERE = {"url": "http://127.0.0.1:9", "timeout": "2s"}


@pytest.fixture(scope="module")
def jaeger():
    try:
        with serve_jaeger() as running:
            yield running
    except FileNotFoundError as error:
        missing(str(error))


@pytest.fixture(scope="module")
def traced(jaeger):
    """60 quick traces, three slow ones, one that failed, one whose parent never came."""
    server, now = client(jaeger), time.time() - 120

    def identity():
        return secrets.token_hex(16)

    for number in range(60):
        server.send([span(identity(), "GET /", now + number / 100, 0.02)], "shop")
    for number in range(3):
        trace, root = identity(), secrets.token_hex(8)
        server.send([span(trace, "GET /orders", now + number, 2.0, identity=root)], "shop")
        server.send([span(trace, "SELECT orders", now + number + 0.1, 1.7, parent=root)], "db")
    server.send([span(identity(), "POST /orders", now, 0.1, error=True)], "shop")
    server.send([span(identity(), "late", now, 0.1, parent=secrets.token_hex(8))], "worker")

    def number_of(service):
        return len(server.traces(service, now - 60, time.time(), limit=500))

    wait_until(lambda: (number_of("shop"), number_of("worker")) == (64, 1), deadline=Deadline(SystemClock(), 60), what="the traces")
    return jaeger


def client(jaeger):
    return Jaeger.from_options({"url": jaeger.url, "otlp_url": jaeger.otlp_url, "timeout": "30s"})


def scan(run_module, jaeger, **change):
    return run_module("trace_scan", {"jaeger": {"url": jaeger.url}, "limits": {
        "slow_percent": {"warn": 1, "fail": 50}, "slow_traces": {"fail": 2}, "error_percent": {"warn": 1},
        "incomplete_percent": {"fail": 5}, "p95": {"shop GET /": {"fail": "500ms"}, "db": {"fail": "1s"}}},
        "ignore": ["jaeger", "evenkeel-canary"], **change})


def test_slow_traces_and_where_their_time_goes(run_module, traced):
    answer = scan(run_module, traced)
    assert not answer.get("failed") and not answer["changed"], answer
    found = {(one["check"].removeprefix("monitoring."), one["subject"], one["unit"]): one for one in answer["findings"]}
    status = {key: one["status"] for key, one in found.items()}
    assert status["traces", "shop", "traces"] == "pass" and found["traces", "shop", "traces"]["observed"] == 64
    assert status["trace_slow", "shop", "%"] == "warn" and status["trace_slow", "shop", "traces"] == "fail"
    assert "1.7 s of it in db: SELECT orders" in found["trace_slow", "shop", "%"]["hint"]
    assert status["trace_errors", "shop", "%"] == "warn" and status["trace_incomplete", "worker", "%"] == "fail"
    assert status["trace_p95", "shop: GET /", "s"] == "pass" and status["trace_p95", "db: SELECT orders", "s"] == "fail"
    rows = answer["traces"]["slowest"]
    assert [(row["operation"], row["slowest_service"], row["spans"]) for row in rows] == [("GET /orders", "db", 2)] * 3
    assert {row["service"]: row["traces"] for row in answer["traces"]["services"]} == {"db": 3, "shop": 64, "worker": 1}


def test_all_traces_are_read_however_few_one_answer_has(run_module, traced):
    paged = scan(run_module, traced, page=7)
    assert {row["service"]: row["traces"] for row in paged["traces"]["services"]} == {"db": 3, "shop": 64, "worker": 1}
    few = scan(run_module, traced, most=10, services=["shop", "db"])
    assert {one["status"] for one in few["findings"] if one["subject"] == "shop"} == {"unknown"}


def test_nothing_there_is_unknown(run_module, traced):
    absent = scan(run_module, traced, services=["shop", "payments", "hostile\n'\"%u\u00e9 -x"])
    assert [one["status"] for one in absent["findings"] if one["check"] == "monitoring.traces"] == ["pass", "unknown", "unknown"]
    assert [one["status"] for one in scan(run_module, traced, services=["shop"], period="5s")["findings"]] == ["unknown"]
    for services in ([], ["shop", "db"]):
        down = run_module("trace_scan", {"jaeger": NOWHERE, "services": services, "limits": {}})
        assert {one["status"] for one in down["findings"]} == {"unknown"} and len(down["findings"]) == max(1, len(services))
    for change, word in (({"limits": {"p95": 1}}, "p95"), ({"period": "-1h"}, "period"), ({"jaeger": None}, "no address"),
                         ({"page": 0}, "page")):
        refused = run_module("trace_scan", {"jaeger": {"url": traced.url}, "limits": {}, **change})
        assert refused["failed"] and word in refused["msg"], refused


def verify(run_module, tmp_path, canaries, check=False, **more):
    answer = run_module("monitoring_verify", {"prometheus": NOWHERE, "alertmanager": NOWHERE, "log_canaries": canaries,
                                              "patience": "3s", **more}, check=check)
    return answer, [one for one in answer["findings"] if "_delivery" in one["check"]]


def test_canaries_of_logs_and_traces_arrive_or_nobody_knows(run_module, jaeger, tmp_path, capsys):
    log, central = tmp_path / "app.log", tmp_path / "central.log"
    log.write_text("INFO before\n")
    ended = threading.Event()

    def ship():
        while not ended.wait(0.1):
            central.write_bytes(log.read_bytes())

    shipper = threading.Thread(target=ship)
    shipper.start()
    both = {"jaeger": {"url": jaeger.url, "otlp_url": jaeger.otlp_url}, "trace_canary": True, "patience": "60s"}
    canaries = [{"name": "shop", "path": str(log), "arrives_in": [str(tmp_path / "central*")]}]
    try:
        planned, none = verify(run_module, tmp_path, canaries, check=True, **both)
        assert none == [] and planned["arrivals"] == [] and log.read_text() == "INFO before\n"
        answer, found = verify(run_module, tmp_path, canaries, **both)
    finally:
        ended.set()
        shipper.join()
    assert [(one["check"].removeprefix("monitoring."), one["status"]) for one in found] == [
        ("log_delivery", "pass"), ("trace_delivery", "pass")], found
    with capsys.disabled():
        told = ", ".join(f"{one['pipeline']} after {one['seconds']:.2f} s" for one in answer["arrivals"])
        print(f"\nmonitoring: canaries arrived: {told}")
    [trace] = [one["canary"] for one in answer["arrivals"] if one["pipeline"] == "trace"]
    assert client(jaeger).trace(trace)["spans"][0]["operationName"] == "canary"
    deaf, found = verify(run_module, tmp_path, [*canaries, {**canaries[0], "name": "absent", "path": str(tmp_path / "absent.log")}],
                         jaeger={"url": jaeger.url, "otlp_url": "http://127.0.0.1:9", "timeout": "2s"}, trace_canary=True)
    assert [one["status"] for one in found] == ["unknown"] * 3 and "not seen within 3s" in found[0]["message"], found
    assert not (tmp_path / "absent.log").exists() and [one["seconds"] for one in deaf["arrivals"]] == [None] * 3


def test_a_collector_that_is_not_told_is_refused(jaeger):
    with pytest.raises(OpsError):
        Jaeger.from_options({"url": jaeger.url, "timeout": "5s"}).send([], "x")
