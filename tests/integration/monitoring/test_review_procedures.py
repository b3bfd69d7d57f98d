# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""monitoring.review_logs and monitoring.review_traces as an operator runs them: recorded, gated, by the role's variables."""

from __future__ import annotations

import json

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger

HERE = '{ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}'
HOSTILE = "-x 'quoted\" %u \u00e9/../ x"


def test_logs_are_reviewed_and_traces_that_cannot_be_are_unknown(playbook, tmp_path):
    inventory, log, other = tmp_path / "hosts.yml", tmp_path / "app.log", tmp_path / "other.log"
    inventory.write_text(f"all: {{children: {{monitoring: {{hosts: {{ops: {HERE}}}}}}}}}\n")
    log.write_text("2026-01-15 10:00:00 FATAL no disk, token=zzcanary\n2026-01-15 10:00:01 SECURITY root logged in\n")
    other.write_text("INFO all is well\n")
    variables = {"monitoring_log_state": str(tmp_path / "state"), "monitoring_log_look_back": "9000d", "monitoring_logs": [
        {"name": "shop", "paths": [str(log)]}, {"name": HOSTILE, "paths": [str(other)], "limits": {"levels": {"ERROR": {"warn": 0}}}}]}
    planned = playbook("evenkeel.ops.monitoring.review_logs", inventory=inventory, variables=variables, options=("--check",))
    assert planned.returncode == 2 and not (tmp_path / "state").exists(), planned.stdout
    done = playbook("evenkeel.ops.monitoring.review_logs", inventory=inventory, variables=variables)
    assert done.returncode == 2 and "FATAL" in done.stdout, done.stdout  # one FATAL is too many
    assert "zzcanary" not in done.stdout + done.stderr and len(list((tmp_path / "state").iterdir())) == 2
    again = playbook("evenkeel.ops.monitoring.review_logs", inventory=inventory, variables=variables)
    assert again.returncode == 0, again.stdout
    traces = playbook("evenkeel.ops.monitoring.review_traces", inventory=inventory,
                      variables={"monitoring_jaeger": {"url": "http://127.0.0.1:9", "timeout": "2s"}})
    assert traces.returncode == 2 and "unknown" in traces.stdout, traces.stdout
    records = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite").newest_records(system="unnamed", environment="unnamed")
    logs = next(record for record in records if record["procedure"] == "review_logs")
    assert {values["log"]["name"] for values in logs["body"]} == {"shop", HOSTILE}
    assert {record["procedure"]: record["status"] for record in records} == {"review_logs": "warn", "review_traces": "unknown"}
    assert "zzcanary" not in json.dumps(records, default=str)
