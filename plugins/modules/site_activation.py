#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site_activation
short_description: Tell what came of activating a standby site - what was done, what is left, how to go back
description:
  - Takes the steps that were begun, with their times and results, and judges them against the order that they have and against
    the objective for the time to recover, which ends when the last client has followed the DNS records.
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  site:
    description: Name of the standby site.
    type: str
    required: true
  steps:
    description: All steps in their order.
    type: list
    elements: str
    required: true
  done:
    description: The steps that were begun. Each has C(name), C(began) and C(ended) in seconds of one clock, and its C(result).
    type: list
    elements: dict
    default: []
  mode:
    description: What it was.
    type: str
    choices: [activate, rehearse, check]
    default: activate
  trigger:
    description: The reason.
    type: str
  resumed_from:
    description: The step that an activation which had failed was resumed from; those before it were done by another run.
    type: str
  began:
    description: When the first of this run began, in seconds of the same clock.
    type: float
  ended:
    description: When the last of this run ended.
    type: float
  rto:
    description: Longest time to recover. None is no objective.
    type: str
seealso:
  - module: evenkeel.ops.site_readiness
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Say what was done, what is left, and how to go back
  evenkeel.ops.site_activation:
    site: west
    steps: [fence, promote, probe, dns]
    done:
      - {name: fence, began: 10.0, ended: 12.5, result: "{{ fenced }}"}
      - {name: promote, began: 12.5, ended: 14.0, result: "{{ promoted }}"}
    began: 8.0
    ended: 14.0
    rto: 4h
"""

RETURN = r"""
activation:
  description: What came of it.
  returned: success
  type: dict
  contains:
    site: {description: Name of the site., type: str, returned: success}
    trigger: {description: The reason., type: str, returned: success}
    mode: {description: What it was., type: str, returned: success}
    status: {description: 'V(pass), V(planned), or V(fail) where a step is left.', type: str, returned: success}
    steps: {description: 'Each with name, status, seconds, changed and summary.', type: list, elements: dict, returned: success}
    left: {description: Steps that are left., type: list, elements: str, returned: success}
    rto_seconds: {description: From the beginning until the last client follows., type: float, returned: success}
    rto_objective_seconds: {description: Its objective., type: float, returned: success}
    clients_follow_seconds: {description: 'Of that, the time that resolvers hold on to old answers.', type: float, returned: success}
    back: {description: How to undo each step that was done., type: list, elements: dict, returned: success}
    failback: {description: The way back to the first site., type: list, elements: str, returned: success}
findings:
  description: C(recovery.step) for each step, C(recovery.rto).
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.activation import (
    activation,
    follow_of,
    judge_duration,
    judge_steps,
    read_steps,
    summary_of,
)

OPTIONS = own(
    site={"type": "str", "required": True},
    steps={"type": "list", "elements": "str", "required": True},
    done={"type": "list", "elements": "dict", "default": []},
    mode={"type": "str", "choices": ["activate", "rehearse", "check"], "default": "activate"},
    trigger={"type": "str"},
    resumed_from={"type": "str"},
    began={"type": "float"},
    ended={"type": "float"},
    rto={"type": "str"},
)


def run(request: Request) -> Outcome:
    """Read the steps, judge them, tell."""
    order, site, mode = request["steps"], request["site"], request["mode"]
    resumed = request["resumed_from"] or ""
    steps = read_steps(request["done"], order, planned=mode != "activate")
    total = max(0.0, (request["ended"] or 0.0) - (request["began"] or 0.0))
    rto = parse_duration(request["rto"], option="rto") if request["rto"] else None
    follow = follow_of(request["done"])
    told = activation(site, steps, order, trigger=request["trigger"] or "", mode=mode, total=total, follow=follow, rto=rto,
                      resumed_from=resumed)
    findings = judge_steps(site, steps, order, resumed_from=resumed) + judge_duration(
        site, steps, order, total=total, rto=rto, follow=follow, planned=mode != "activate" or bool(resumed))
    return Outcome(findings=findings, summary=summary_of(told), values={"activation": told})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
