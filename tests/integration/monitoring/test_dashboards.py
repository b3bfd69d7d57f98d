# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""grafana_dashboards of the role's catalog: every query asked of a real Prometheus; and alert_review on a night that was made at once."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest
import yaml

from tests.conftest import ROOT, missing
from tests.testbed import prometheus

HOUR = 3600
POLICY = {name.removeprefix("monitoring_"): value
          for name, value in yaml.safe_load((ROOT / "roles/monitoring/defaults/main.yml").read_text(encoding="utf-8")).items()}
OBJECTIVES = [
    {"service": "api", "measure": "availability", "target": 99.9, "alert": 99.5, "window": "2h",
     "counter": {"series": 'http_requests_total{job="api"}', "label": "code", "errors": "5.."}},
    {"service": "api", "measure": "error_rate", "target": 1, "window": "2h",
     "counter": {"series": 'http_requests_total{job="api"}', "label": "code", "errors": "5..", "by": ["handler"]}},
    {"service": "api", "measure": "latency", "target": "200ms", "window": "2h",
     "histogram": {"series": "http_request_duration_seconds_bucket", "quantile": 95}},
    {"service": "api", "measure": "throughput", "target": 1, "window": "2h", "counter": {"series": 'http_requests_total{job="api"}'}}]


def night():
    """Four hours up to half an hour from now: what the catalog asks for, and alerts as Prometheus records them."""
    now = time.time()
    start, end = now - 4 * HOUR, now + HOUR / 2

    def level(value, begin=start, stop=end):
        at = begin
        while at <= stop:
            yield at, value
            at += 30

    def grows(rate):
        return prometheus.counter(start, end, 30, rate)

    yield 'up{job="api",instance="a:1"}', level(1)
    yield 'http_requests_total{job="api",code="200",handler="/a"}', grows(10)
    for bound, rate in (("0.1", 8), ("0.5", 10), ("+Inf", 10)):
        yield f'http_request_duration_seconds_bucket{{le="{bound}"}}', grows(rate)
    yield 'evenkeel_findings{area="certificates",status="pass"}', level(3)
    yield 'evenkeel_objective_budget_left_ratio{service="api"}', level(0.5)
    yield 'evenkeel_certificate_not_after_timestamp_seconds{source="api:443"}', level(now + 40 * 86400)
    yield 'evenkeel_backup_timestamp_seconds{plan="database"}', level(now - HOUR)
    yield 'evenkeel_run_timestamp_seconds{area="backups",procedure="create"}', level(now - HOUR)
    yield 'evenkeel_maintenance_debt{host="db-1"}', level(0)
    yield 'node_cpu_seconds_total{instance="a:1",mode="idle"}', grows(0.9)
    for name in ("node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes"):
        yield f'{name}{{instance="a:1"}}', level(2.0**30)
    for name in ("node_filesystem_avail_bytes", "node_filesystem_size_bytes"):
        yield f'{name}{{instance="a:1",fstype="ext4",mountpoint="/"}}', level(2.0**30)
    yield 'node_network_receive_bytes_total{instance="a:1",device="eth0"}', grows(100)
    firing = 'alertstate="firing"'
    yield f'ALERTS{{alertname="Watchdog",{firing}}}', level(1)
    yield f'ALERTS{{alertname="LongCritical",severity="critical",{firing}}}', level(1, now - 3 * HOUR, now - 2 * HOUR)
    yield f'ALERTS{{alertname="Silenced",severity="critical",{firing}}}', level(1, now - 3 * HOUR, now - 2 * HOUR)
    flapping = [pair for number in range(4) for pair in level(1, now - (4 - number) * 1800, now - (4 - number) * 1800 + 120)]
    yield f'ALERTS{{alertname="Flapping",severity="warning",{firing}}}', flapping


@pytest.fixture(scope="module")
def server():
    if not prometheus.installed():
        missing("Prometheus (the packages prometheus, prometheus-alertmanager and prometheus-pushgateway)")
    with prometheus.serve_prometheus(history=night()) as running:
        yield running


def options(folder, **more):
    return {"path": str(folder / "dashboards"), "provisioning": str(folder / "provisioning" / "evenkeel.yml"), "system": "shop",
            "environment": "production", "catalog": POLICY["panels"], "series": POLICY["series"], "objectives": OBJECTIVES, "dashboards": [
                *({"name": kind, "kind": kind, "folder": "Shop"} for kind in POLICY["panels"]),
                {"name": "slo", "title": "SLO", "folder": "Shop", "objectives": True},
                {"name": "overview", "title": "production Overview", "folder": "Library Agent", "refresh": "1m",
                 "kind": "operations"}], **more}


