# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""slo_check on a real Prometheus with a history made at once, on CloudWatch as moto serves it, and on documents."""

from __future__ import annotations

import json
import math
import time
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone

import pytest

from tests.conftest import missing
from tests.testbed import prometheus
from tests.testbed.http import Response, serve_http

HOUR = 3600
LIMITS = {"burn_rates": [{"long": "1h", "short": "5m", "share": 2, "status": "fail"},
                         {"long": "6h", "short": "30m", "share": 5, "status": "fail"}],
          "budget": {"warn": 25, "fail": 0}, "window": "1d"}
BOUNDS = ("0.1", "0.2", "0.5", "1", "+Inf")


def history():
    """A day and a bit until half an hour from now, so that nothing ends while tests wait: ``well`` fails 1 of 10,000, ``sick`` burns
    since an hour, ``stale`` ended an hour ago, ``young`` began two hours ago, ``nan`` counts nonsense, ``idle`` counts nothing.
    """
    now = time.time()
    start, end = now - 26 * HOUR, now + HOUR / 2

    def one(labels, samples):
        return f"http_requests_total{{{labels}}}", samples

    yield one('job="well",code="200",handler="/a"', prometheus.counter(start, end, 60, 99.99))
    yield one('job="well",code="503",handler="/a"', prometheus.counter(start, end, 60, 0.01))
    yield one('job="well",code="200",handler="/b"', prometheus.counter(start, end, 60, 10))
    yield one('job="sick",code="200"', prometheus.counter(start, end, 60, 100))
    yield one('job="sick",code="500"', ((at, max(0.0, 10 * (at - now + HOUR))) for at, _value in prometheus.counter(start, end, 60, 1)))
    yield one('job="stale",code="200"', prometheus.counter(start, now - HOUR, 60, 100))
    yield one('job="young",code="200"', prometheus.counter(now - 2 * HOUR, end, 60, 100))
    yield one('job="nan",code="200"', ((at, math.nan) for at, _value in prometheus.counter(start, end, 60, 1)))
    yield one('job="idle",code="200"', prometheus.counter(start, end, 60, 0))
    for handler, rates in {"/a": (80, 90, 99, 100, 100), "/b": (10, 20, 40, 60, 100)}.items():
        for bound, rate in zip(BOUNDS, rates, strict=True):
            yield (f'latency_seconds_bucket{{job="well",handler="{handler}",le="{bound}"}}', prometheus.counter(start, end, 60, rate))


@pytest.fixture(scope="module")
def server():
    if not prometheus.installed():
        missing("Prometheus (the packages prometheus, prometheus-alertmanager and prometheus-pushgateway)")
    with prometheus.serve_prometheus(history=history()) as running:
        yield running


@pytest.fixture
def check(run_module, server):
    def run(*objectives, **more):
        return run_module("slo_check", {"prometheus": {"url": server.url}, "objectives": list(objectives), **LIMITS, **more})

    return run


def requests(job, measure="availability", target=99.9, **more):
    return {"service": job, "measure": measure, "target": target,
            "counter": {"series": f'http_requests_total{{job="{job}"}}', "label": "code", "errors": "5.."}, **more}


def test_a_service_that_keeps_its_promise(check, server):
    answer = check(requests("well"), requests("well", "error_rate", 1, alert=2), {
        "service": "well", "measure": "throughput", "target": 100, "counter": {"series": 'http_requests_total{job="well"}'}})
    assert {finding["status"] for finding in answer["findings"]} == {"pass"}, answer["findings"]
    availability, error_rate, throughput = answer["objectives"]
    assert availability["value"] == pytest.approx(100 - 100 * 0.01 / 110, abs=0.001)
    assert error_rate["value"] == pytest.approx(100 - availability["value"], abs=1e-6)
    assert throughput["value"] == pytest.approx(110, rel=0.01)
    assert availability["budget_left_percent"] == pytest.approx(90.9, abs=0.5) and availability["coverage_percent"] == 100
    assert availability["minutes_allowed"] == 1.44 and availability["minutes_left"] == pytest.approx(1.31, abs=0.02)


def test_a_service_whose_budget_burns(check):
    answer = check(requests("sick", alert=99.5))
    row = answer["objectives"][0]
    by_check = {}
    for finding in answer["findings"]:
        by_check.setdefault(finding["check"], []).append(finding["status"])
    assert by_check == {"service_levels.objective": ["warn"], "service_levels.budget": ["fail"],
                        "service_levels.burn_rate": ["fail", "fail"]}, answer["findings"]
    assert row["burn_rates"]["5m"] == pytest.approx(100 / 1.1, rel=0.05) and row["budget_left_percent"] < 0


