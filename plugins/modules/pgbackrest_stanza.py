#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_stanza
short_description: Prepare a PostgreSQL server for backups by pgBackRest
description:
  - Writes pgBackRest's configuration file (mode 0640, owned by the server's account), makes the stanza, and has the server archive
    its log into it, in that order. What is as it must be is left alone.
  - Runs on the host of the server, as root or as the server's account, and logs in as a superuser.
  - Settings that take a restart of the server (C(archive_mode), C(wal_level)) are written and told in RV(restart_required). The
    server is never restarted by this module.
  - Once archiving works, a segment of the log is archived and seen to arrive, and the archive is judged against O(archive_age).
  - One file serves one stanza. Copies are not deleted by pgBackRest itself, but by the retention of M(evenkeel.ops.backup_prune).
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  stanza:
    description: Name of the stanza.
    type: str
    required: true
  config:
    description: Configuration file to write.
    type: path
    default: /etc/pgbackrest/pgbackrest.conf
  account:
    description: Account of the server; by default the owner of its data directory.
    type: str
  repo_path:
    description: Folder of pgBackRest's repository, or the path in a bucket where O(settings) name one.
    type: str
    default: /var/lib/pgbackrest
  cipher_pass:
    description: Passphrase that the repository is encrypted with (AES-256-CBC). It cannot be changed once the stanza is made.
    type: str
  compress_type:
    description: How files are compressed.
    type: str
    choices: [none, gz, lz4, zst, bz2]
    default: zst
  jobs:
    description: Processes that copy and compress.
    type: int
    default: 2
  log_path:
    description: Folder of pgBackRest's logs.
    type: path
    default: /var/log/pgbackrest
  lock_path:
    description: Folder of pgBackRest's locks.
    type: path
    default: /tmp/pgbackrest
  settings:
    description: Further settings of the section C([global]), such as C(repo1-type) or C(repo1-s3-bucket).
    type: dict
    default: {}
  secrets:
    description: Settings that are not to be shown, such as C(repo1-s3-key-secret).
    type: dict
  archive_timeout:
    description: How often a segment of the log is closed and archived though it is not full, as a duration.
    type: str
    default: 10m
  archive_age:
    description: How much of the log may be unarchived, as a duration; O(archive_timeout) must be shorter.
    type: str
    default: 15m
  timeout:
    description: How long each command of pgBackRest may take.
    type: str
    default: 5m
requirements:
  - pgBackRest >= 2.45
  - psycopg >= 3.2
seealso:
  - module: evenkeel.ops.backup
extends_documentation_fragment:
  - evenkeel.ops.postgres
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Archive the log of the shop's server, and make its stanza
  evenkeel.ops.pgbackrest_stanza:
    stanza: shop
    repo_path: /srv/pgbackrest
    cipher_pass: "{{ vault_pgbackrest_passphrase }}"
    login_host: /var/run/postgresql

- name: The same with its repository in a bucket
  evenkeel.ops.pgbackrest_stanza:
    stanza: shop
    repo_path: /shop
    settings:
      repo1-type: s3
      repo1-s3-bucket: backups
      repo1-s3-endpoint: s3.eu-central-1.amazonaws.com
      repo1-s3-region: eu-central-1
    secrets:
      repo1-s3-key: "{{ vault_s3_key }}"
      repo1-s3-key-secret: "{{ vault_s3_secret }}"
"""

RETURN = r"""
actions:
  description: What was done, or would be.
  returned: success
  type: list
  elements: str
  sample: [write the configuration, create the stanza, set archive_mode]
restart_required:
  description: Settings that were changed and wait for a restart of the server.
  returned: success
  type: list
  elements: str
ready:
  description: Whether the server archives into the stanza now.
  returned: success
  type: bool
findings:
  description: C(backup.stanza) and, once archiving is on, C(backup.wal_archive).
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

import os
import pwd

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.archiving_settings import (
    SettingsSession,
    archive_command,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.pgbackrest import PgBackRest, checked_stanza
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.stanza import StanzaFile, settings_for
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.stanza import ArchivingPolicy, prepare
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.files import storage_errors
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

OPTIONS = own(
    stanza={"type": "str", "required": True},
    config={"type": "path", "default": "/etc/pgbackrest/pgbackrest.conf"},
    account={"type": "str"},
    repo_path={"type": "str", "default": "/var/lib/pgbackrest"},
    cipher_pass={"type": "str", "no_log": True},
    compress_type={"type": "str", "choices": ["none", "gz", "lz4", "zst", "bz2"], "default": "zst"},
    jobs={"type": "int", "default": 2},
    log_path={"type": "path", "default": "/var/log/pgbackrest"},
    lock_path={"type": "path", "default": "/tmp/pgbackrest"},
    settings={"type": "dict", "default": {}},
    secrets={"type": "dict", "no_log": True},
    archive_timeout={"type": "str", "default": "10m"},
    archive_age={"type": "str", "default": "15m"},
    timeout={"type": "str", "default": "5m"},
) + postgres.OPTIONS


def run(request: Request) -> Outcome:
    """Look at the server, and bring file, stanza and settings to what they must be."""
    stanza, timeout = checked_stanza(request["stanza"]), parse_duration(request["timeout"], option="timeout")
    target = postgres.PostgresTarget.from_options(request.options)
    with postgres.connect(target, statement_timeout=60) as session:
        [facts] = session.fetch("""
            SELECT current_setting('data_directory') AS data_directory, current_setting('port') AS port,
                   trim(split_part(current_setting('unix_socket_directories'), ',', 1)) AS socket,
                   (SELECT rolname::text FROM pg_roles WHERE oid = 10) AS superuser""")
        with storage_errors(facts["data_directory"]):
            account = request["account"] or pwd.getpwuid(os.stat(facts["data_directory"]).st_uid).pw_name
        programs = PgBackRest(Commands(), config=request["config"], stanza=stanza, account=account if os.geteuid() == 0 else None)
        policy = ArchivingPolicy.checked(
            archive_command(programs.program, request["config"], stanza),
            parse_duration(request["archive_timeout"], option="archive_timeout"),
            parse_duration(request["archive_age"], option="archive_age"))
        file = StanzaFile(request["config"], settings_for(request, facts), account)
        difference = file.diff
        done = prepare(stanza, file, programs, SettingsSession(session), policy, timeout=timeout, check_mode=request.check_mode,
                       wait_for=lambda predicate: wait_until(predicate, deadline=Deadline(request.clock, 30), what="the new settings"))
    word = "would be done" if request.check_mode else "done"
    changes = "".join(f"# to postgresql.auto.conf: {name} = {value}\n" for name, value in sorted(done.settings.items()))
    return Outcome(
        changed=bool(done.actions), findings=done.findings,
        summary=f"{stanza}: {', '.join(done.actions) or 'nothing'} {word}{'; restart the server' if done.restart else ''}",
        values={"actions": list(done.actions), "restart_required": list(done.restart), "ready": done.ready},
        diff={**difference, "after": difference["after"] + changes})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
