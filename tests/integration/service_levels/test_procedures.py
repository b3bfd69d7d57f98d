# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""service_levels.check and service_levels.report (module outage_review) as an operator runs them, on probes that were really made."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger

from tests.testbed.http import serve_http

HERE = '{ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}'


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "hosts.yml"
    path.write_text(f"all: {{children: {{health: {{hosts: {{ops: {HERE}}}}}, service_levels: {{hosts: {{ops: {HERE}}}}}}}}}\n")
    return path


def recorded(tmp_path, statuses):
    """Runs of health.check as they stand in a ledger, one an hour, the last one a minute ago."""
    ledger, now = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite"), datetime.now(timezone.utc)
    for index, status in enumerate(statuses):
        at = now - timedelta(hours=len(statuses) - 1 - index, minutes=1)
        failed = 5 if status == "fail" else 0
        ledger.append({"run": f"r{index}", "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "system": "unnamed",
                       "environment": "unnamed", "host": "ops", "area": "health", "procedure": "check", "status": status, "changed": False,
                       "body": [{"services": [{"service": "shop", "total": 5, "failed": failed, "status": status}],
                                 "targets": [{"name": "a", "service": "shop", "latency_ms": 20.0 + index}]}]}, [])


def objective(measure, target, **more):
    return {"service": "shop", "measure": measure, "target": target, "history": {"every": "1h", "quantile": 95}, **more}


def test_probes_become_service_levels(playbook, inventory, tmp_path):
    variables = {"service_levels_objectives": [objective("availability", 90, window="1d"), objective("latency", "1s", window="1d")],
                 "service_levels_periods": {"daily": "1d"}, "service_levels_outage_period": "7d"}
    empty = playbook("evenkeel.ops.service_levels.check", inventory=inventory, variables=variables)
    assert empty.returncode == 2 and "no data at all" in empty.stdout, empty.stdout + empty.stderr

    recorded(tmp_path, ["pass"] * 20 + ["fail", "fail"] + ["pass"] * 4)
    with serve_http() as http:  # the newest run is a real one
        probed = playbook("evenkeel.ops.health.check", inventory=inventory, variables={
            "health_targets": [{"name": "shop", "url": f"{http.url}/ok"}], "health_defaults": {"timeout": "20s"}, "health_samples": 5,
            "health_limits": {}})
    assert probed.returncode == 0, probed.stdout + probed.stderr
    missed = playbook("evenkeel.ops.service_levels.check", inventory=inventory, variables=variables)
    assert missed.returncode == 0 and "shop: availability" not in missed.stderr, missed.stdout + missed.stderr
    report = playbook("evenkeel.ops.service_levels.report", inventory=inventory, variables=variables)
    assert report.returncode == 0, report.stdout + report.stderr
    strict = {**variables, "service_levels_objectives": [objective("availability", 99.9, window="1d")]}
    stopped = playbook("evenkeel.ops.service_levels.check", inventory=inventory, variables=strict)
    assert stopped.returncode == 2 and "the target is 99.9%" in stopped.stdout, stopped.stdout

    kept = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite").runs(system="unnamed", environment="unnamed", area="service_levels",
                                                              procedure="report")
    rows = {row["measure"]: row for _at, _host, values in kept for row in values.get("objectives", [])}
    assert rows["availability"]["value"] == pytest.approx(100 * (1 - 10 / 125), abs=0.5) and rows["availability"]["period"] == "daily"
    assert rows["latency"]["value"] > 0
    [found] = [row for _at, _host, values in kept for row in values.get("reliability", [])]
    assert found["outages"] == 1 and found["mttr_seconds"] == 2 * 3600 and not found["down_now"], json.dumps(found)


def test_nothing_to_look_at_is_no_pass(playbook, inventory):
    done = playbook("evenkeel.ops.service_levels.check", inventory=inventory)
    assert done.returncode == 2 and "there is no objective" in done.stdout, done.stdout
    report = playbook("evenkeel.ops.service_levels.report", inventory=inventory)
    assert report.returncode == 2 and "no run of health.check" in report.stdout, report.stdout