def test_latency_by_endpoint_and_beyond_the_largest_bucket(check, server):
    answer = check({"service": "well", "measure": "latency", "target": "600ms", "alert": "800ms",
                    "histogram": {"series": 'latency_seconds_bucket{job="well"}', "quantile": 95, "by": ["handler"]}})
    fast, slow = answer["objectives"]
    assert (fast["endpoint"], slow["endpoint"]) == ("/a", "/b")
    assert fast["status"] == "pass" and fast["value"] == pytest.approx(200 + 300 * 5 / 9, rel=0.01)
    # Prometheus itself says 1 s of /b, its largest bucket, whatever the limit; 40% of its answers took longer.
    theirs = ask(server, 'histogram_quantile(0.95, sum by (le, handler) (increase(latency_seconds_bucket[1d])))')
    assert {row["metric"]["handler"]: float(row["value"][1]) for row in theirs} == {
        "/a": pytest.approx(fast["value"] / 1000, rel=0.001), "/b": 1.0}
    assert slow["at_least"] and slow["value"] == 1000 and slow["status"] == "fail"
    looser = check({"service": "well", "measure": "latency", "target": "2s",
                    "histogram": {"series": 'latency_seconds_bucket{handler="/b"}', "quantile": 95}})
    assert looser["findings"][0]["status"] == "unknown" and "beyond the largest bucket" in looser["findings"][0]["message"]


def ask(server, query):
    with urllib.request.urlopen(f"{server.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}", timeout=30) as answer:
        return json.load(answer)["data"]["result"]


@pytest.mark.parametrize("job, reason", [
    ("absent", "empty"), ("stale", "stale"), ("young", "% of the window only"), ("nan", "no number"), ("idle", "no request"),
    ('well"} or vector(1', "says no"), ("zo\u00eb' {}", "empty")])
def test_what_is_missing_is_unknown_and_never_a_pass(check, job, reason):
    answer = check(requests(job))
    [finding] = [one for one in answer["findings"] if one["check"] == "service_levels.objective"]
    assert finding["status"] == "unknown" and reason in finding["message"], finding
    # How fast the budget burned in the last hours may well be known.
    assert "pass" not in {one["status"] for one in answer["findings"] if one["check"] != "service_levels.burn_rate"}


def test_no_promotion_is_decided_on_missing_data(check, server, run_module, capsys):
    """The figure: how many of the gates over missing data would let a release through."""
    jobs = ("absent", "stale", "young", "nan", "idle")
    through = 0
    for one in jobs:
        answer = check(requests(one))
        through += not any(finding["status"] in ("fail", "unknown") for finding in answer["findings"])
    nowhere = {"url": "http://127.0.0.1:9", "timeout": "2s"}
    nobody = run_module("slo_check", {"prometheus": nowhere, "objectives": [requests("well")], **LIMITS})
    through += not any(finding["status"] in ("fail", "unknown") for finding in nobody["findings"])
    with capsys.disabled():
        print(f"\nservice levels: promotions decided on missing data: {through} of {len(jobs) + 1} kinds of it")
    assert through == 0
    assert any("does not answer" in finding["message"] for finding in nobody["findings"])
    assert not any(finding["status"] in ("fail", "unknown") for finding in check(requests("well"))["findings"])


def test_what_is_no_answer_of_prometheus_is_unknown(run_module):
    partial = {"status": "success", "warnings": ["store is gone"], "data": {"resultType": "vector", "result": []}}
    with serve_http({"/p/api/v1/query_range": Response(body=json.dumps(partial)), "/p/api/v1/query": Response(body=json.dumps(partial)),
                     "/q/api/v1/query_range": Response(body="<html>hello"), "/r/api/v1/query_range": Response(body="{}")}) as http:
        for path, word in (("/p", "partial"), ("/q", "not as Prometheus"), ("/r", "not as Prometheus"), ("/status/503", "503")):
            answer = run_module("slo_check", {"prometheus": {"url": http.url + path}, "objectives": [requests("well")]})
            [finding] = answer["findings"]
            assert finding["status"] == "unknown" and word in finding["message"], finding


def test_an_expression_and_its_periods(check):
    answer = check({"service": "well", "measure": "availability", "target": 99.5, "expression": {
        "query": '100 * sum(increase(http_requests_total{job="well",code!~"5.."}[$window]))'
                 ' / sum(increase(http_requests_total{job="well"}[$window]))',
        "series": 'http_requests_total{job="well"}'}}, periods={"hourly": "1h", "weekly": "7d"})
    hourly, weekly = answer["objectives"]
    assert hourly["status"] == "pass" and hourly["minutes_allowed"] == 0.3 and hourly["period"] == "hourly"
    assert weekly["status"] == "unknown" and "of the window only" in weekly["reason"]
    assert {finding["check"] for finding in answer["findings"]} == {"service_levels.compliance"}
    many = check({"service": "well", "measure": "latency", "target": "1s",
                  "expression": {"query": "sum by (job) (rate(http_requests_total[$window]))", "series": "http_requests_total"}})
    assert "series instead of one" in many["findings"][0]["message"]


