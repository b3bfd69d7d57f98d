#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_schema_review
short_description: Find indexes that are not needed or missing, and sequences near their end
description:
  - Reads catalog and statistics of a database and says which indexes are unused, duplicate or redundant, which foreign keys have no
    index, and which sequences come to their end, counting in the type of the column that they feed. Each finding has the SQL.
  - Returns the sizes of the database and its largest tables, of which M(evenkeel.ops.postgresql_trend) tells the growth.
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  policy:
    description:
      - What is judged; what is left out is not. A C(status) is V(warn), V(fail), V(unknown) or V(ignore).
      - "C(unused_indexes): {after, size, status}: indexes of at least C(size) that no query has used for C(after). Those that enforce
        something are never named. Before PostgreSQL 16 the server does not know the last use: there the counters have to be at
        zero, and as old as C(after); C(without_history) is the status while they are younger."
      - "C(duplicate_indexes): {status, size}: equal in everything to another one. C(redundant_indexes): {status, size}: B-trees with
        whose columns another one begins."
      - "C(foreign_keys): {status, size}: foreign keys without an index, of tables of at least C(size)."
      - "C(sequences): a pair of C(warn) and C(fail) in percent."
      - "C(exclude): patterns of schema and table, index, sequence or constraint that are left alone."
    type: dict
    required: true
  name:
    description: How the history calls this database; its name on the server where it is left out.
    type: str
  relations:
    description: Of how many of the largest tables the sizes are returned.
    type: int
    default: 200
  lock_timeout:
    description: How long a lock is waited for while a table is measured, as a duration.
    type: str
    default: 1s
  timeout:
    description: How long each query may take, as a duration.
    type: str
    default: 30s
seealso:
  - module: evenkeel.ops.postgresql_check
  - module: evenkeel.ops.postgresql_trend
extends_documentation_fragment:
  - evenkeel.ops.attributes
  - evenkeel.ops.postgres
"""

EXAMPLES = r"""
- name: What of the shop's schema should be changed?
  evenkeel.ops.postgresql_schema_review:
    login_host: /var/run/postgresql
    login_db: shop
    policy:
      unused_indexes: {after: 30d, size: 1MiB, status: warn}
      duplicate_indexes: {status: warn}
      foreign_keys: {size: 10MiB, status: warn}
      sequences: {warn: 70, fail: 90}
      without_history: warn
"""

RETURN = r"""
schema:
  description: The number of indexes and their size, for how many days their use is counted, the fullest sequences.
  returned: success
  type: dict
sizes:
  description: The size of the database in bytes, and of its largest tables with their indexes.
  returned: success
  type: dict
  contains:
    target: {description: How the history calls it., type: str, returned: success}
    name: {description: The database., type: str, returned: success}
    bytes: {description: Its size., type: int, returned: success}
    relations: {description: "List of {relation, bytes, index_bytes}, the largest first.", type: list, elements: dict, returned: success}
findings:
  description: One for each thing found, one for each kind of which there is nothing.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.schema import observe_schema
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.schema_judge import SchemaPolicy, judge_schema, schema_values

OPTIONS = postgres.OPTIONS + own(
    policy={"type": "dict", "required": True},
    name={"type": "str"},
    relations={"type": "int", "default": 200},
    lock_timeout={"type": "str", "default": "1s"},
    timeout={"type": "str", "default": "30s"},
)


def run(request: Request) -> Outcome:
    """Look at the schema, judge it."""
    policy = SchemaPolicy.from_options(request["policy"])
    timeout = parse_duration(request["timeout"], option="timeout")
    lock_timeout = parse_duration(request["lock_timeout"], option="lock_timeout")
    with postgres.connect(postgres.PostgresTarget.from_options(request.options), statement_timeout=timeout) as session:
        facts = observe_schema(session, relations=max(request["relations"], 0), lock_timeout=lock_timeout)
    return Outcome(findings=judge_schema(facts, policy), values=schema_values(facts, request["name"] or facts["name"]))


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
