# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""prometheus_config, alertmanager_config and monitoring_verify on real servers: applied, proved, put back where they are refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from tests.testbed.http import Response, serve_http


def by_check(answer):
    found = {}
    for finding in answer["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    return found


def verify(run_module, stack, **more):
    return run_module("monitoring_verify", {
        "prometheus": {"url": stack.prometheus.url}, "alertmanager": {"url": stack.alertmanager.url}, "jobs": ["shop"],
        "rules_path": str(stack.prometheus.folder / "rules" / "evenkeel.yml"), "watchdog": "Watchdog", "retention": "30d",
        "routes": stack.routes, "patience": "90s", **more})


def test_an_alert_is_provoked_and_arrives_at_the_right_channel(run_module, stack, capsys):
    planned = run_module("prometheus_config", stack.prometheus_options(), check=True, diff=True)
    assert planned["changed"] and "TargetDown" in planned["diff"]["after"] and not Path(stack.prometheus_options()["rules_path"]).exists()
    assert "Later" not in planned["alerts"] and "Escalated" in planned["alerts"]
    before = verify(run_module, stack, rules_path=None, alerts=["TargetDown"], watchdog="Watchdog", canaries=False)
    assert {finding["status"] for finding in by_check(before)["monitoring.targets"]} == {"fail"}
    assert by_check(before)["monitoring.rules"][0]["status"] == "fail" and by_check(before)["monitoring.link"][0]["status"] == "fail"

    with stack.service():
        for module, options in (("alertmanager_config", stack.alertmanager_options()), ("prometheus_config", stack.prometheus_options())):
            done = run_module(module, options)
            assert done["changed"], done
            assert not run_module(module, options)["changed"]
            assert not run_module(module, options, check=True)["changed"]
        deadline = time.monotonic() + 120
        while True:  # until all was scraped and evaluated once
            well = verify(run_module, stack)
            if {finding["status"] for finding in well["findings"]} == {"pass"} or time.monotonic() > deadline:
                break
        assert {finding["status"] for finding in well["findings"]} == {"pass"}, well["findings"]
        assert [(one["labels"], one["receivers"]) for one in well["deliveries"]] == [
            ({"severity": "critical"}, ["on-call"]), ({"severity": "critical", "escalation": "manager"}, ["manager"]),
            ({"severity": "warning"}, ["team"])]
        canaries = [(path, alert["labels"]["severity"]) for path, _at, alert in stack.told
                    if alert["labels"]["alertname"] == "EvenkeelCanary" and alert["status"] == "firing"]
        assert {("/on-call", "critical"), ("/manager", "critical"), ("/team", "warning")} <= set(canaries)
    down = time.monotonic()
    on_call, manager = stack.arrival("/on-call", "TargetDown"), stack.arrival("/manager", "Escalated")
    assert not any(path == "/manager" and alert["labels"]["alertname"] == "TargetDown" for path, _at, alert in stack.told)
    origin = next(alert for path, _at, alert in stack.told if path == "/manager" and alert["labels"]["alertname"] == "Escalated")
    assert origin["labels"]["origin"] == "TargetDown" and origin["labels"]["system"] == "shop"
    with capsys.disabled():
        slowest = max(one["seconds"] for one in well["deliveries"])
        print(f"\nmonitoring: a dead target was told to on-call after {on_call - down:.1f} s, to the manager after {manager - down:.1f} s; "
              f"{len(well['deliveries'])} canaries, the slowest {slowest:.1f} s")
    broken = by_check(verify(run_module, stack, canaries=False))
    assert broken["monitoring.targets"][0]["status"] == "fail" and "1 of 1 targets are down" in broken["monitoring.targets"][0]["message"]


@pytest.mark.parametrize("change, word", [
    ({"rules": [{"alert": "A", "set": "minimal", "expr": "sum(", "severity": "x", "summary": "y"}]}, "unclosed left parenthesis"),
    ({"rules": [{"alert": "A", "set": "minimal", "expr": "$nothing", "severity": "x", "summary": "y"}]}, "$nothing is no series"),
    ({"jobs": [{"name": "a", "targets": ["http://x:1"]}]}, "is no address"), ({"scrape_interval": "-1s"}, "duration"),
    ({"jobs": [{"name": "a", "targets": ["x:1"]}, {"name": "a", "targets": ["y:1"]}]}, "twice")])
def test_what_the_programs_refuse_is_not_written(run_module, stack, tmp_path, change, word):
    options = {**stack.prometheus_options(), "path": str(tmp_path / "p.yml"), "rules_path": str(tmp_path / "r.yml"), **change}
    answer = run_module("prometheus_config", options)
    assert answer["failed"] and word in answer["msg"] and answer["hint"], answer
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change, word", [
    ({"default_receiver": "x"}, "no receiver 'x'"), ({"settings": {"smtp_auth_password": "hush"}}, "is a secret"),
    ({"receivers": [{"name": "team", "slack_configs": [{"api_url": "https://hooks.example/hush"}]}]}, "is a secret"),
    ({"receivers": [{"name": "team", "webhook_configs": [{"nonsense": 1}]}], "routes": [{"severity": "a", "receiver": "team"}]},
     "nonsense"),
    ({"routes": [{"severity": "a", "receiver": "team", "escalate_to": "manager"}]}, "belong together")])
