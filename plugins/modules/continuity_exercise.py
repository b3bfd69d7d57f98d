#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: continuity_exercise
short_description: Put an exercise of the continuity plan into the form in which it is recorded
description:
  - Checks what was written down of an exercise, a review or an update of the plan, and returns it for M(evenkeel.ops.record).
  - An exercise that is recorded twice counts once.
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  kind:
    description: What it was. A heavier exercise counts for the lighter ones.
    type: str
    required: true
    choices: [tabletop, walkthrough, functional, full, plan_review, plan_update]
  scenario:
    description: What was assumed to have happened; of a review or an update, what it was about.
    type: str
    required: true
  held_at:
    description: When it was held, such as V(2026-01-15T09:00:00Z). By default now.
    type: str
  participants:
    description: Who took part.
    type: list
    elements: str
    required: true
  objectives:
    description: What it was to show.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: The objective., type: str, required: true}
      met: {description: Whether it was met., type: bool, required: true}
  actions:
    description: What was agreed to be done.
    type: list
    elements: dict
    default: []
    suboptions:
      id: {description: Id of the action. By default that of the exercise and a number., type: str}
      what: {description: What is to be done., type: str, required: true}
      owner: {description: Who does it., type: str, required: true}
      due: {description: 'The last day, such as V(2026-02-28).', type: str, required: true}
  closes:
    description: Ids of actions of earlier exercises that were found done.
    type: list
    elements: str
    default: []
  notes:
    description: What else is worth keeping.
    type: str
seealso:
  - module: evenkeel.ops.continuity_review
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Put down what the exercise showed
  evenkeel.ops.continuity_exercise:
    kind: functional
    scenario: The first region is lost on a Monday morning
    held_at: "2026-01-15T09:00:00Z"
    participants: [A. Hopper, G. Lovelace]
    objectives:
      - {name: the standby site serves within 4 hours, met: true}
      - {name: clients are told within 30 minutes, met: false}
    actions:
      - {what: Write the message to clients beforehand, owner: G. Lovelace, due: "2026-02-15"}
  register: continuity_result
"""

RETURN = r"""
exercise:
  description: The exercise as it is recorded.
  returned: success
  type: dict
  contains:
    id: {description: Its id., type: str, returned: success}
    kind: {description: What it was., type: str, returned: success}
    scenario: {description: What was assumed., type: str, returned: success}
    held_at: {description: When it was held., type: str, returned: success}
    participants: {description: Who took part., type: list, elements: str, returned: success}
    objectives: {description: 'Each with name and met.', type: list, elements: dict, returned: success}
    outcome: {description: 'V(met), V(partly) or V(missed).', type: str, returned: success}
    actions: {description: 'Each with id, what, owner and due.', type: list, elements: dict, returned: success}
    closes: {description: Actions that were found done., type: list, elements: str, returned: success}
findings:
  description: C(continuity.outcome).
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.continuity.exercises import KINDS, read_exercise
from ansible_collections.evenkeel.ops.plugins.module_utils.continuity.judge import judge_outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome

OPTIONS = own(
    kind={"type": "str", "required": True, "choices": list(KINDS)},
    scenario={"type": "str", "required": True},
    held_at={"type": "str"},
    participants={"type": "list", "elements": "str", "required": True},
    objectives={"type": "list", "elements": "dict", "required": True, "options": {
        "name": {"type": "str", "required": True},
        "met": {"type": "bool", "required": True},
    }},
    actions={"type": "list", "elements": "dict", "default": [], "options": {
        "id": {"type": "str"},
        "what": {"type": "str", "required": True},
        "owner": {"type": "str", "required": True},
        "due": {"type": "str", "required": True},
    }},
    closes={"type": "list", "elements": "str", "default": []},
    notes={"type": "str"},
)


def run(request: Request) -> Outcome:
    """Read it, judge its outcome."""
    exercise = read_exercise(request.options, request.clock.now())
    return Outcome(findings=[judge_outcome(exercise)], summary=f"{exercise.id}: {exercise.outcome}",
                   values={"exercise": exercise.as_value()})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
