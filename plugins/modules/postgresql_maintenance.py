#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_maintenance
short_description: Do all maintenance that a database needs, by one plan that fits a window
description:
  - Draws up one plan of every VACUUM, ANALYZE and rebuild of an index that is due, and does exactly what of it fits the window.
  - "The order: tables near transaction wraparound before all; then what is worst; then indexes that will be bloated once the plan's own
    vacuums have taken the dead rows out. What O(forecast.patience) runs in a row have left comes before what is worse, so that
    nothing waits for ever."
  - Durations are predicted from what the same work took before (O(history)), the first time from its size and the pace of others. Only
    what is expected to end within the window is begun. What still runs near its end is cancelled by the server and cleared up.
  - What is left is reported as debt, with the time at which PostgreSQL will force an anti-wraparound vacuum on the table.
  - Check mode prints the plan.
  - M(evenkeel.ops.postgresql_vacuum) and M(evenkeel.ops.postgresql_reindex) do one half of it each, with the same judgement.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  vacuum:
    description: When a table is due, as O(evenkeel.ops.postgresql_vacuum#module:policy).
    type: dict
    required: true
  reindex:
    description: When an index is due, as O(evenkeel.ops.postgresql_reindex#module:policy).
    type: dict
    required: true
  forecast:
    description: How predictions are trusted.
    type: dict
    required: true
    suboptions:
      margin_percent:
        description: Added to what a relation's own history says.
        type: float
        required: true
      first_margin_percent:
        description: Added where it has none yet.
        type: float
        required: true
      samples:
        description: How many of its newest runs count.
        type: int
        required: true
      patience:
        description: After how many runs in a row that left it a step comes before what is worse.
        type: int
        required: true
      forced_within:
        description: What is left and forces an anti-wraparound vacuum sooner than this duration is a failure; else it is a warning.
        type: str
        required: true
  history:
    description: What M(evenkeel.ops.postgresql_history) returned.
    type: dict
    default: {}
  deadline:
    description: The instant at which the window ends, as V(2026-01-02T06:00:00Z). The run is over by then, whatever O(time_budget) says.
    type: str
  share:
    description: How many databases, this one included, are still to be maintained before O(deadline); this one takes that part of the time.
    type: int
    default: 1
seealso:
  - module: evenkeel.ops.postgresql_history
extends_documentation_fragment:
  - evenkeel.ops.attributes
  - evenkeel.ops.maintenance
  - evenkeel.ops.postgres
"""

EXAMPLES = r"""
- name: What is to be remembered of earlier runs
  evenkeel.ops.postgresql_history:
    over: 90d
    samples: 5
  register: history

- name: Maintain the shop until the window closes
  evenkeel.ops.postgresql_maintenance:
    login_host: /var/run/postgresql
    login_db: shop
    time_budget: 4h
    deadline: "2026-01-04T06:00:00Z"
    history: "{{ history.history }}"
    forecast:
      margin_percent: 25
      first_margin_percent: 100
      samples: 5
      patience: 3
      forced_within: 7d
    vacuum:
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
    reindex:
      bloat_percent: 40
      estimated_percent: 60
      bloat_size: 1MiB
      rate: 20MiB
"""

RETURN = r"""
maintenance:
  description: What the run was about.
  returned: success
  type: dict
  contains:
    server: {description: The server's system identifier., type: str, returned: success}
    database: {description: Its database., type: str, returned: success}
    at: {description: When the run began., type: str, returned: success}
    transactions: {description: The next transaction id at that time., type: int, returned: success}
    multixacts: {description: The next multixact at that time., type: int, returned: success}
    window_seconds: {description: How long the run might take., type: float, returned: success}
    planned: {description: How many steps the plan had room for., type: int, returned: success}
    left: {description: How many were left., type: int, returned: success}
steps:
  description: The plan in its order, and what became of each step.
  returned: success
  type: list
  elements: dict
  contains:
    order: {description: Its place., type: int, returned: success}
    relation: {description: Its name as SQL has it., type: str, returned: success}
    action: {description: What is done., type: str, returned: success}
    reason: {description: Why it is due., type: str, returned: success}
    bytes: {description: What it reads and writes., type: int, returned: success}
    predicted_seconds: {description: What it is expected to take., type: float, returned: success}
    basis: {description: What the prediction rests on., type: str, returned: success}
    lock: {description: The lock that it takes., type: str, returned: success}
    statement: {description: The statement., type: str, returned: success}
    stage: {description: "V(wraparound), V(due), V(foreseen) or V(rewrite).", type: str, returned: success}
    begins_seconds: {description: "When it begins at the latest, in seconds; null where it does not fit.", type: float, returned: success}
    status: {description: "V(planned), V(left), V(done), V(failed), V(skipped), V(gone) or V(spared).", type: str, returned: success}
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
    predicted_seconds: {description: How long it was expected to take., type: float, returned: success}
    bytes: {description: What it was predicted from., type: int, returned: success}
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
debt:
  description: The steps that are left.
  returned: success
  type: list
  elements: dict
  contains:
    relation: {description: Its name as SQL has it., type: str, returned: success}
    action: {description: What is left., type: str, returned: success}
    reason: {description: Why., type: str, returned: success}
    predicted_seconds: {description: What it is expected to take., type: float, returned: success}
    runs: {description: How many runs in a row have left it., type: int, returned: success}
    since: {description: The first of them., type: str, returned: success}
    tried_seconds: {description: After how long it was cancelled at the end of a window., type: float, returned: success}
    forced_seconds: {description: "Until an anti-wraparound vacuum is forced; null where unknown.", type: int, returned: success}
    forced: {description: The same in words., type: str, returned: success}
console:
  description: The plan as a table, lines and their statuses.
  returned: in check mode, where anything is due
  type: list
  elements: list
findings:
  description: C(database.maintenance) for each relation that was worked on, C(database.debt) for each that is left; where nothing was due,
    one for the database.
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
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import parse_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.budget import BUDGET, Budget
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.host import ServerHost
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.maintenance_run import MaintenancePolicy, Means, maintain
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.rewrite import Rewriter

_FORECAST = {
    "margin_percent": {"type": "float", "required": True}, "first_margin_percent": {"type": "float", "required": True},
    "samples": {"type": "int", "required": True}, "patience": {"type": "int", "required": True},
    "forced_within": {"type": "str", "required": True},
}
OPTIONS = postgres.OPTIONS + BUDGET + own(
    vacuum={"type": "dict", "required": True}, reindex={"type": "dict", "required": True},
    forecast={"type": "dict", "required": True, "options": _FORECAST}, history={"type": "dict", "default": {}},
    deadline={"type": "str"}, share={"type": "int", "default": 1})


def run(request: Request) -> Outcome:
    """Do what of the plan fits the window."""
    policy = MaintenancePolicy.from_options(request.options)
    end = parse_instant(request["deadline"]) if request["deadline"] else None
    budget = Budget.from_options(request.options)
    target = postgres.PostgresTarget.from_options(request.options)
    rewriter = Rewriter(PgRepack(Commands(), target), request.clock, lock_timeout=budget.lock_timeout)
    with postgres.connect(target) as session:
        # Not before: what the server took to answer is part of the window.
        budget = budget.until(end, request.clock.now(), share=request["share"])
        done = maintain(session, lambda: postgres.connect(target), policy, budget, request["history"], request.clock,
                        Means(rewriter, ServerHost(ThisHost())), check_mode=request.check_mode)
    return Outcome(changed=done.changed, findings=done.findings(target.database), summary=done.summary(), values=done.values(),
                   diff=done.diff(), warnings=done.warnings)


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
