#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_vacuum
short_description: Vacuum and analyze the tables that need it
description:
  - Looks at statistics, freeze age and bloat of all tables of a database in one query, and works only on what is due, worst
    first, tables near transaction wraparound before all others.
  - A table whose dead rows an old transaction keeps is reported with that transaction, and not vacuumed in vain.
  - A TOAST table that is larger than its table is left out where it is in order (from PostgreSQL 14 on), and vacuumed alone where it
    alone is due.
  - Needs to own the tables or the database, to be superuser, or from PostgreSQL 17 on the privilege MAINTAIN.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  policy:
    description:
      - When a table is due; every key down to C(rate) has to be given.
      - "C(dead_rows) and C(dead_percent): a table with more dead rows than the first plus that percentage of its live rows is
        vacuumed. C(changed_rows) and C(changed_percent): the same of rows changed since its last ANALYZE."
      - "C(freeze_age) and C(multixact_age): a table with an older transaction or multixact is frozen; beyond C(urgent_age) it is
        a failure where that cannot be done."
      - "C(bloat_percent) and C(bloat_size): a table of which more than both is air is measured by pgstattuple where it is
        installed; what only a rewrite would give back is reported."
      - "C(rate): the size that a vacuum is expected to get through in a second, until the run has shown its own pace."
      - "C(exclude): patterns such as V(audit.*) of schema and table that are left alone."
      - "C(kinds): which kinds of work are done, of V(freeze), V(vacuum) and V(analyze); all of them by default. V([analyze]) is statistics
        only."
      - "C(parallel): how many workers may vacuum the indexes of one table at once, where it has several that are large enough; V(0) is
        none. By default as the server likes."
      - "C(propose_rows): for a table of at least so many rows that was due, settings of autovacuum are proposed where it comes later
        than the policy; they are findings with the SQL. By default nothing is proposed."
      - "C(rewrite): V(pg_repack) rewrites what only a rewrite would give back, beside readers and writers, where the extension is in the
        database and the same version of the program on the host that the module runs on; it needs a superuser, twice the room, and two
        sessions beside the connection budget. V(never) (the default) reports it."
      - "C(free_space) and C(unknown_room): as in O(evenkeel.ops.postgresql_reindex#module:policy), for the copy that a rewrite makes, of
        which pg_repack says that it takes twice the table and its indexes. Without C(free_space) nothing has to stay free."
    type: dict
    required: true
extends_documentation_fragment:
  - evenkeel.ops.attributes
  - evenkeel.ops.maintenance
  - evenkeel.ops.postgres
"""

EXAMPLES = r"""
- name: Vacuum what needs it, for half an hour at the most
  evenkeel.ops.postgresql_vacuum:
    login_host: /var/run/postgresql
    login_db: shop
    time_budget: 30m
    connection_budget: 2
    policy:
      dead_rows: 1000
      dead_percent: 10
      changed_rows: 1000
      changed_percent: 10
      freeze_age: 150000000
      multixact_age: 300000000
      urgent_age: 1000000000
      bloat_percent: 50
      bloat_size: 100MiB
      rate: 50MiB
    gentle:
      cost_delay: 2ms
      replication_lag: 30s
      give_way: 5s

- name: Refresh the statistics, and do nothing else
  evenkeel.ops.postgresql_vacuum:
    login_host: /var/run/postgresql
    login_db: shop
    policy:
      kinds: [analyze]
      dead_rows: 1000
      dead_percent: 10
      changed_rows: 100
      changed_percent: 1
      freeze_age: 150000000
      multixact_age: 300000000
      urgent_age: 1000000000
      bloat_percent: 50
      bloat_size: 100MiB
      rate: 50MiB
"""

RETURN = r"""
relations:
  description: What was worked on or, in check mode, would be.
  returned: success
  type: list
  elements: dict
  contains:
    relation: {description: Its name as SQL has it., type: str, returned: success}
    action: {description: What was done., type: str, returned: success}
    reason: {description: Why it was due., type: str, returned: success}
    seconds: {description: How long it took., type: float, returned: success}
    status: {description: "V(done), V(planned) or V(failed).", type: str, returned: success}
    message: {description: What is to be said beside., type: str, returned: success}
    before: {description: Its state before., type: dict, returned: success}
    after: {description: Its state after., type: dict, returned: success}
not_done:
  description: What was due and not done.
  returned: success
  type: list
  elements: dict
  contains:
    relation: {description: Its name as SQL has it., type: str, returned: success}
    reason: {description: Why it was not done., type: str, returned: success}
findings:
  description: One per relation, and one per proposal of a setting; where nothing was due, one for the database.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts.
  returned: success
  type: str
  sample: 3 done, 1 due and not done
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.pg_repack import PgRepack
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.server_host import ThisHost
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.budget import BUDGET, Budget
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.host import ServerHost
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.rewrite import Rewriter
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.vacuum_plan import VacuumPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.vacuum_run import maintain_tables

OPTIONS = postgres.OPTIONS + BUDGET + own(policy={"type": "dict", "required": True})


def run(request: Request) -> Outcome:
    """Bring the tables that are due in order."""
    policy = VacuumPolicy.from_options(request["policy"])
    budget = Budget.from_options(request.options)
    target = postgres.PostgresTarget.from_options(request.options)
    rewriter = Rewriter(PgRepack(Commands(), target), request.clock, lock_timeout=budget.lock_timeout)
    with postgres.connect(target) as session:
        done = maintain_tables(session, lambda: postgres.connect(target), policy, budget, request.clock,
                               check_mode=request.check_mode, rewriter=rewriter, host=ServerHost(ThisHost()))
    return Outcome(changed=done.changed, findings=done.findings(target.database), summary=done.summary(),
                   values=done.values(), diff=done.diff(), warnings=done.warnings)


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
