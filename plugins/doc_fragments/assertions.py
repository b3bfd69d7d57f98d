# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/recovery/policy.py."""

from __future__ import annotations


class ModuleDocFragment:
    """What a restored database is asked."""

    DOCUMENTATION = r"""
options:
  assertions:
    description: Queries that are asked of the restored database, read-only, each with the value that its first column has to give.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What is asserted.
        type: str
        required: true
      sql:
        description: One query. The search path is the usual one.
        type: str
        required: true
      expected:
        description: Value of the first column of the first row, compared as text; V(true) by default.
        type: raw
        default: true
      of:
        description: What it speaks for. V(security) is judged as C(recovery.security), V(data) as C(recovery.assertion).
        type: str
        choices: [data, security]
        default: data
      within:
        description: How long the answer may take, as a duration such as V(2s), judged as C(recovery.performance). Not judged by default.
        type: str
  assertion_timeout:
    description: How long one assertion may take.
    type: str
    default: 60s
"""
