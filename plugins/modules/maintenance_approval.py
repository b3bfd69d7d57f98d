#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_approval
short_description: Put a decision on a change into the form in which it is recorded
description:
  - Says who decided what on which change, for M(evenkeel.ops.record).
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  change:
    description: Id of the change.
    type: str
    required: true
  kind:
    description: What was decided on, in the words of the policy, such as V(technical review).
    type: str
    required: true
  by:
    description: Who decided.
    type: str
    required: true
  decision:
    description: What was decided.
    type: str
    choices: [approved, rejected]
    default: approved
  at:
    description: When. By default now.
    type: str
  notes:
    description: What else is worth keeping.
    type: str
seealso:
  - module: evenkeel.ops.maintenance_readiness
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Put down the technical review
  evenkeel.ops.maintenance_approval:
    change: CHG-1042
    kind: technical review
    by: G. Lovelace
  register: maintenance_result
"""

RETURN = r"""
approval:
  description: The decision as it is recorded.
  returned: success
  type: dict
  contains:
    change: {description: The change., type: str, returned: success}
    kind: {description: What was decided on., type: str, returned: success}
    by: {description: By whom., type: str, returned: success}
    at: {description: When., type: str, returned: success}
    decision: {description: 'V(approved) or V(rejected).', type: str, returned: success}
    notes: {description: Notes., type: str, returned: success}
findings:
  description: C(maintenance.approval), a warning where it was rejected.
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
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.judge import judge_decision
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.records import DECISIONS, read_approval

OPTIONS = own(
    change={"type": "str", "required": True},
    kind={"type": "str", "required": True},
    by={"type": "str", "required": True},
    decision={"type": "str", "choices": list(DECISIONS), "default": "approved"},
    at={"type": "str"},
    notes={"type": "str"},
)


def run(request: Request) -> Outcome:
    """Read it."""
    approval = read_approval(request.options, request.clock.now())
    finding = judge_decision(approval)
    return Outcome(findings=[finding], summary=f"{approval.kind} of {approval.change}: {finding.message}",
                   values={"approval": approval.as_value()})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
