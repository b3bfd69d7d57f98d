#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbouncer_check
short_description: Check the pools of a PgBouncer against limits
description:
  - Asks PgBouncer's admin console (SHOW POOLS, DATABASES, STATS, LISTS, CONFIG) who waits, for how long, and how full its pools are,
    and judges it against limits.
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  limits:
    description:
      - For each thing to be judged a dictionary of C(warn) and C(fail); either may be left out. What has no limits is not judged.
      - "For each pool: C(waiting_clients) (number), C(max_wait) (duration), C(pool_percent) (servers in use of C(pool_size))."
      - "For each database: C(connections_percent) (of C(max_connections), where there is such a limit), C(average_wait) and
        C(average_query) (durations, of the last C(stats_period))."
      - "C(clients_percent): clients of C(max_client_conn). C(stopped): the status of databases that are paused or disabled, V(warn),
        V(fail), V(unknown) or V(ignore)."
      - C(settings) has for C(warn) and C(fail) a dictionary of settings and the value, or list of values, that they must have.
    type: dict
    required: true
  name:
    description: How the findings call this pooler.
    type: str
    default: pgbouncer
  timeout:
    description: How long each answer is waited for, as a duration.
    type: str
    default: 10s
extends_documentation_fragment:
  - evenkeel.ops.attributes
  - evenkeel.ops.pgbouncer
"""

EXAMPLES = r"""
- name: Does anybody wait for a connection?
  evenkeel.ops.pgbouncer_check:
    login_host: pool.example.com
    login_user: stats
    login_password: "{{ vault_stats_password }}"
    limits:
      waiting_clients: {warn: 0, fail: 20}
      max_wait: {warn: 1s, fail: 5s}
      pool_percent: {warn: 80, fail: 95}
      stopped: fail
"""

RETURN = r"""
pooler:
  description: What was read. Of the settings only those that are judged.
  returned: success
  type: dict
  contains:
    name: {description: How it is called., type: str, returned: success}
    version: {description: Its version., type: str, returned: success}
    pools: {description: "List of {database, user, mode, active, waiting, waited, servers}.", type: list, elements: dict, returned: success}
    databases:
      description: "List of {name, pool_size, mode, connections, maximum, stopped, average_wait, average_query}."
      type: list
      elements: dict
      returned: success
    clients: {description: "{used, maximum}.", type: dict, returned: success}
findings:
  description: One or more findings for each thing that has limits.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import pgbouncer
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.pooler import PoolerLimits, judge_pooler, observe_pooler

OPTIONS = pgbouncer.OPTIONS + own(
    limits={"type": "dict", "required": True},
    name={"type": "str", "default": "pgbouncer"},
    timeout={"type": "str", "default": "10s"},
)


def run(request: Request) -> Outcome:
    """Ask the console, judge."""
    limits = PoolerLimits.from_options(request["limits"])
    timeout = parse_duration(request["timeout"], option="timeout")
    with pgbouncer.console(pgbouncer.target_of(request.options), timeout=timeout) as console:
        facts = observe_pooler(console)
    kept = {key: value for key, value in facts.items() if key != "settings"}
    return Outcome(findings=judge_pooler(facts, limits, request["name"]), values={"pooler": {"name": request["name"], **kept}})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
