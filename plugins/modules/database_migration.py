#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_migration
short_description: Migrate the schema of a PostgreSQL database, rehearsed, backed up, with a way back
description:
  - Runs Alembic, or a list of commands, against a database, where something is pending. Nothing pending is no change.
  - Wants a verified backup of the database. Where O(rehearse) is set, the backup is restored into a scratch server of the same major
    version, and the very commands are run on it first, timed, with the way back. Where that fails, takes longer than O(rehearsal_limit)
    or takes data away without O(confirm), the database is not touched.
  - The commands find the address of the database in the variable O(url_variable), and in libpq's C(PGHOST), C(PGPORT), C(PGUSER),
    C(PGDATABASE) and C(PGPASSFILE). Before a rehearsal it is proven that they go where that leads.
  - C(lock_timeout) and C(statement_timeout) reach their sessions through C(PGOPTIONS). A session beside them cancels what exceeds them
    all the same, as where a migration sets others.
  - Where the migration fails and the database is not as it was, it is led back (C(alembic downgrade) to the revision that it had, or
    O(rollback_commands)). Where that fails too, the result says which backup to restore, and how.
  - Before the first change it is written down where the database stood. A run after one that was killed says what it finds, and goes on
    or leads back, by O(interrupted).
  - In check mode the steps that are pending are listed, with their SQL where C(alembic upgrade --sql) can say it.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  tool:
    description: What migrates.
    type: str
    choices: [alembic, commands]
    default: alembic
  alembic:
    description: With the tool V(alembic), which scripts, and how far.
    type: dict
    suboptions:
      program:
        description: The program C(alembic) of the application's own environment.
        type: str
        default: alembic
      config:
        description: Its configuration file, as C(alembic.ini).
        type: str
        required: true
      arguments:
        description: Further arguments before the command, as C([-n, shop]).
        type: list
        elements: str
        default: []
      revision:
        description: V(head), V(heads) where there are several branches, or the id of a script.
        type: str
        default: head
      version_table:
        description: The table that it keeps its revisions in, with its schema where that is not unique.
        type: str
        default: alembic_version
  commands:
    description: With the tool V(commands), the commands that migrate, each a list of program and arguments. There is no shell.
    type: list
    elements: list
  pending:
    description:
      - With the tool V(commands), a command that changes nothing, prints one line for each step that is pending, and ends with status 0.
    type: list
    elements: str
  rollback_commands:
    description: With the tool V(commands), the commands that lead back to where the database was. Without them only the backup leads back.
    type: list
    elements: list
  chdir:
    description: Folder that the commands run in.
    type: path
  url_variable:
    description: Name of the environment variable that the address is given in.
    type: str
    default: DATABASE_URL
  url_scheme:
    description: Scheme of that address, as V(postgresql+psycopg) for SQLAlchemy.
    type: str
    default: postgresql
  url_password:
    description: Whether the password is part of that address, for drivers that know no C(PGPASSFILE). It is in no argument either way.
    type: bool
    default: false
  variables:
    description: Further variables of the commands' environment. They inherit C(PATH), C(HOME), C(TMPDIR), C(TZ) and nothing else.
    type: dict
    default: {}
  secrets:
    description: The same for what is secret. The values are blotted out of what the module returns.
    type: dict
  lock_timeout:
    description: How long a statement of the migration waits for a lock.
    type: str
    default: 5s
  statement_timeout:
    description: How long one statement of it may take, and how long a transaction of it may do nothing.
    type: str
    default: 15m
  timeout:
    description: How long the commands may take in all; the way back has the same time anew.
    type: str
    default: 1h
  backup:
    description: Id of the verified backup of the moment before. In place of O(plan).
    type: str
  plan:
    description: Plan whose newest verified backup will do where it is younger than O(backup_max_age).
    type: str
  backup_max_age:
    description: Age up to which it will do.
    type: str
    default: 0s
  rehearse:
    description: Whether the migration is carried out on a copy first.
    type: bool
    default: true
  rehearsal_limit:
    description: Longest time that the commands may take on the copy; V(0s) is no limit.
    type: str
    default: 10m
  only_rehearse:
    description: Whether the run ends with the rehearsal, as for a regular test of what is pending. The database is not touched.
    type: bool
    default: false
  restore_timeout:
    description: How long the copy may take to be made.
    type: str
    default: 4h
  rollback:
    description: Whether the database is led back where the migration failed half way.
    type: bool
    default: true
  interrupted:
    description: What is done where an earlier run was broken off half way. V(rollback) wants O(confirm).
    type: str
    choices: [continue, rollback]
    default: continue
  confirm:
    description: That data which the migration takes away (tables, columns, rows) may go.
    type: bool
    default: false
  state_dir:
    description: Folder in which it is written down where a database stood before its migration.
    type: path
    default: /var/lib/evenkeel
  identity_file:
    description: File with the private key of an encrypted backup.
    type: path
  bin_dir:
    description: Folder with PostgreSQL's programs to be used before those that are found.
    type: path
  scratch_dir:
    description: Folder to make the copy in. It needs room for the restored database and the decoded dump.
    type: path
    default: /var/tmp
  jobs:
    description: Parallel jobs of decoding and pg_restore.
    type: int
    default: 2
requirements:
  - psycopg >= 3.2
  - pg_dump of the server's major version or a newer one
  - PostgreSQL server of the same major version, for rehearsals