def test_every_query_of_the_catalog_returns_data(run_module, server, tmp_path):
    planned = run_module("grafana_dashboards", options(tmp_path), check=True)
    assert planned["changed"] and list(tmp_path.iterdir()) == []
    done = run_module("grafana_dashboards", options(tmp_path))
    assert done["changed"] and not run_module("grafana_dashboards", options(tmp_path))["changed"]
    assert {row["name"] for row in done["dashboards"]} == {*POLICY["panels"], "slo", "overview"}
    [overview] = (tmp_path / "dashboards" / "library-agent").glob("*.json")
    document = json.loads(overview.read_text())
    assert (document["title"], document["refresh"]) == ("production Overview", "1m")
    assert {"uid", "panels", "schemaVersion", "templating", "time", "tags"} <= set(document)
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
    assert all({"type", "title", "gridPos", "targets", "datasource", "fieldConfig"} <= set(panel) for panel in document["panels"])
    provisioned = yaml.safe_load((tmp_path / "provisioning" / "evenkeel.yml").read_text())
    assert {one["folder"]: one["options"]["path"] for one in provisioned["providers"]} == {
        "Library Agent": str(overview.parent), "Shop": str(tmp_path / "dashboards" / "shop")}

    answer = run_module("monitoring_verify", {"prometheus": {"url": server.url}, "dashboards_path": str(tmp_path / "dashboards")})
    shown = [finding for finding in answer["findings"] if finding["check"] == "monitoring.dashboard"]
    assert len(shown) == 7 and {finding["status"] for finding in shown} == {"pass"}, shown


def test_a_query_without_data_and_a_broken_file_are_found(run_module, server, tmp_path):
    run_module("grafana_dashboards", options(tmp_path, dashboards=[{"name": "x", "panels": [
        {"title": "up", "expr": "up"}, {"title": "gone", "expr": "nothing_has_this_name"}]}]))
    (tmp_path / "dashboards" / "broken.json").write_text("{")
    answer = run_module("monitoring_verify", {"prometheus": {"url": server.url}, "dashboards_path": str(tmp_path / "dashboards")})
    broken, gone = sorted((finding for finding in answer["findings"] if finding["check"] == "monitoring.dashboard"),
                          key=lambda finding: finding["status"], reverse=True)
    assert broken["status"] == "unknown" and gone["status"] == "fail" and "gone: no data" in gone["message"]


@pytest.mark.parametrize("dashboard, word", [
    ({"name": "x"}, "no panel"), ({"name": "x", "kind": "unheard"}, "unknown"),
    ({"name": "x", "panels": [{"title": "a", "expr": "sum("}]}, "parse"),
    ({"name": "x", "uid": "a b", "panels": [{"title": "a", "expr": "up"}]}, "no uid"),
    ({"name": "x", "colour": 1, "panels": [{"title": "a", "expr": "up"}]}, "unknown key")])
def test_what_makes_no_dashboard_is_said(run_module, tmp_path, dashboard, word):
    answer = run_module("grafana_dashboards", options(tmp_path, dashboards=[dashboard]))
    assert answer["failed"] and word in answer["msg"] and answer["hint"] and list(tmp_path.iterdir()) == []


def test_a_night_is_reviewed(run_module, server):
    with prometheus.serve_alertmanager() as alertmanager:
        silence = {"matchers": [{"name": "alertname", "value": "Silen.*", "isRegex": True, "isEqual": True}], "createdBy": "A. Hopper",
                   "comment": "taken", "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z"}
        request = urllib.request.Request(f"{alertmanager.url}/api/v2/silences", data=json.dumps(silence).encode(),
                                         headers={"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()
        where = {"prometheus": {"url": server.url}, "alertmanager": {"url": alertmanager.url}, "ignore": ["Watchdog"],
                 "act_within": {"critical": "15m", "warning": "1h"}}
        answer = run_module("alert_review", {**where, "period": "3h30m"})
        too_far = run_module("alert_review", {**where, "period": "24h"})
    told = {(finding["check"].partition(".")[2], finding["subject"].split()[0]): finding["status"] for finding in answer["findings"]}
    assert told == {("fired", "Flapping"): "warn", ("flapping", "Flapping"): "warn", ("fired", "LongCritical"): "warn",
                    ("unanswered", "LongCritical"): "fail", ("fired", "Silenced"): "warn"}, answer["findings"]
    rows = {row["alert"]: row for row in answer["alerts"]}
    assert rows["Flapping"]["episodes"] == 4 and rows["Silenced"]["silenced"] and abs(rows["LongCritical"]["longest_seconds"] - HOUR) < 400
    assert too_far["findings"][0]["status"] == "unknown" and "it looked in" in too_far["findings"][0]["message"]
