#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_notice
short_description: Put the notice of a maintenance window into the form in which it is recorded
description:
  - Says who was told of which window, for M(evenkeel.ops.record), and whether that was in time.
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  window:
    description: Name of the window.
    type: str
    required: true
  begins_at:
    description: When the whole window begins, such as V(2026-03-01T02:00:00Z).
    type: str
    required: true
  ends_at:
    description: When it ends.
    type: str
  notice:
    description: How long before its beginning it has to be told, as a duration.
    type: str
    default: 0s
  told:
    description: Who was told.
    type: list
    elements: str
    required: true
  by:
    description: Who told them.
    type: str
    required: true
  change:
    description: Id of the change that it is for.
    type: str
  text:
    description: What they were told.
    type: str
  announced_at:
    description: When they were told. By default now.
    type: str
seealso:
  - module: evenkeel.ops.maintenance_window
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Put down who was told
  evenkeel.ops.maintenance_notice:
    window: production
    begins_at: "2026-03-01T02:00:00Z"
    ends_at: "2026-03-01T06:00:00Z"
    notice: 7d
    told: [clients by e-mail, status page]
    by: A. Hopper
  register: maintenance_result
"""

RETURN = r"""
notice:
  description: The notice as it is recorded.
  returned: success
  type: dict
  contains:
    window: {description: Name of the window., type: str, returned: success}
    begins_at: {description: Its beginning., type: str, returned: success}
    ends_at: {description: Its end., type: str, returned: success}
    announced_at: {description: When they were told., type: str, returned: success}
    told: {description: Who was told., type: list, elements: str, returned: success}
    by: {description: By whom., type: str, returned: success}
    change: {description: For which change., type: str, returned: success}
    text: {description: What they were told., type: str, returned: success}
findings:
  description: C(maintenance.notice), a warning where it is late.
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
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.judge import judge_announcement
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.records import read_notice

OPTIONS = own(
    window={"type": "str", "required": True},
    begins_at={"type": "str", "required": True},
    ends_at={"type": "str"},
    notice={"type": "str", "default": "0s"},
    told={"type": "list", "elements": "str", "required": True},
    by={"type": "str", "required": True},
    change={"type": "str"},
    text={"type": "str"},
    announced_at={"type": "str"},
)


def run(request: Request) -> Outcome:
    """Read it, judge whether it is in time."""
    notice = read_notice(request.options, request.clock.now())
    finding = judge_announcement(notice, parse_duration(request["notice"], option="notice"))
    return Outcome(findings=[finding], summary=finding.message, values={"notice": notice.as_value()})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
