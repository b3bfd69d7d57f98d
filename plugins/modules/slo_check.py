#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: slo_check
short_description: Judge service level objectives, their error budgets and how fast these burn
description:
  - Measures availability, error rate, quantiles of latency and throughput per service and endpoint over a window, in Prometheus, in
    Amazon CloudWatch, in a JSON document, or in what C(evenkeel.ops.health.check) left in the ledger, and compares them with a target
    and an alert that are kept apart.
  - What cannot be seen is C(unknown) with its reason, never a pass. That is an answer that is empty, stale, NaN or partial, no request
    at all, a server that does not answer, and data for less than O(coverage) of the window.
  - Error budgets and burn rates are those of chapter 5 of The Site Reliability Workbook (multiwindow, multi-burn-rate).
  - Objectives of the source C(history) are judged on the controller, where the ledger is, all others where the module runs.
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  objectives:
    description:
      - Each has C(service), C(measure) (C(availability), C(error_rate), C(latency) or C(throughput)), C(target), and where wanted
        C(endpoint), C(alert), C(window) and C(tier). Targets are in percent, a duration, or requests per second.
      - Each has exactly one source.
      - C(counter) is a counter of requests in Prometheus, C(series) its selector; errors are those whose C(label) matches the regular
        expression C(errors) in full; C(by) are labels that split it by endpoint.
      - C(histogram) has the selector of the buckets as C(series), a C(quantile) in percent, and C(by).
      - C(expression) has a C(query) in PromQL with C($window) where its range belongs, and the C(series) that it rests on. It gives one
        series, percent, seconds for a latency, or requests per second.
      - C(history) has C(every), how often the probes run, C(service) where it is called otherwise there, and C(quantile).
      - C(cloudwatch) has C(namespace), C(metric), C(dimensions), C(statistic), C(every), C(errors), the metric that counts errors,
        C(no_errors_is_zero) where that metric has no data without errors, and C(scale) to milliseconds.
      - C(json) has C(url) or C(file), and C(every), how far its points are apart.
    type: list
    elements: dict
    required: true
  tiers:
    description: The availability that each tier of services is promised, in percent. It is the target of objectives that give none.
    type: dict
    default: {}
  window:
    description: Window of objectives that give none.
    type: str
    default: 30d
  periods:
    description: Names and lengths of periods, such as C(weekly=7d). Each objective is then judged over each of them, without burn rates.
    type: dict
    default: {}
  burn_rates:
    description:
      - Rules with C(long) and C(short) window, C(share) of the budget in percent that may be spent within the long one, and C(status),
        V(warn) or V(fail), where both windows burn faster.
      - A rule whose long window is longer than the objective's says nothing of it. A source of points is not asked for windows shorter
        than two of its points.
    type: list
    elements: dict
    default: []
  budget:
    description: Percent of the error budget left below which to C(warn) and to C(fail).
    type: dict
    default: {}
  coverage:
    description: Percent of a window for which there must be data.
    type: float
    default: 90
extends_documentation_fragment:
  - evenkeel.ops.prometheus
  - evenkeel.ops.cloudwatch
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Judge the API, each endpoint's latency, and the queue by our own probes
  evenkeel.ops.slo_check:
    prometheus: {url: "https://prometheus.example.com", token: "{{ prometheus_token }}"}
    objectives:
      - service: api
        measure: availability
        target: 99.9
        alert: 99.5
        counter: {series: 'http_requests_total{job="api"}', label: code, errors: "5.."}
      - service: api
        measure: latency
        target: 200ms
        alert: 500ms
        window: 1d
        histogram: {series: 'http_request_duration_seconds_bucket{job="api"}', quantile: 95, by: [handler]}
      - service: queue
        measure: availability
        target: 99.5
        history: {every: 1h}
    burn_rates:
      - {long: 1h, short: 5m, share: 2, status: fail}
      - {long: 3d, short: 6h, share: 10, status: warn}
    budget: {warn: 25, fail: 0}
  register: service_levels_result
"""

RETURN = r"""
objectives:
  description: One for each objective, or for each endpoint of it.
  returned: success
  type: list
  elements: dict
  contains:
    service: {description: Service., type: str, returned: success}
    endpoint: {description: Endpoint., type: str, returned: success}
    measure: {description: What is measured., type: str, returned: success}
    tier: {description: Tier., type: str, returned: success}
    source: {description: Where it is measured., type: str, returned: success}
    period: {description: Name of the period., type: str, returned: success}
    window_seconds: {description: The window., type: float, returned: success}
    value: {description: "What was measured, null where it is not known.", type: float, returned: success}
    at_least: {description: Whether the true value may be higher., type: bool, returned: success}
    target: {description: What is promised., type: float, returned: success}
    alert: {description: What wakes somebody., type: float, returned: success}
    unit: {description: "C(%), C(ms) or C(/s).", type: str, returned: success}
    requests: {description: How many requests it rests on., type: float, returned: success}
    failed: {description: How many of them failed., type: float, returned: success}
    coverage_percent: {description: Share of the window for which there is data., type: float, returned: success}
    budget_left_percent: {description: Share of the error budget that is left., type: float, returned: success}
    burn_rates: {description: Burn rate by window., type: dict, returned: success}
    minutes_allowed: {description: Minutes of the window that may be lost., type: float, returned: for an availability}
    minutes_lost: {description: Minutes that were., type: float, returned: for an availability}
    minutes_left: {description: Minutes that are left., type: float, returned: for an availability}
    status: {description: Worst status of its findings., type: str, returned: success}
    reason: {description: Why there is no value., type: str, returned: success}
findings:
  description: C(service_levels.objective), C(service_levels.budget) and C(service_levels.burn_rate), or C(service_levels.compliance)
    where O(periods) are given.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
  sample: "12 checks: 10 pass, 2 fail"
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import cloudwatch, prometheus
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.service_levels import sources_of
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.evaluate import Policy, evaluate

OPTIONS = own(
    objectives={"type": "list", "elements": "dict", "required": True},
    tiers={"type": "dict", "default": {}},
    window={"type": "str", "default": "30d"},
    periods={"type": "dict", "default": {}},
    burn_rates={"type": "list", "elements": "dict", "default": []},
    budget={"type": "dict", "default": {}},
    coverage={"type": "float", "default": 90},
) + prometheus.OPTIONS + cloudwatch.OPTIONS


def run(request: Request) -> Outcome:
    """Ask every source, judge what it answered."""
    policy = Policy.from_options(request.options)
    rows, findings = evaluate(policy, sources_of(policy, request.options), request.clock.now())
    return Outcome(findings=findings, values={"objectives": rows})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
