#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_settings
short_description: Compare a PostgreSQL server's settings with those that are recommended, and apply these
description:
  - Reads the settings of the whole server and judges them; each finding has the C(ALTER SYSTEM) statement that would mend it.
  - Changes them, where it is told to, by C(ALTER SYSTEM) and a reload. What needs a restart is written and named; nothing is restarted.
  - Changing needs a superuser, or from PostgreSQL 15 on the privilege C(ALTER SYSTEM) on each setting.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  recommended:
    description:
      - For each setting its C(name) and one of C(value), C(at_least), C(at_most), C(one_of) (the first that the server was built with is
        set) and C(includes) (an entry of a list, such as a library, which must be installed).
      - Values are as PostgreSQL writes them, V(64MB), V(10min), V(on). C(unlimited) is the value that means that there is no bound, such
        as V(0) for a timeout.
      - C(since) and C(until) are the first and last major that has the setting; for others it is passed over.
      - C(severity) is V(warn) or V(fail), C(why) a reason for people.
    type: list
    elements: dict
    required: true
  apply:
    description: Whether to change what is not as recommended.
    type: bool
    default: false
  confirm:
    description: Without it, O(apply) refuses where something would be changed, and names the statements. Check mode needs none.
    type: bool
    default: false
  timeout:
    description: How long each statement may take, as a duration.
    type: str
    default: 30s
extends_documentation_fragment:
  - evenkeel.ops.attributes
  - evenkeel.ops.postgres
"""

EXAMPLES = r"""
- name: What would be changed?
  evenkeel.ops.postgresql_settings:
    login_host: /var/run/postgresql
    recommended:
      - {name: log_lock_waits, value: "on", why: waits for locks are in the log}
      - {name: idle_in_transaction_session_timeout, at_most: 10min, unlimited: 0}
      - {name: track_wal_io_timing, value: "on", since: 14}
      - {name: wal_compression, one_of: [zstd, lz4, "on"], since: 15}
      - {name: shared_preload_libraries, includes: pg_stat_statements}
  register: settings
"""

RETURN = r"""
settings:
  description: Each setting that is not, or was not, as recommended.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Its name., type: str, returned: success}
    value: {description: "Its value, in its own unit.", type: str, returned: success}
    wanted: {description: What it would be set to., type: str, returned: success}
    statement: {description: The statement that sets it., type: str, returned: success}
    needs_restart: {description: Whether a reload does not do., type: bool, returned: success}
    status:
      description:
        - V(due), V(planned) (in check mode), V(done), V(failed), V(waiting) (written, for a restart) or V(blocked) (see its finding).
      type: str
      returned: success
restart:
  description: Settings that are written and wait for a restart.
  returned: success
  type: list
  elements: str
findings:
  description: C(database.setting) for each setting that the server's major has.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
  sample: "15 checks: 12 pass, 3 warn"
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.archiving_settings import SettingsSession
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.settings import read_recommended
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.settings_run import configure

OPTIONS = postgres.OPTIONS + own(
    recommended={"type": "list", "elements": "dict", "required": True},
    apply={"type": "bool", "default": False},
    confirm={"type": "bool", "default": False},
    timeout={"type": "str", "default": "30s"},
)


def run(request: Request) -> Outcome:
    """Review, and change what is told to be changed."""
    recommended, timeout = read_recommended(request["recommended"]), parse_duration(request["timeout"], option="timeout")
    with postgres.connect(postgres.PostgresTarget.from_options(request.options), statement_timeout=timeout) as session:
        done = configure(SettingsSession(session), recommended, request.clock, apply=request["apply"], confirm=request["confirm"],
                         check_mode=request.check_mode)
    statements = [one for one in done.settings if one["status"] in ("planned", "done")]
    diff = {"before": "".join(f"{one['name']} = {one['value']}\n" for one in statements),
            "after": "".join(f"{one['name']} = {one['wanted']}\n" for one in statements)}
    return Outcome(changed=done.changed, findings=done.findings, values={"settings": done.settings, "restart": done.restart},
                   diff=diff if done.changed else None)


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
