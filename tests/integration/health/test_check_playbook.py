# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""health.check as an operator runs it: probes, a record, a gate."""

from __future__ import annotations

import json

from tests.integration.health.conftest import recorded
from tests.testbed.http import serve_http

NAME = "evenkeel.ops.health.check"


def test_healthy_services_pass_and_are_recorded(playbook, inventory, tmp_path):
    with serve_http() as web:
        done = playbook(NAME, inventory=inventory, variables={"health_targets": [
            {"name": "shop", "url": f"{web.url}/ok", "latency_warn": "5s", "latency_fail": "5s"}],
            "health_limits": {"shop": {"availability": {"fail": 99.5}}}, "health_samples": 2})
        assert done.returncode == 0, done.stdout
        assert len(web.requests) == 2
    record = recorded(tmp_path)
    assert record["status"] == "pass" and len(record["findings"]) == 2
    [body] = record["body"]
    assert body["services"][0]["availability"] == 100 and body["targets"][0]["name"] == "shop"


def test_a_sick_service_closes_the_gate_and_is_recorded_without_secrets(playbook, inventory, tmp_path):
    with serve_http() as web:
        done = playbook(NAME, inventory=inventory, options=("-vvv",), variables={"health_targets": [
            {"name": "shop", "url": f"{web.url}/status/503", "headers": {"Authorization": "Bearer s3cret-t0ken"}},
            {"name": "path", "url": web.url, "secrets": {"password": "s3cret-passw0rd"}, "steps": [
                {"name": "log in", "url": "/echo", "method": "POST", "body": {"password": "${password}"}, "contains": "nothing like it",
                 "take": {"echo": {"json": "body"}}}]},
            {"name": "-rf 100% \"'Größe", "url": f"{web.url}/ok"}]})
    assert "step 1 of 1, 'log in': the body does not contain" in done.stdout
    assert done.returncode == 2 and "HTTP status is 503, expected 200-299 (2 attempts)" in done.stdout
    record = recorded(tmp_path)
    assert record["status"] == "fail" and {finding["status"] for finding in record["findings"]} >= {"fail", "pass"}
    assert "s3cret" not in json.dumps(record) and "s3cret" not in done.stdout


def test_a_policy_that_makes_no_sense_is_recorded_as_unknown(playbook, inventory, tmp_path):
    done = playbook(NAME, inventory=inventory, variables={"health_targets": [{"name": "shop", "url": "shop.example.com"}]})
    assert done.returncode == 2 and "no http or https URL" in done.stdout
    record = recorded(tmp_path)
    assert record["status"] == "unknown" and "https://host:port/path" in record["findings"][0]["hint"]
