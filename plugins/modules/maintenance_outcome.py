#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_outcome
short_description: Say what came of a maintenance, for its record and report
description:
  - Puts the steps together, says how long the service was away, and judges whether the window was kept.
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  change:
    description: Id of the change.
    type: str
    required: true
  by:
    description: Who carried it out.
    type: str
    default: ""
  window:
    description: Name of the window that it was in.
    type: str
  ends_at:
    description: When that ends.
    type: str
  emergency:
    description: Whether it was run as an emergency.
    type: bool
    default: false
  planned:
    description: Whether it was only planned.
    type: bool
    default: false
  rollback:
    description: How to go back.
    type: str
    default: ""
  steps:
    description: The steps that were begun, in their order; those of the maintenance page are called V(enable) and V(disable).
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: The step., type: str, required: true}
      began: {description: "When it began, in seconds since 1970.", type: float, required: true}
      ended: {description: When it ended., type: float, required: true}
      failed: {description: Whether it failed., type: bool, required: true}
      reason: {description: Why., type: str}
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Say what came of it
  evenkeel.ops.maintenance_outcome:
    change: CHG-1042
    by: A. Hopper
    window: production
    ends_at: "2026-03-01T06:00:00Z"
    steps:
      - {name: enable, began: 1772330400.0, ended: 1772330401.5, failed: false}
      - {name: patches, began: 1772330401.5, ended: 1772331000.0, failed: true, reason: a package is held}
      - {name: disable, began: 1772331000.0, ended: 1772331001.0, failed: false}
  register: maintenance_result
"""

RETURN = r"""
maintenance:
  description: What came of it.
  returned: success
  type: dict
  contains:
    change: {description: The change., type: str, returned: success}
    by: {description: Who carried it out., type: str, returned: success}
    window: {description: The window., type: str, returned: success}
    ends_at: {description: Its end., type: str, returned: success}
    emergency: {description: Whether it was an emergency., type: bool, returned: success}
    status: {description: 'V(pass), V(fail) or V(planned).', type: str, returned: success}
    began_at: {description: When its first step began., type: str, returned: success}
    ended_at: {description: When its last one ended., type: str, returned: success}
    seconds: {description: How long it took., type: float, returned: success}
    away_seconds: {description: How long the maintenance page was shown., type: float, returned: success}
    rollback: {description: How to go back., type: str, returned: success}
    steps: {description: 'Each with name, status, seconds and reason.', type: list, elements: dict, returned: success}
findings:
  description: C(maintenance.step), C(maintenance.left_on), C(maintenance.overrun).
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
  sample: "CHG-1042: pass, 5 steps in 12m, away for 10m"
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant, parse_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import format_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.outcome import away, judge_run, read_steps, status_of

OPTIONS = own(
    change={"type": "str", "required": True},
    by={"type": "str", "default": ""},
    window={"type": "str"},
    ends_at={"type": "str"},
    emergency={"type": "bool", "default": False},
    planned={"type": "bool", "default": False},
    rollback={"type": "str", "default": ""},
    steps={"type": "list", "elements": "dict", "default": [], "options": {
        "name": {"type": "str", "required": True},
        "began": {"type": "float", "required": True},
        "ended": {"type": "float", "required": True},
        "failed": {"type": "bool", "required": True},
        "reason": {"type": "str"},
    }},
)


def run(request: Request) -> Outcome:
    """Read the steps, judge them."""
    steps, planned, now = read_steps(request["steps"]), request["planned"], request.clock.now()
    findings = judge_run(steps, request["change"], parse_instant(request["ends_at"]) if request["ends_at"] else None, now, planned=planned)
    status, page = status_of(steps, findings, planned=planned), away(steps)
    seconds = round((steps[-1].ended - steps[0].began).total_seconds(), 3) if steps else 0.0
    done = {
        **{key: request[key] for key in ("change", "by", "window", "ends_at", "emergency", "rollback")}, "status": status,
        "began_at": format_instant(steps[0].began) if steps else None, "ended_at": format_instant(steps[-1].ended) if steps else None,
        "seconds": seconds, "away_seconds": page,
        "steps": [{"name": step.name, "status": "fail" if step.failed else "pass", "seconds": step.seconds, "reason": step.reason}
                  for step in steps]}
    times = f"{len(steps)} steps in {format_duration(seconds) or '0s'}, away for {format_duration(page) or '0s'}"
    return Outcome(findings=findings, summary=f"{request['change']}: {status}, {times}", values={"maintenance": done})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
