#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_reindex
short_description: Rebuild the indexes that are bloated or invalid, beside running writers
description:
  - Drops what a broken-off C(REINDEX CONCURRENTLY) left behind, rebuilds invalid indexes and B-trees that are bloated, with
    C(REINDEX INDEX CONCURRENTLY); indexes of one table one after another, since two at once would deadlock.
  - Bloat is estimated from the catalog in one query, and confirmed by pgstatindex where the extension pgstattuple is installed.
  - Run M(evenkeel.ops.postgresql_vacuum) before it. As long as dead rows have their entries, an index does not look bloated.
  - Indexes of the system catalogs cannot be rebuilt concurrently and are left alone. Those of partitioned tables are rebuilt partition
    by partition.
  - Servers of the versions 14.0 to 14.3 can leave rows out of an index that is built concurrently; there nothing is rebuilt.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  policy:
    description:
      - When an index is due; every key down to C(rate) has to be given.
      - "C(bloat_percent): the share of it that a rebuild would give back, as measured by pgstatindex; C(estimated_percent): the
        same where there is only the estimate. C(bloat_size): what it has to be at least, as a size."
      - "C(rate): the size of index that a rebuild is expected to get through in a second, until the run has shown its own pace."
      - "C(exclude): patterns such as V(audit.*) of schema and index that are left alone."
      - "C(methods): for the access methods V(gist) and V(hash), the percentage of free space, as measured by pgstattuple, beyond which an
        index is rebuilt. By default they are rebuilt only when invalid, as are all others but B-trees."
      - "C(free_space): what has to stay free on a tablespace's disk, as a size, while new indexes lie beside the old. It is looked at for
        the plan, again before each rebuild (which may need as much as the index has), and while one runs: that is cancelled where less is
        free. It can be told where the module runs on the server's own host and may read its data directory. By default it is not looked
        at."
      - "C(unknown_room): what is done where the room cannot be told: V(warn) (the default) and go on, V(refuse) or V(ignore)."
    type: dict
    required: true
extends_documentation_fragment:
  - evenkeel.ops.attributes
  - evenkeel.ops.maintenance
  - evenkeel.ops.postgres
"""

EXAMPLES = r"""
- name: Rebuild what is bloated, for an hour at the most
  evenkeel.ops.postgresql_reindex:
    login_host: /var/run/postgresql
    login_db: shop
    time_budget: 1h
    connection_budget: 2
    policy:
      bloat_percent: 40
      estimated_percent: 60
      bloat_size: 1MiB
      rate: 20MiB
      methods: {gist: 60}
      free_space: 10GiB
    gentle:
      replication_lag: 30s
      give_way: 5s
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
  description: One per relation; where nothing was due, one for the database.
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
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.server_host import ThisHost
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.budget import BUDGET, Budget
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.host import ServerHost
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.reindex_plan import ReindexPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.reindex_run import maintain_indexes

OPTIONS = postgres.OPTIONS + BUDGET + own(policy={"type": "dict", "required": True})


def run(request: Request) -> Outcome:
    """Bring the indexes that are due in order."""
    policy = ReindexPolicy.from_options(request["policy"])
    budget = Budget.from_options(request.options)
    target = postgres.PostgresTarget.from_options(request.options)
    with postgres.connect(target) as session:
        done = maintain_indexes(session, lambda: postgres.connect(target), policy, budget, request.clock,
                                check_mode=request.check_mode, host=ServerHost(ThisHost()))
    return Outcome(changed=done.changed, findings=done.findings(target.database), summary=done.summary(),
                   values=done.values(), diff=done.diff(), warnings=done.warnings)


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
