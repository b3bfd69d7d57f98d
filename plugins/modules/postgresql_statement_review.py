#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_statement_review
short_description: Read the statements that take most time, with their plans
description:
  - Reads from pg_stat_statements the counters of the statements that take most of a database's time, and asks the server for the plan
    that it has for each whatever its parameters are. M(evenkeel.ops.postgresql_trend) compares them with earlier runs.
  - Nothing is executed but EXPLAIN, each in a read-only transaction that is rolled back. Of a statement the text without any value,
    and of a plan only nodes, tables, indexes and the cost are returned.
  - To plan a statement the server calls functions that are declared immutable, whoever wrote them, with the rights of the
    connecting role. That is why a superuser is not to do it unless told.
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  policy:
    description:
      - "C(statements): how many are looked at. C(explain): V(unless_superuser), V(always) or V(never)."
      - "C(without_statements) and C(without_plans): the status where pg_stat_statements is not installed, and where the server gives no
        plan, V(warn), V(fail), V(unknown) or V(ignore)."
      - Every key has to be given.
    type: dict
    required: true
  name:
    description: How the history calls this database; its name on the server where it is left out.
    type: str
  timeout:
    description: How long each query may take, as a duration.
    type: str
    default: 30s
seealso:
  - module: evenkeel.ops.postgresql_trend
extends_documentation_fragment:
  - evenkeel.ops.attributes
  - evenkeel.ops.postgres
"""

EXAMPLES = r"""
- name: What takes most of the shop's time?
  evenkeel.ops.postgresql_statement_review:
    login_host: db.example.com
    login_user: monitor
    login_password: "{{ vault_monitor_password }}"
    login_db: shop
    policy: {statements: 50, explain: unless_superuser, without_statements: warn, without_plans: warn}
  register: shop
"""

RETURN = r"""
statements:
  description: The counters of the whole database and of the statements that take most time.
  returned: success
  type: dict
  contains:
    target: {description: How the history calls it., type: str, returned: success}
    name: {description: The database., type: str, returned: success}
    calls: {description: Of all statements., type: int, returned: where installed}
    milliseconds: {description: Of all statements., type: float, returned: where installed}
    reset_at: {description: Since when is counted., type: str, returned: where installed}
    top:
      description: "List of {queryid, user, calls, milliseconds, rows, temp_blocks, text, plan}; a plan is {digest, shape, cost}."
      type: list
      elements: dict
      returned: success
    refused: {description: "How often the server gave no plan, by SQLSTATE.", type: dict, returned: where installed}
findings:
  description: C(database.statements) and C(database.plans), whether there is something to compare.
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
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.statements import (
    StatementPolicy,
    judge_statements,
    observe_statements,
    statement_values,
)

OPTIONS = postgres.OPTIONS + own(
    policy={"type": "dict", "required": True},
    name={"type": "str"},
    timeout={"type": "str", "default": "30s"},
)


def run(request: Request) -> Outcome:
    """Read the statements and their plans."""
    policy = StatementPolicy.from_options(request["policy"])
    timeout = parse_duration(request["timeout"], option="timeout")
    with postgres.connect(postgres.PostgresTarget.from_options(request.options), statement_timeout=timeout) as session:
        facts = observe_statements(session, lambda text, path: session.generic_plan(text, search_path=path), policy)
    return Outcome(findings=judge_statements(facts, policy), values=statement_values(facts, request["name"] or facts["name"]))


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
