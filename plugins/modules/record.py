# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION. The work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: record
short_description: Write what a procedure found and did into the ledger
description:
  - Takes the registered results of a procedure's tasks and appends them, with their findings, to the ledger, a SQL
    database on the controller whose records are chained by digests.
  - A result that failed or was unreachable is recorded as an C(unknown) finding, with its message and hint.
  - The ledger is E(EVENKEEL_RUN_ID) aside configured by variables. C(evenkeel_ledger_url) is an SQLAlchemy URL, by
    default SQLite below the user's state folder. C(evenkeel_system) and C(evenkeel_environment) name what is operated.
  - Each record says who made it, the account and the controller, and the person that C(evenkeel_operator) names or, in a job of AWX or
    Tower, who launched it. A ledger of an older version gets a column for that when it is next used.
  - In check mode nothing is written.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  area:
    description: Area of the procedure, such as V(health).
    type: str
    required: true
  procedure:
    description: Verb of the procedure, such as V(check).
    type: str
    required: true
  results:
    description: A registered result, also of a loop, or a list of them.
    type: raw
    required: true
  keep_earlier:
    description: Write nothing where this run already has a record of this host's procedure.
    type: bool
    default: false
requirements:
  - SQLAlchemy >= 2.0 on the controller
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Check the host
  evenkeel.ops.host_check:
    limits: {cpu: {fail: 80}}
  register: capacity_result

- name: Record what was found
  evenkeel.ops.record:
    area: capacity
    procedure: check
    results: "{{ capacity_result }}"
"""

RETURN = r"""
run:
  description: The word under which everything of this ansible-playbook run is kept.
  returned: always
  type: str
  sample: 20261121T020000Z-4711
counts:
  description: The findings by status.
  returned: always
  type: dict
digest:
  description: SHA-256 of the record and of the one before it.
  returned: when not in check mode
  type: str
"""
