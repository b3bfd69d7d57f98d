# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION. The work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: continuity_review
short_description: Judge whether the continuity plan is exercised in time, its actions are done, and functions can be had back in time
description:
  - Reads the exercises that C(evenkeel.ops.continuity.exercise) recorded in the ledger, and the newest drills of recovery.
  - Works on the controller. Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  intervals:
    description:
      - For each of C(tabletop), C(walkthrough), C(functional), C(full), C(plan_review) and C(plan_update) how often it is held, as V(182d).
      - A heavier exercise counts for the lighter ones. What has no interval is not judged.
    type: dict
    required: true
  warn_before:
    description: How long before its day an exercise or an action is a warning.
    type: str
    default: 14d
  functions:
    description: The business functions of the impact analysis.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name., type: str, required: true}
      description: {description: What it is., type: str}
      criticality:
        description: V(CRITICAL), V(IMPORTANT) or V(STANDARD); what fails for the last is a warning.
        type: str
        required: true
      rto: {description: Longest time until it can be had back., type: str}
      rpo: {description: Longest loss., type: str}
      dependencies: {description: What it depends on., type: list, elements: str}
      alternatives: {description: Other ways to do it meanwhile; a critical function needs one., type: list, elements: str}
      people: {description: Who answers for it; every function needs somebody., type: list, elements: str}
      plans:
        description: Backup plans that it cannot do without; their newest drills are compared with its objectives.
        type: list
        elements: str
requirements:
  - SQLAlchemy >= 2.0 on the controller
seealso:
  - module: evenkeel.ops.continuity_exercise
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Is the plan alive?
  evenkeel.ops.continuity_review:
    intervals: {full: 182d, plan_review: 91d, plan_update: 365d}
    functions:
      - name: orders
        criticality: CRITICAL
        rto: 4h
        rpo: 1h
        plans: [database]
        people: [A. Hopper]
        alternatives: [orders by telephone]
  register: continuity_result
"""

RETURN = r"""
exercises:
  description: What was recorded, oldest first.
  returned: success
  type: list
  elements: dict
actions:
  description: The actions that are open, by their day.
  returned: success
  type: list
  elements: dict
functions:
  description: The business functions as given.
  returned: success
  type: list
  elements: dict
findings:
  description:
    - C(continuity.exercise) for each kind, C(continuity.action) for each open action, C(continuity.function), C(continuity.rto) and
      C(continuity.rpo) for each function.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""