def test_routes_are_read_strictly(run_module, stack, tmp_path, change, word):
    answer = run_module("alertmanager_config", {**stack.alertmanager_options(), "path": str(tmp_path / "a.yml"), **change})
    assert answer["failed"] and word in answer["msg"] and answer["hint"], answer
    assert "hush" not in answer["msg"] and list(tmp_path.iterdir()) == []


def test_a_configuration_that_the_server_will_not_read_is_put_back(run_module, stack, tmp_path):
    file, rules = tmp_path / "p.yml", tmp_path / "rules" / "r.yml"
    file.write_text("# as it was\n")
    told = []
    with serve_http({"/-/reload": lambda _request: told.append(file.read_text()) or Response(status=500, body="no room")}) as http:
        answer = run_module("prometheus_config", {**stack.prometheus_options(), "path": str(file), "rules_path": str(rules),
                                                  "prometheus": {"url": http.url}})
    assert answer["failed"] and "was not read" in answer["msg"] and "as they were" in answer["msg"], answer
    assert file.read_text() == "# as it was\n" and not rules.exists()
    assert len(told) == 2 and "scrape_configs" in told[0] and told[1] == "# as it was\n"


def test_what_nobody_read_is_read_by_the_next_run(run_module, stack):
    options = stack.prometheus_options()
    assert not run_module("prometheus_config", options)["changed"]
    file = Path(options["path"])
    file.write_text(file.read_text())  # as after a run that was killed between writing and reloading
    assert run_module("prometheus_config", options)["changed"]
    assert yaml.safe_load(file.read_text())["scrape_configs"][0]["job_name"] == "shop"


def test_a_route_that_leads_elsewhere_and_a_receiver_that_is_deaf_are_found(run_module, stack):
    elsewhere = [{"severity": "critical", "receiver": "team"}]
    [wrong] = by_check(verify(run_module, stack, routes=elsewhere))["monitoring.delivery"]
    assert wrong["status"] == "fail" and "goes to on-call instead of team" in wrong["message"], wrong
    deaf = stack.alertmanager_options()
    deaf["receivers"][2]["webhook_configs"][0]["url"] = "http://127.0.0.1:9/"
    try:
        assert run_module("alertmanager_config", deaf)["changed"]
        [failed] = by_check(verify(run_module, stack, routes=[{"severity": "warning", "receiver": "team"}]))["monitoring.delivery"]
        assert failed["status"] == "fail" and "failed" in failed["message"], failed
    finally:
        assert run_module("alertmanager_config", stack.alertmanager_options())["changed"]
    [nobody] = by_check(verify(run_module, stack, routes=[{"severity": "heartbeat", "receiver": "nobody"}]))["monitoring.delivery"]
    assert nobody["status"] == "fail" and "tells nobody" in nobody["message"]


def test_servers_that_do_not_answer_are_unknown(run_module):
    nowhere = {"url": "http://127.0.0.1:9", "timeout": "2s"}
    answer = run_module("monitoring_verify", {"prometheus": nowhere, "alertmanager": nowhere, "jobs": ["shop"],
                                              "routes": [{"severity": "critical", "receiver": "on-call"}]})
    assert {finding["status"] for finding in answer["findings"]} == {"unknown"} and len(answer["findings"]) == 4, answer["findings"]