seealso:
  - module: evenkeel.ops.backup
  - module: evenkeel.ops.backup_verify
  - module: evenkeel.ops.backup_restore
extends_documentation_fragment:
  - evenkeel.ops.repository
  - evenkeel.ops.postgres
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Bring the shop's database to the newest revision
  evenkeel.ops.database_migration:
    login_host: db.example.com
    login_user: shop
    login_password: "{{ vault_shop_password }}"
    login_db: shop
    alembic:
      program: /srv/shop/venv/bin/alembic
      config: /srv/shop/alembic.ini
    chdir: /srv/shop
    url_scheme: postgresql+psycopg
    repository: /srv/backups
    plan: shop
    backup_max_age: 1h

- name: Run an application's own migrations, with its way back
  evenkeel.ops.database_migration:
    login_host: /var/run/postgresql
    login_db: ledger
    tool: commands
    pending: [/srv/ledger/bin/migrate, --list]
    commands:
      - [/srv/ledger/bin/migrate, --apply]
    rollback_commands:
      - [/srv/ledger/bin/migrate, --undo]
    repository: /srv/backups
    backup: 20260115T120000Z-ab12cd
"""

RETURN = r"""
migration:
  description: What was done or, in check mode, would be.
  returned: success
  type: dict
  contains:
    database: {description: The database and its server., type: str, returned: success}
    tool: {description: What migrates., type: str, returned: success}
    status:
      description: V(nothing) was pending, V(planned), V(rehearsed), V(migrated), V(unchanged) after a failure, V(rolled_back), or V(half).
      type: str
      returned: success
    from: {description: Revisions before., type: list, elements: str, returned: success}
    at: {description: Revisions now., type: list, elements: str, returned: success}
    to: {description: Revisions that were asked for., type: list, elements: str, returned: success}
    pending: {description: 'Name and message of each step that was pending.', type: list, elements: dict, returned: success}
    sql: {description: 'SQL of the steps, null where the tool cannot say it.', type: str, returned: when something is pending}
    sql_unavailable: {description: Why there is none., type: str, returned: when something is pending}
    takes: {description: What is taken away., type: list, elements: str, returned: when something is pending}
    backup: {description: 'Id, plan, status and age_seconds of the backup of before, null where there is none.', type: dict,
             returned: when something is pending}
    interrupted: {description: What an earlier run that was broken off had set out to do., type: dict, returned: after such a run}
    rehearsal: {description: 'Status, seconds, phases, schema, takes, way_back and what was printed on the copy.', type: dict,
                returned: success}
    schema: {description: 'Names of objects added, changed and removed.', type: dict, returned: success}
    phases: {description: Name and seconds of what was done to the database., type: list, elements: dict, returned: success}
    printed: {description: The end of what a failed command printed., type: str, returned: after a failure}
    restore: {description: 'backup_id, plan and command, where only a backup leads back.', type: dict, returned: success}
findings:
  description: C(database.migration), and C(database.migration_…) for backup, rehearsal, way_back, takes, interrupted, timeouts.
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres, storage
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.migration import migration, one_at_a_time
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome

OPTIONS = own(
    tool={"type": "str", "choices": ["alembic", "commands"], "default": "alembic"},
    alembic={"type": "dict", "options": {
        "program": {"type": "str", "default": "alembic"},
        "config": {"type": "str", "required": True},
        "arguments": {"type": "list", "elements": "str", "default": []},
        "revision": {"type": "str", "default": "head"},
        "version_table": {"type": "str", "default": "alembic_version"},
    }},
    commands={"type": "list", "elements": "list"},
    pending={"type": "list", "elements": "str"},
    rollback_commands={"type": "list", "elements": "list"},
    chdir={"type": "path"},
    url_variable={"type": "str", "default": "DATABASE_URL"},
    url_scheme={"type": "str", "default": "postgresql"},
    url_password={"type": "bool", "default": False, "no_log": False},
    variables={"type": "dict", "default": {}},
    secrets={"type": "dict", "no_log": True},
    lock_timeout={"type": "str", "default": "5s"},
    statement_timeout={"type": "str", "default": "15m"},
    timeout={"type": "str", "default": "1h"},
    backup={"type": "str"},
    plan={"type": "str"},
    backup_max_age={"type": "str", "default": "0s"},
    rehearse={"type": "bool", "default": True},
    rehearsal_limit={"type": "str", "default": "10m"},
    only_rehearse={"type": "bool", "default": False},
    restore_timeout={"type": "str", "default": "4h"},
    rollback={"type": "bool", "default": True},
    interrupted={"type": "str", "choices": ["continue", "rollback"], "default": "continue"},
    confirm={"type": "bool", "default": False},
    state_dir={"type": "path", "default": "/var/lib/evenkeel"},
    identity_file={"type": "path"},
    bin_dir={"type": "path"},
    scratch_dir={"type": "path", "default": "/var/tmp"},
    jobs={"type": "int", "default": 2},
) + storage.OPTIONS + postgres.OPTIONS


def run(request: Request) -> Outcome:
    """Migrate the database, or say what would be done."""
    work, place = migration(request)
    with one_at_a_time(place):
        done = work.run(check_mode=request.check_mode)
    return Outcome(changed=done.changed, findings=done.findings, summary=done.findings[0].message, values={"migration": done.migration},
                   diff=done.diff, warnings=done.notes)


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
