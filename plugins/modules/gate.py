# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION. The work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gate
short_description: End a procedure with a failure where its findings are not good enough
description:
  - Reads the findings of registered results and fails where one of them has a status named in O(fail_on).
  - A result that failed or was unreachable counts as C(unknown); an unknown is never a pass unless the policy leaves it out.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  results:
    description: A registered result, also of a loop, or a list of them.
    type: raw
    required: true
  fail_on:
    description: Statuses that close the gate, out of V(warn), V(fail) and V(unknown).
    type: list
    elements: str
    default: [fail, unknown]
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Go on only with a healthy host
  evenkeel.ops.gate:
    results: "{{ capacity_result }}"
    fail_on: [fail, unknown]
"""

RETURN = r"""
stopped:
  description: The findings that closed the gate, worst first.
  returned: failure
  type: list
  elements: dict
summary:
  description: The counts of all findings.
  returned: always
  type: str
"""
