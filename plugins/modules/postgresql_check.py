#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_check
short_description: Check a PostgreSQL database against limits
description:
  - Reads what the server knows of itself (connections and who has them, cache, transactions, locks, queries, freeze age, replication,
    archiver, indexes, settings) and judges it against limits.
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  limits:
    description:
      - For each thing to be judged a dictionary of C(warn) and C(fail); either may be left out. What has no limits is reported
        in RV(database) and not judged.
      - In percent C(connections_percent), C(cache_hit_percent) (at least), and C(user_connections_percent),
        C(application_connections_percent), C(address_connections_percent) (of all places, what one of them has).
      - In numbers C(connections), C(unencrypted_sessions) (over the network without TLS), C(xid_age), C(multixact_age), C(replicas)
        (at least), C(archive_backlog) (WAL files), C(invalid_indexes), C(deadlocks_per_day) and C(checksum_failures).
      - As durations C(transaction_age), C(idle_in_transaction), C(idle_session), C(lock_wait), C(replication_lag), C(archive_age); and of
        pg_stat_statements C(query_mean) (mean of all calls), C(query_p95) (95% of the calls are of statements whose mean is
        lower) and C(statement_mean) (each statement).
      - As sizes C(replication_lag_size), C(slot_retained), C(inactive_slot_retained) and C(database_size).
      - C(cache_hit_sample) is the number of blocks below which the cache is not judged, C(statement_calls) the number of calls
        below which a statement is not.
      - C(without_statements) is the status to give where pg_stat_statements is not installed, V(warn), V(fail), V(unknown) or
        V(ignore).
      - C(settings) has for C(warn) and C(fail) a dictionary of settings and the value, or list of values, that they must have,
        on the server and wherever a role or database overrides them.
      - C(clients) has for C(warn) and C(fail) who is expected to be connected, patterns of C(users), C(applications) and C(databases),
        networks of C(addresses) (V(socket) is the local one); what is left out may be anything, anybody else is a finding.
    type: dict
    required: true
  name:
    description: How the history calls this database; its name on the server where it is left out.
    type: str
  timeout:
    description: How long each query may take, as a duration.
    type: str
    default: 30s
extends_documentation_fragment:
  - evenkeel.ops.attributes
  - evenkeel.ops.postgres
"""

EXAMPLES = r"""
- name: Check the shop's database
  evenkeel.ops.postgresql_check:
    login_host: db.example.com
    login_user: monitor
    login_password: "{{ vault_monitor_password }}"
    login_db: shop
    ssl_mode: verify-full
    limits:
      connections_percent: {warn: 70, fail: 85}
      transaction_age: {warn: 15m, fail: 1h}
      query_mean: {fail: 100ms}
      xid_age: {warn: 500000000, fail: 1000000000}
      settings:
        fail: {fsync: "on", full_page_writes: "on"}
  register: shop
"""

RETURN = r"""
database:
  description: What was read.
  returned: success
  type: dict
  contains:
    target: {description: How the history calls it., type: str, returned: success}
    name: {description: The database., type: str, returned: success}
    version: {description: The server's version., type: str, returned: success}
    metrics:
      description:
        - The figures that findings are made of, by section; a section that could not be read has C(error).
      type: dict
      returned: success
findings:
  description: One or more findings for each thing that has limits.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
  sample: "17 checks: 16 pass, 1 fail"
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.judge import judge_database
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.limits import DatabaseLimits
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.observe import metrics, observe_database

OPTIONS = postgres.OPTIONS + own(
    limits={"type": "dict", "required": True},
    name={"type": "str"},
    timeout={"type": "str", "default": "30s"},
)


def run(request: Request) -> Outcome:
    """Observe the database, judge it."""
    limits = DatabaseLimits.from_options(request["limits"])
    timeout = parse_duration(request["timeout"], option="timeout")
    with postgres.connect(postgres.PostgresTarget.from_options(request.options), statement_timeout=timeout) as session:
        facts = observe_database(session, settings=limits.setting_names())
    return Outcome(findings=judge_database(facts, limits), values={"database": metrics(facts, request["name"] or facts["name"])})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
