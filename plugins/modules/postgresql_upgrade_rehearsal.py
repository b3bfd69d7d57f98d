#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_upgrade_rehearsal
short_description: Rehearse the upgrade of a database to the next major version of PostgreSQL
description:
  - Restores the newest backup of a database into a scratch server of a newer major version on this host, looks at what breaks, times each
    phase, and removes everything.
  - It compares table by table with the fingerprint of the backup, runs amcheck and the operator's assertions.
  - It compares extensions, preloaded libraries and settings of the server with what the newer version has, and looks for what
    pg_upgrade refuses and what newer versions do not take.
  - The statements that pg_stat_statements knows are prepared on the copy, without being run; what fails there and not on the server is
    told. Functions in SQL and PL/pgSQL are compiled, and looked through for built-in functions that are gone.
  - On the server it only reads. Some of it wants a superuser; what this account may not see is C(unknown).
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  plan:
    description: Plan whose newest backup is restored. It has to be one of the engine C(pg_dump).
    type: str
  backup:
    description: Id of the backup to restore.
    type: str
  target_major:
    description: Major version to rehearse, as V(18). By default the nearest newer one that is on this host.
    type: int
  statements:
    description: How many statements of pg_stat_statements are tried, the most called first.
    type: int
    default: 500
  pg_upgrade:
    description:
      - Whether the backup is restored under the old version too, and that cluster upgraded by C(pg_upgrade), checks and all.
      - Takes the programs of both versions on this host, the space of three copies, and the time of a second restore.
    type: bool
    default: false
  max_downtime:
    description: How long dump, restore and statistics may take together. None is no objective.
    type: str
  amcheck:
    description: Whether heap and B-tree indexes of the restored database are checked by PostgreSQL's amcheck.
    type: bool
    default: true
  identity_file:
    description: File with the private key of an encrypted backup.
    type: path
  bin_dir:
    description: Folder with programs of the newer version, to be used before those that are found.
    type: path
  source_bin_dir:
    description: With O(pg_upgrade), folder with programs of the old version, to be used before those that are found.
    type: path
  scratch_dir:
    description: Folder to restore below. It needs room for the restored database and the decoded dump.
    type: path
    default: /var/tmp
  jobs:
    description: Parallel jobs of decoding, pg_restore, comparing and amcheck.
    type: int
    default: 2
  timeout:
    description: How long it may take in all.
    type: str
    default: 8h
requirements:
  - psycopg >= 3.2
  - PostgreSQL server, client and contrib modules of the newer version
seealso:
  - module: evenkeel.ops.restore_drill
extends_documentation_fragment:
  - evenkeel.ops.assertions
  - evenkeel.ops.repository
  - evenkeel.ops.postgres
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: See what the upgrade of the shop's database to PostgreSQL 18 would break
  evenkeel.ops.postgresql_upgrade_rehearsal:
    login_host: db.example.com
    login_user: postgres
    login_password: "{{ vault_postgres_password }}"
    login_db: shop
    repository: /srv/backups
    plan: shop
    target_major: 18
    max_downtime: 1h
    assertions:
      - name: there are orders
        sql: SELECT count(*) > 0 FROM orders
"""

RETURN = r"""
upgrade:
  description: The rehearsal.
  returned: success
  type: dict
  contains:
    database: {description: The database and its server., type: str, returned: success}
    backup_id: {description: Id of the backup., type: str, returned: success}
    plan: {description: Its plan., type: str, returned: success}
    from_major: {description: Major version of the server., type: int, returned: success}
    to_major: {description: Major version that was rehearsed., type: int, returned: success}
    status: {description: "V(pass), V(fail), or V(planned) in check mode.", type: str, returned: success}
    phases: {description: Name and seconds of each phase., type: list, elements: dict, returned: success}
    errors: {description: What pg_restore complained of., type: list, elements: str, returned: success}
    steps: {description: "The plan of the upgrade, in order: C(step) and C(why).", type: list, elements: dict, returned: success}
    defaults: {description: 'Settings that nobody set and whose default is another one: name, was, becomes.', type: list, elements: dict,
               returned: success}
    tools: {description: Programs and versions., type: dict, returned: success}
findings:
  description: "C(database.upgrade_…) of extension, content, setting, statement, function, authentication, downtime, pg_upgrade, restore,
    data, amcheck, assertion."
  returned: always
  type: list
  elements: dict
summary:
  description: The counts.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres, storage
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.upgrade import rehearse_upgrade
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.policy import ASSERTIONS

OPTIONS = own(
    plan={"type": "str"},
    backup={"type": "str"},
    target_major={"type": "int"},
    statements={"type": "int", "default": 500},
    pg_upgrade={"type": "bool", "default": False},
    max_downtime={"type": "str"},
    amcheck={"type": "bool", "default": True},
    identity_file={"type": "path"},
    bin_dir={"type": "path"},
    source_bin_dir={"type": "path"},
    scratch_dir={"type": "path", "default": "/var/tmp"},
    jobs={"type": "int", "default": 2},
    timeout={"type": "str", "default": "8h"},
) + ASSERTIONS + storage.OPTIONS + postgres.OPTIONS


def run(request: Request) -> Outcome:
    """Rehearse the upgrade, or say what would be rehearsed."""
    for option, least in (("statements", 0), ("jobs", 1)):
        if request[option] < least:
            raise InvalidOption(f"{option}: {request[option]} is too few", hint=f"Give {least} or more")
    done = rehearse_upgrade(request)
    told = done.upgrade
    summary = f"{told['backup_id']} would be restored under PostgreSQL {told['to_major']}" if request.check_mode else ""
    return Outcome(findings=done.findings, summary=summary, values={"upgrade": told}, warnings=done.notes)


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
