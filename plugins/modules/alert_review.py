#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: alert_review
short_description: Tell what fired, what flapped, and what nobody acted on
description:
  - Reads the series C(ALERTS) of Prometheus over a period, and the silences of Alertmanager.
  - An alert that fired for longer than its severity allows, without a silence that it matches, was left to itself.
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  period:
    description: How far back to look.
    type: str
    default: 12h
  step:
    description: At which steps. A shorter episode may be missed.
    type: str
    default: 1m
  flaps:
    description: From how many times on an alert flaps.
    type: int
    default: 3
  act_within:
    description: By severity, how long an alert may fire until somebody has ended or silenced it. C(*) is for every other severity.
    type: dict
    default: {}
  coverage:
    description: Percent of the period in which Prometheus must have scraped something; with less it is not known what fired.
    type: float
    default: 90
  ignore:
    description: Names of alerts that fire on purpose, as one that always fires.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - evenkeel.ops.prometheus
  - evenkeel.ops.alertmanager
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: What happened overnight?
  evenkeel.ops.alert_review:
    prometheus: {url: "http://127.0.0.1:9090"}
    alertmanager: {url: "http://127.0.0.1:9093"}
    period: 12h
    act_within: {critical: 15m, warning: 1h}
    ignore: [Watchdog]
"""

RETURN = r"""
alerts:
  description: What fired.
  returned: success
  type: list
  elements: dict
  contains:
    alert: {description: Name., type: str, returned: success}
    labels: {description: Labels., type: dict, returned: success}
    episodes: {description: How often it fired., type: int, returned: success}
    longest_seconds: {description: Its longest episode., type: int, returned: success}
    firing_now: {description: Whether it fires now., type: bool, returned: success}
    silenced: {description: Whether a silence matches it., type: bool, returned: success}
findings:
  description: C(monitoring.fired), C(monitoring.flapping) and C(monitoring.unanswered).
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""

import math

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import alertmanager, prometheus
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.review import ReviewPolicy, as_value, episodes, judge

OPTIONS = own(
    period={"type": "str", "default": "12h"},
    step={"type": "str", "default": "1m"},
    flaps={"type": "int", "default": 3},
    act_within={"type": "dict", "default": {}},
    coverage={"type": "float", "default": 90},
    ignore={"type": "list", "elements": "str", "default": []},
) + prometheus.OPTIONS + alertmanager.OPTIONS


def run(request: Request) -> Outcome:
    """Ask both, judge."""
    policy = ReviewPolicy.from_options(request["flaps"], request["act_within"], request["coverage"])
    period, step = (parse_duration(request[key], option=key) for key in ("period", "step"))
    now = request.clock.now().timestamp()
    server = prometheus.Prometheus.from_options(request["prometheus"])
    matrix = server.query_range('ALERTS{alertstate="firing"}', now - period + step, now, step)
    looked = server.query_range("count(up)", now - period + step, now, step)
    seen = 100 * sum(len(points) for _labels, points in looked) / max(1, math.floor(period / step))
    silences = alertmanager.Alertmanager.from_options(request["alertmanager"]).silences()
    found = [one for one in episodes(matrix, step, now) if one.labels.get("alertname") not in request["ignore"]]
    return Outcome(findings=judge(found, silences, policy, period, seen),
                   values={"alerts": [as_value(one, silences) for one in found]})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
