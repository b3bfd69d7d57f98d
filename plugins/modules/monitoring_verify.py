#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: monitoring_verify
short_description: Tell whether an outage would be noticed
description:
  - Asks Prometheus whether what is meant to be scraped is up, whether the alerts that are meant are loaded and evaluated without errors,
    to whom it sends them and how long it keeps metrics, and Alertmanager whether the alert that always fires has come.
  - Sends a canary alert to each destination and follows it through its route to its receiver, with the time it took. It is ended
    again. The receivers are told of it, so that a person sees the canary.
  - Writes a canary line into logs and sends a canary span, and looks for them where people look.
  - Asks the queries of dashboards.
  - In check mode no canary is sent.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  jobs:
    description: Names of the jobs that are meant to be scraped.
    type: list
    elements: str
    default: []
  alerts:
    description: Names of the alerts that are meant to be loaded.
    type: list
    elements: str
    default: []
  rules_path:
    description: Rule file whose alerts are meant to be loaded, too.
    type: path
  retention:
    description: How long metrics are meant to be kept; not judged by default.
    type: str
  watchdog:
    description: Name of the alert that always fires; not looked for by default.
    type: str
  routes:
    description: Routes, as for M(evenkeel.ops.alertmanager_config).
    type: list
    elements: dict
    default: []
  canaries:
    description: Whether a canary is sent to each destination of O(routes).
    type: bool
    default: true
  patience:
    description: How long a canary may take; more than the C(wait) of the grouping.
    type: str
    default: 2m
  dashboards_path:
    description: Folder of dashboards in JSON, with those below it; not looked at by default.
    type: path
  log_canaries:
    description: Logs in which a line is written, and where it has to arrive; only where O(canaries).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: How the finding calls this pipeline.
        type: str
        required: true
      path:
        description: The log, a file that is there.
        type: path
        required: true
      json:
        description: Whether the line is an object of JSON.
        type: bool
        default: false
      arrives_in:
        description: Files, or patterns, one of which has to have it then, as on a log server.
        type: list
        elements: str
        default: []
      elasticsearch:
        description: A server of Elasticsearch or OpenSearch that has to have it then; it is deleted there again, where that is allowed.
        type: dict
        suboptions:
          url:
            description: Its address, such as V(https://search.example.com:9200); not that of Kibana.
            type: str
            required: true
          index:
            description: The index, or a pattern such as V(logs-*).
            type: str
            required: true
          query:
            description:
              - A query string, as Kibana's search field takes it in Lucene's syntax,
                such as V(namespace:production AND level:ERROR).
            type: str
            default: "*"
          time_field:
            description: Field with the instant of a document.
            type: str
            default: "@timestamp"
          delay:
            description: What is younger has its turn in the next run, so that most of what is late is there by then.
            type: str
            default: 1m
          late:
            description:
              - How late documents may arrive. So much of the time before is asked for again in each run; what was counted is known by its
                id (100,000 documents at the most, then it is less). Of what comes even later the number is told, as a gap.
            type: str
            default: 1h
          user:
            description: Who logs in, with C(password).
            type: str
          password:
            description: The password.
            type: str
          api_key:
            description: A key, as it is sent (C(id:key) in base64).
            type: str
          ca_cert:
            description: Certificate authorities to trust there, a PEM file.
            type: path
          timeout:
            description: How long an answer may take to begin, and each pause within it.
            type: str
            default: 30s
  trace_canary:
    description: Whether a span is sent to O(jaeger.otlp_url) and looked for in O(jaeger); only where O(canaries).
    type: bool
    default: false
requirements:
  - PyYAML >= 6
extends_documentation_fragment:
  - evenkeel.ops.prometheus
  - evenkeel.ops.alertmanager
  - evenkeel.ops.jaeger
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Would we notice?
  evenkeel.ops.monitoring_verify:
    prometheus: {url: "http://127.0.0.1:9090"}
    alertmanager: {url: "http://127.0.0.1:9093"}
    jobs: [api]
    rules_path: /etc/prometheus/rules/evenkeel.yml
    retention: 30d
    watchdog: Watchdog
    routes:
      - {severity: critical, receiver: on-call, escalate_after: 15m, escalate_to: manager}
    dashboards_path: /var/lib/grafana/dashboards
    log_canaries:
      - name: shop
        path: /var/log/shop/canary.log
        elasticsearch: {url: "http://127.0.0.1:9200", index: "logs-*"}
    jaeger: {url: "http://127.0.0.1:16686", otlp_url: "http://127.0.0.1:4318"}
    trace_canary: true
"""

RETURN = r"""
deliveries:
  description: The canaries.
  returned: success
  type: list
  elements: dict
  contains:
    labels: {description: Labels that decide on the route., type: dict, returned: success}
    expected: {description: Who was meant to be told., type: str, returned: success}
    receivers: {description: Who was., type: list, elements: str, returned: success}
    seconds: {description: "How long it took, null where it did not arrive.", type: float, returned: success}
arrivals:
  description: The canaries of logs and traces.
  returned: success
  type: list
  elements: dict
  contains:
    pipeline: {description: C(log) or C(trace)., type: str, returned: success}
    name: {description: Its name., type: str, returned: success}
    canary: {description: The word to look for., type: str, returned: success}
    seconds: {description: "How long it took, null where it was not seen.", type: float, returned: success}
findings:
  description: C(monitoring.targets), C(monitoring.rules), C(monitoring.link), C(monitoring.retention), C(monitoring.delivery),
    C(monitoring.log_delivery), C(monitoring.trace_delivery) and C(monitoring.dashboard).
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""

import secrets

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import alertmanager, elasticsearch, jaeger, prometheus
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.noticing import (
    look_at_dashboards,
    look_at_prometheus,
    send_canaries,
    send_log_canaries,
    send_trace_canary,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.pipelines import as_value, judge_arrival
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.verify import judge_delivery

OPTIONS = own(
    jobs={"type": "list", "elements": "str", "default": []},
    alerts={"type": "list", "elements": "str", "default": []},
    rules_path={"type": "path"},
    retention={"type": "str"},
    watchdog={"type": "str"},
    routes={"type": "list", "elements": "dict", "default": []},
    canaries={"type": "bool", "default": True},
    patience={"type": "str", "default": "2m"},
    dashboards_path={"type": "path"},
    log_canaries={"type": "list", "elements": "dict", "default": [], "options": {
        "name": {"type": "str", "required": True}, "path": {"type": "path", "required": True}, "json": {"type": "bool", "default": False},
        "arrives_in": {"type": "list", "elements": "str", "default": []}, **elasticsearch.OPTIONS.options},
        "required_one_of": [["arrives_in", "elasticsearch"]]},
    trace_canary={"type": "bool", "default": False},
) + prometheus.OPTIONS + alertmanager.OPTIONS + jaeger.OPTIONS


def run(request: Request) -> Outcome:
    """Ask, send, follow, judge."""
    findings = look_at_prometheus(request.options)
    findings += look_at_dashboards(request.options, request.clock.now())
    sends = request["canaries"] and not request.check_mode
    sent = send_canaries(request.options, request.clock, canary=secrets.token_hex(8)) if sends else []
    findings += [judge_delivery(one) for one in sent]
    arrivals = [*send_log_canaries(request.options, request.clock, canary=f"evenkeelcanary{secrets.token_hex(8)}"),
                *send_trace_canary(request.options, request.clock, canary=secrets.token_hex(16))] if sends else []
    findings += [judge_arrival(one) for one in arrivals]
    return Outcome(findings=findings, values={"arrivals": [as_value(one) for one in arrivals], "deliveries": [
        {"labels": dict(one.labels), "expected": one.expected, "receivers": list(one.receivers), "seconds": one.seconds} for one in sent]})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
