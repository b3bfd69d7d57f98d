#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prometheus_config
short_description: Write scrape jobs and alert rules of Prometheus from policy, and have them read
description:
  - Writes the configuration of a Prometheus server and its rule file whole, from policy. Alert sets, burn rates of service levels,
    missing data, and escalation become rules.
  - Both are checked by C(promtool) before anything is written. Where the server will not read them, the files are put back as they
    were, and the task fails.
  - A file that an earlier run wrote and that was not read since is read now.
  - In check mode everything is built and checked, and nothing is written.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  path:
    description: The configuration file of the server.
    type: path
    required: true
  rules_path:
    description: The rule file, as the server sees it.
    type: path
    required: true
  jobs:
    description:
      - Scrape jobs, each with C(name), C(targets) as host and port, and where wanted C(interval), C(timeout), C(path), C(scheme),
        C(labels), C(ca_cert), C(token_file), C(params) and C(honor_labels).
    type: list
    elements: dict
    default: []
  scrape_interval:
    description: How often jobs are scraped that say nothing else.
    type: str
    default: 15s
  evaluation_interval:
    description: How often rules are evaluated.
    type: str
    default: 15s
  alertmanagers:
    description: Hosts and ports of Alertmanagers.
    type: list
    elements: str
    default: []
  labels:
    description: Labels of the server, and of every alert.
    type: dict
    default: {}
  rules:
    description:
      - Alert rules, each with C(alert), C(set), C(expr), C(severity), C(summary), and where wanted C(for), C(description) and C(labels).
      - C($value) and C($labels.name) in summary and description stand for the alert's own.
    type: list
    elements: dict
    default: []
  alert_set:
    description: Which rules are wanted. Each set holds those before it.
    type: str
    choices: [minimal, standard, comprehensive]
    default: standard
  burn_rates:
    description: Burn rates of service levels, as for M(evenkeel.ops.slo_check).
    type: list
    elements: dict
    default: []
  severities:
    description: The severity of burn rates of status C(warn) and C(fail).
    type: dict
    default: {}
  slo_window:
    description: Window over which rules look at latency and throughput.
    type: str
    default: 5m
  slo_hold:
    description: How long these, and missing data, must last.
    type: str
    default: 5m
  routes:
    description: Routes, as for M(evenkeel.ops.alertmanager_config). What escalates becomes a rule.
    type: list
    elements: dict
    default: []
  patience:
    description: How long the server may take to have the rules in force.
    type: str
    default: 30s
extends_documentation_fragment:
  - evenkeel.ops.slo_rules
  - evenkeel.ops.prometheus
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Scrape the API every 15 seconds and alert on what burns its budget
  evenkeel.ops.prometheus_config:
    path: /etc/prometheus/prometheus.yml
    rules_path: /etc/prometheus/rules/evenkeel.yml
    prometheus: {url: "http://127.0.0.1:9090"}
    jobs:
      - {name: api, targets: ["api.example.com:9100"], interval: 15s}
    alertmanagers: ["127.0.0.1:9093"]
    rules:
      - alert: TargetDown
        set: minimal
        expr: up == 0
        for: 5m
        severity: critical
        summary: $labels.instance does not answer
    objectives:
      - service: api
        measure: availability
        target: 99.9
        counter: {series: 'http_requests_total{job="api"}', label: code, errors: "5.."}
    burn_rates:
      - {long: 1h, short: 5m, share: 2, status: fail}
"""

RETURN = r"""
files:
  description: The files, and what was done with them, or would be.
  returned: success
  type: list
  elements: dict
  contains:
    path: {description: Path., type: str, returned: success}
    status: {description: "C(created), C(changed) or C(unchanged).", type: str, returned: success}
alerts:
  description: The names of the rules that were written.
  returned: success
  type: list
  elements: str
summary:
  description: What was done.
  returned: success
  type: str
"""

from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import prometheus
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.monitoring import (
    RULES,
    check_prometheus,
    groups_of,
    prometheus_files,
    prometheus_server,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.files import as_diff, as_values, bring, changes, checked

OPTIONS = own(
    path={"type": "path", "required": True},
    rules_path={"type": "path", "required": True},
    jobs={"type": "list", "elements": "dict", "default": []},
    scrape_interval={"type": "str", "default": "15s"},
    evaluation_interval={"type": "str", "default": "15s"},
    alertmanagers={"type": "list", "elements": "str", "default": []},
    labels={"type": "dict", "default": {}},
    rules={"type": "list", "elements": "dict", "default": []},
    alert_set={"type": "str", "choices": ["minimal", "standard", "comprehensive"], "default": "standard"},
    burn_rates={"type": "list", "elements": "dict", "default": []},
    severities={"type": "dict", "default": {}},
    slo_window={"type": "str", "default": "5m"},
    slo_hold={"type": "str", "default": "5m"},
    routes={"type": "list", "elements": "dict", "default": []},
    patience={"type": "str", "default": "30s"},
) + RULES + prometheus.OPTIONS


def run(request: Request) -> Outcome:
    """Build, check, write, have it read."""
    groups, patience = groups_of(request.options), parse_duration(request["patience"], option="patience")
    checked(lambda folder: prometheus_files(request.options, groups, folder / "prometheus.yml", folder / "rules.yml"), check_prometheus)
    found = changes(prometheus_files(request.options, groups, Path(request["path"]), Path(request["rules_path"])))
    changed = any(change.needed for change in found)
    if not request.check_mode:
        changed = bring(found, prometheus_server(request["prometheus"], groups), request.clock, patience=patience)
    alerts = [rule["alert"] for group in groups for rule in group["rules"]]
    return Outcome(changed=changed, diff=as_diff(found), summary=f"{len(request['jobs'])} jobs, {len(alerts)} rules",
                   values={"files": as_values(found), "alerts": alerts})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
