# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION. The work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_baseline
short_description: Compare a quarter of databases with the one before
description:
  - Reads from the ledger what C(evenkeel.ops.databases.inspect) recorded of this host in the last whole quarter (month, week; UTC) and in
    the one before, and says which figures became worse.
  - The figures are C(query_mean) (all calls of the period), C(query_p95) (median of the runs), C(connections) (most at once),
    C(cache_miss) (percent of the blocks asked for), C(deadlocks) (per day), C(size) (at the end) and C(growth) (bytes a day).
  - Works on the controller. Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  policy:
    description:
      - "C(period): V(quarter), V(month) or V(week). C(least_runs): how many runs each period has to have. C(without_history): the
        status where it has fewer, V(warn), V(fail), V(unknown) or V(ignore)."
      - "C(worse_percent): for each figure a pair of C(warn) and C(fail), by how many percent it may be worse than before."
      - Every key has to be given.
    type: dict
    required: true
  at:
    description: The instant that is taken for now, such as V(2026-07-01T00:00:00Z).
    type: str
  procedure:
    description: The procedure of the area databases whose records are read.
    type: str
    default: inspect
requirements:
  - SQLAlchemy >= 2.0 on the controller
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Is this quarter worse than the last?
  evenkeel.ops.postgresql_baseline:
    policy:
      period: quarter
      least_runs: 30
      without_history: warn
      worse_percent:
        query_mean: {warn: 20, fail: 100}
        growth: {warn: 50}
"""

RETURN = r"""
baselines:
  description:
    - For each database {target, before, after, runs_before, runs_after, figures}; a figure is {name, unit, before, after, change_percent}.
  returned: success
  type: list
  elements: dict
findings:
  description: C(database.baseline) for each figure that has limits.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""
