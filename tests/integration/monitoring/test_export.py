# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""monitoring.export (module metrics_export): valid by promtool and OpenMetrics, pushed to a real Pushgateway, alerted on by real rules."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from datetime import datetime, timedelta, timezone

import pytest
import yaml
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.metrics import Exposition
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock, format_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.metrics import families, samples
from prometheus_client.openmetrics import parser

from tests.conftest import ROOT, missing
from tests.testbed import prometheus

HERE = '{ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}'
HOSTILE = 'a "quoted"\nname \\ {with} 🙂'


@pytest.fixture
def inventory(tmp_path):
    if not prometheus.installed():
        missing("Prometheus (the packages prometheus, prometheus-alertmanager and prometheus-pushgateway)")
    path = tmp_path / "hosts.yml"
    path.write_text(f"all: {{children: {{monitoring: {{hosts: {{ops: {HERE}}}}}}}}}\n")
    return path


@pytest.fixture
def ledger(tmp_path):
    """An old copy, a certificate that ends in ten days, a relation left undone, a failure with a hostile name, and older records."""
    ledger, now = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite"), datetime.now(timezone.utc)

    def record(area, procedure, body, *findings, ago=0.0):
        ledger.append({"run": f"r{ago}", "at": format_instant(now - timedelta(hours=ago)), "system": "unnamed", "environment": "unnamed",
                       "host": "db-1", "area": area, "procedure": procedure, "status": "pass", "changed": False, "body": body}, findings)

    def finding(status, subject="x"):
        return {"check": "backups.age", "subject": subject, "status": status, "message": "m"}

    def copy(hours):
        return [{"backup": {"id": f"{hours}", "plan": "database", "status": "created",
                            "created_at": format_instant(now - timedelta(hours=hours))}}]

    record("backups", "create", copy(200), finding("fail", "gone since"), ago=200)
    record("backups", "create", copy(30), finding("pass"), finding("fail", HOSTILE), ago=30)
    record("certificates", "check", [{"certificates": [{"source": "api:443", "subject": "CN=api",
                                                        "not_after": format_instant(now + timedelta(days=10))}]}], finding("pass"))
    record("databases", "maintain", [{"not_done": [{"relation": "a", "reason": "no time"}]}, {"not_done": []}], finding("warn"))
    return ledger


def test_what_we_know_becomes_metrics_and_alerts(playbook, inventory, ledger, tmp_path):
    textfile = tmp_path / "textfile" / "evenkeel.prom"
    textfile.parent.mkdir()
    rules = [rule for rule in yaml.safe_load((ROOT / "roles/monitoring/defaults/main.yml").read_text())["monitoring_alert_rules"]
             if rule["alert"] in ("BackupOld", "CertificateExpires", "FindingFails", "ProceduresSilent", "MaintenanceDebt")]
    with prometheus.serve_pushgateway() as gateway, prometheus.serve_alertmanager() as alertmanager, \
            prometheus.serve_prometheus(options=prometheus.IMPATIENT) as server:
        variables = {
            "monitoring_textfile": str(textfile), "monitoring_pushgateway": gateway.url, "monitoring_prometheus": {"url": server.url},
            "monitoring_alertmanager": {"url": alertmanager.url}, "monitoring_prometheus_path": str(server.configuration),
            "monitoring_rules_path": str(tmp_path / "rules.yml"), "monitoring_alert_set": "standard", "monitoring_alert_rules": rules,
            "monitoring_scrape_interval": "1s", "monitoring_evaluation_interval": "1s",
            "monitoring_alertmanagers": [alertmanager.url.removeprefix("http://")],
            "monitoring_scrape_jobs": [{"name": "pushgateway", "targets": [gateway.url.removeprefix("http://")], "honor_labels": True}]}
        planned = playbook("evenkeel.ops.monitoring.export", inventory=inventory, variables=variables, options=("--check",))
        assert planned.returncode == 0 and not textfile.exists(), planned.stdout + planned.stderr
        done = playbook("evenkeel.ops.monitoring.export", inventory=inventory, variables=variables)
        assert done.returncode == 0, done.stdout + done.stderr
        configured = playbook("evenkeel.ops.monitoring.configure", inventory=inventory, variables=variables)
        assert configured.returncode == 0, configured.stdout + configured.stderr

        text = textfile.read_text()
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, timeout=60, check=False)
        assert checked.returncode in (0, 3), checked.stdout + checked.stderr  # 3 is lint: advice on names
        assert "error" not in checked.stderr, checked.stderr
        assert os.stat(textfile).st_mode & 0o777 == 0o644 and "gone since" not in text and r'a \"quoted\"\nname' in text
        pushed = prometheus.scrape(f"{gateway.url}/metrics")
        [age] = [float(value) for name, value in pushed.items() if name.startswith("evenkeel_backup_timestamp_seconds")]
        assert time.time() - age == pytest.approx(30 * 3600, abs=300)
        assert any(name.startswith("evenkeel_maintenance_debt") and float(value) == 1 for name, value in pushed.items())

        def firing():
            with urllib.request.urlopen(f"{alertmanager.url}/api/v2/alerts", timeout=10) as answer:
                return {alert["labels"]["alertname"] for alert in json.load(answer)}

        wanted = {"BackupOld", "CertificateExpires", "FindingFails"}
        wait_until(lambda: firing() >= wanted, deadline=Deadline(SystemClock(), 90), what="the alerts on what was exported")
        assert "ProceduresSilent" not in firing()


def test_the_same_is_openmetrics(ledger):
    found = families(samples(ledger.newest_records(system="unnamed", environment="unnamed"), datetime.now(timezone.utc)),
                     {"system": HOSTILE, "environment": "x"})
    parsed = list(parser.text_string_to_metric_families(Exposition(found).openmetrics().decode()))
    assert {family.name for family in parsed} == set(found)
    assert any(sample.labels.get("subject") == HOSTILE for family in parsed for sample in family.samples)
    assert all(sample.labels["system"] == HOSTILE for family in parsed for sample in family.samples)


def test_where_it_cannot_go_is_said(playbook, inventory, ledger, tmp_path):
    for variables, word in (({}, "nowhere to export to"), ({"monitoring_pushgateway": "http://127.0.0.1:9"}, "does not answer"),
                            ({"monitoring_textfile": str(tmp_path / "no" / "x.prom")}, "Create the folder")):
        done = playbook("evenkeel.ops.monitoring.export", inventory=inventory, variables=variables)
        assert done.returncode != 0 and word in done.stdout, done.stdout + done.stderr
