#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: trace_scan
short_description: Tell which traces are slow, and where their time goes
description:
  - Reads every trace of a period from Jaeger, counts those over a duration by the service that they begin in, names the span with most self
    time of each, and judges errors and the 95th percentile of each operation.
  - Self time of a span is its duration without the time in which one of its children ran.
  - Jaeger gives only a number of the newest traces to one question, so the period is divided until each part is told whole.
  - What cannot be asked, and a service without a trace, is unknown.
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  services:
    description: Services to ask for; all that Jaeger knows by default.
    type: list
    elements: str
    default: []
  ignore:
    description: Services that are left out where O(services) names none.
    type: list
    elements: str
    default: []
  period:
    description: How far back to look.
    type: str
    default: 1h
  slow_after:
    description: From which duration on a trace is slow.
    type: str
    default: 1s
  page:
    description: How many traces are asked for at once.
    type: int
    default: 500
  most:
    description: How many traces are read at the most; where there are more, the services that were not read whole are unknown.
    type: int
    default: 100000
  limits:
    description:
      - For each thing to be judged a dictionary of C(warn) and C(fail), for each service; what has no limits is not judged.
      - "C(slow_traces): a number of traces over O(slow_after). C(slow_percent), C(error_percent), C(incomplete_percent): of its traces."
      - "C(p95): pairs of durations by service and operation, as V({'shop GET /orders': {fail: 1s}, shop: {warn: 2s}, '*': {warn: 5s}})."
      - "C(silent): the status of a service without a trace, V(warn), V(fail), V(unknown) or V(ignore)."
    type: dict
    required: true
extends_documentation_fragment:
  - evenkeel.ops.jaeger
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: What took longer than a second?
  evenkeel.ops.trace_scan:
    jaeger: {url: "http://127.0.0.1:16686"}
    period: 1h
    slow_after: 1s
    limits:
      slow_percent: {warn: 1, fail: 5}
      error_percent: {warn: 1, fail: 5}
      p95: {shop: {warn: 500ms, fail: 1s}}
"""

RETURN = r"""
traces:
  description:
    - "C(services): by service, C(traces), C(slow), C(failed), C(incomplete)."
    - "C(operations): the hundred with the longest 95th percentile, each with C(service), C(operation), C(spans), C(p50_ms), C(p95_ms),
      C(slowest_ms), C(errors)."
    - "C(slowest): the twenty slowest traces, each with C(trace), C(service), C(operation), C(at), C(seconds), C(spans), C(errors), and the
      span with most self time: C(slowest_service), C(slowest_operation), C(self_seconds)."
  returned: success
  type: dict
findings:
  description: C(monitoring.traces) of each service, C(monitoring.trace_slow), C(monitoring.trace_errors),
    C(monitoring.trace_incomplete) and C(monitoring.trace_p95).
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import jaeger
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.traces import read_traces
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.trace_judge import TracePolicy, TraceTally, judge

OPTIONS = own(
    services={"type": "list", "elements": "str", "default": []},
    ignore={"type": "list", "elements": "str", "default": []},
    period={"type": "str", "default": "1h"},
    slow_after={"type": "str", "default": "1s"},
    page={"type": "int", "default": 500},
    most={"type": "int", "default": 100000},
    limits={"type": "dict", "required": True},
) + jaeger.OPTIONS


def run(request: Request) -> Outcome:
    """Ask, count, judge."""
    policy = TracePolicy.from_options(request["limits"])
    period, slow_after = (parse_duration(request[key], option=key) for key in ("period", "slow_after"))
    tally, now = TraceTally(slow_after), request.clock.now().timestamp()
    server = jaeger.Jaeger.from_options(request["jaeger"])
    services, unread, known = read_traces(server, tally, request["services"], request["ignore"], now - period, now,
                                          page=request.count("page"), most=request.count("most"))
    address = request["jaeger"]["url"].rstrip("/")
    findings = judge(tally, policy, services, unread, period, known=known, address="" if "@" in address else address)
    return Outcome(findings=findings, values={"traces": tally.values()})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
