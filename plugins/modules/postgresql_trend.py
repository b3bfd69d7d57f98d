# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION. The work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_trend
short_description: Compare reviews of databases with those of earlier runs
description:
  - Takes the registered results of M(evenkeel.ops.postgresql_schema_review) and M(evenkeel.ops.postgresql_statement_review), reads
    what the ledger has of the same host and database, and says how fast databases and tables grow, when their room is used up,
    which statements became slower, and which are planned otherwise and dearer.
  - Growth is the median of the slopes between all pairs of runs (Theil and Sen). A statement's time is that of the interval since the
    last run, compared with the median of the intervals before.
  - Works on the controller. Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  results:
    description: A registered result, also of a loop, or a list of them.
    type: raw
    required: true
  growth:
    description:
      - "C(window): how far back runs count; C(least_span): what they have to span; C(without_history): the status until then,
        V(warn), V(fail), V(unknown) or V(ignore)."
      - "C(database) and C(relation): pairs of sizes in a day; C(room_for): a pair of durations, at least, until O(capacities) is
        used up."
      - Empty judges no growth.
    type: dict
    default: {}
  regressions:
    description:
      - "C(window) and C(without_history) as for O(growth)."
      - "C(times): a pair, how many times slower than before; judged are statements with at least C(least_calls) calls in the interval,
        whose mean rose by C(least_rise) or more. C(cost_times): a pair, how many times dearer a plan of another shape."
      - Empty judges no regressions.
    type: dict
    default: {}
  capacities:
    description: How much room each database has, by the name that the history has for it, as sizes.
    type: dict
    default: {}
  procedure:
    description: The procedure of the area databases whose records are compared with.
    type: str
    default: inspect
requirements:
  - SQLAlchemy >= 2.0 on the controller
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: How large is the shop's database?
  evenkeel.ops.postgresql_schema_review:
    login_db: shop
    policy: {}
  register: shop

- name: How fast does it grow?
  evenkeel.ops.postgresql_trend:
    results: "{{ shop }}"
    growth: {window: 30d, least_span: 20h, without_history: warn, database: {warn: 5GiB}, room_for: {warn: 90d, fail: 30d}}
    capacities: {shop: 500GiB}
"""

RETURN = r"""
growth:
  description: For each database its size, bytes_per_day, capacity, days_left, and the relations that grow most.
  returned: success
  type: list
  elements: dict
regressions:
  description: Statements that became slower or are planned otherwise, with before_ms, after_ms, plan_before and plan_after.
  returned: success
  type: list
  elements: dict
findings:
  description:
    - C(database.growth), C(database.relation_growth), C(database.room), C(database.statement_regression), C(database.plan_regression).
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""
