# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION. The work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_readiness
short_description: Judge whether a change is approved and has a way back
description:
  - Reads the approvals that C(evenkeel.ops.maintenance.approve) recorded in the ledger. The newest decision of each kind counts.
  - Works on the controller. Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  change:
    description: Id of the change.
    type: str
    required: true
  approvals:
    description: What has to be decided on, such as V(technical review).
    type: list
    elements: str
    default: []
  approvers:
    description: How many different people there must be among those who approved.
    type: int
    default: 1
  max_age:
    description: How old a decision may be, as a duration.
    type: str
    default: 30d
  rollback:
    description: How to go back, or where that is written.
    type: str
    default: ""
  rollback_required:
    description: Whether a change without one fails.
    type: bool
    default: true
requirements:
  - SQLAlchemy >= 2.0 on the controller
seealso:
  - module: evenkeel.ops.maintenance_approval
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: May the change begin?
  evenkeel.ops.maintenance_readiness:
    change: CHG-1042
    approvals: [change request, technical review, stakeholder approval]
    approvers: 2
    rollback: the package versions of before are in the runbook
  register: maintenance_ready
"""

RETURN = r"""
approvals:
  description: The decisions on the change, in the order recorded.
  returned: success
  type: list
  elements: dict
findings:
  description: C(maintenance.approval) for each kind, C(maintenance.approvers), C(maintenance.rollback).
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
  sample: "4 checks: 3 pass, 1 fail"
"""