def test_cloudwatch_as_moto_serves_it(run_module):
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        client = boto3.client("cloudwatch", endpoint_url=url, region_name="eu-central-1", aws_access_key_id="testing-id",
                              aws_secret_access_key="testing-secret")
        now = datetime.now(timezone.utc)
        for ago in range(0, 185):
            at = now - timedelta(minutes=ago)
            data = [("Count", 100.0), ("5XXError", 1.0 if ago % 10 == 0 else 0.0), ("Latency", 150.0 if ago else 400.0)]
            client.put_metric_data(Namespace="AWS/ApiGateway", MetricData=[
                {"MetricName": name, "Value": value, "Timestamp": at, "Dimensions": [{"Name": "ApiName", "Value": "skafu"}]}
                for name, value in data])
            # Functions are counted together by metrics without dimensions; one call was cut off at its timeout.
            client.put_metric_data(Namespace="AWS/Lambda", MetricData=[
                {"MetricName": name, "Value": value, "Timestamp": at} for name, value in
                (("Invocations", 50.0), ("Errors", 0.0), ("Duration", 30_003.0 if ago == 60 else 900.0))])
        where = {"namespace": "AWS/ApiGateway", "dimensions": {"ApiName": "skafu"}, "every": "5m"}
        way = {"region": "eu-central-1", "access_key": "testing-id", "secret_key": "testing-secret", "endpoint_url": url}
        answer = run_module("slo_check", {"cloudwatch": way, "window": "2h", "coverage": 80, "objectives": [
            {"service": "api", "measure": "error_rate", "target": 1, "alert": 2,
             "cloudwatch": {**where, "metric": "Count", "errors": "5XXError", "statistic": "Sum"}},
            {"service": "api", "measure": "latency", "target": "200ms", "alert": "500ms",
             "cloudwatch": {**where, "metric": "Latency", "statistic": "Average"}},
            {"service": "api", "measure": "latency", "endpoint": "elsewhere", "target": "200ms",
             "cloudwatch": {**where, "metric": "Missing", "statistic": "Average"}},
            {"service": "lambda", "measure": "error_rate", "target": 1, "alert": 2, "cloudwatch": {
                "namespace": "AWS/Lambda", "metric": "Invocations", "errors": "Errors", "statistic": "Sum", "every": "5m"}},
            {"service": "lambda", "measure": "latency", "target": "30s", "cloudwatch": {
                "namespace": "AWS/Lambda", "metric": "Duration", "statistic": "Maximum", "every": "5m"}}]})
        errors, latency, absent, functions, duration = answer["objectives"]
        assert errors["status"] == "pass" and errors["value"] == pytest.approx(0.1, abs=0.05), answer
        assert latency["value"] in (pytest.approx(150), pytest.approx(200, rel=0.5)), latency
        assert absent["status"] == "unknown" and "no data" in absent["reason"]
        assert (functions["status"], functions["value"]) == ("pass", 0)
        assert (duration["status"], duration["value"]) == ("fail", 30_003), duration
    finally:
        server.stop()
    silent = run_module("slo_check", {"cloudwatch": way, "window": "2h", "objectives": [
        {"service": "api", "measure": "latency", "target": "1s", "cloudwatch": {**where, "metric": "Latency", "statistic": "Average"}}]})
    assert silent["objectives"][0]["status"] == "unknown"


def test_a_document_of_points(run_module, tmp_path):
    now = datetime.now(timezone.utc)
    points = [{"at": (now - timedelta(minutes=minute)).isoformat(), "total": 50, "errors": 0} for minute in range(60)]
    file = tmp_path / "points.json"

    def answer(document, **more):
        file.write_text(document)
        [finding] = run_module("slo_check", {"window": "1h", "objectives": [
            {"service": "batch", "measure": "availability", "target": 99, "json": {"file": str(file), "every": "1m"}, **more}]})["findings"]
        return finding

    assert answer(json.dumps(points))["status"] == "pass"
    assert answer(json.dumps({"points": points}))["status"] == "pass"
    for document, word in (("[]", "no data"), ("{}", "not a list"), ("nonsense", "not a list"),
                           (json.dumps([{"at": "x", "total": 1}]), "not a list"),
                           (json.dumps([{**point, "errors": None} for point in points]), "no number"), (json.dumps(points[30:]), "stale"),
                           (json.dumps(points[:30]), "of the window only")):
        finding = answer(document)
        assert finding["status"] == "unknown" and word in finding["message"], finding
    file.unlink()
    with serve_http({"/points": Response(body=json.dumps(points))}) as http:
        web = {"json": {"url": f"{http.url}/points", "every": "1m"}}
        [finding] = run_module("slo_check", {"window": "1h", "objectives": [
            {"service": "batch", "measure": "availability", "target": 99, **web}]})["findings"]
        assert finding["status"] == "pass", finding


@pytest.mark.parametrize("options, word", [
    ({"objectives": [requests("well")]}, "says no address"), ({"objectives": [{"service": "x"}]}, "nothing"),
    ({"objectives": [requests("well")], "prometheus": {"url": "ftp://x"}}, "no address"),
    ({"objectives": [requests("well")], "window": "-1d"}, "duration"), ({"objectives": [requests("well")], "coverage": 0}, "coverage"),
    ({"objectives": [requests("well")], "budget": {"warn": 0, "fail": 25}}, "Swap"),
    ({"objectives": [{"service": "x", "measure": "availability", "target": 99, "history": {"every": "1h"}}]}, "controller")])
def test_what_makes_no_sense_is_said(run_module, options, word):
    answer = run_module("slo_check", options)
    assert answer["failed"] and word in answer["msg"] and answer["hint"]
