#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_restore
short_description: Restore a backup to a path or into a server
description:
  - Restores one backup, the one that is named, or the newest of a plan that is good enough.
  - Files (engine V(archive)) go to O(path), where F(/srv/app) comes to C(path)F(/srv/app), with owners (as root), modes, links,
    ACLs and extended attributes. A database (engine V(pg_dump)) goes into O(target_database) on a server that is there.
  - A target that is not empty is refused, whatever is confirmed.
  - What is restored becomes visible only when it is whole. Files come first into a private folder F(.evenkeel-restore) of the target,
    a database under a name that begins with C(evenkeel_restoring_); then they are renamed. After a failure the target is as it was.
    After a kill that folder or database is left as a mark, and the next run says what is there; with O(confirm) it clears that
    away and restores anew.
  - Nothing leaves O(path), whatever names and links the archive holds. An archive that tries to is not restored.
  - A dump can hold code that runs while it is restored. Restore your own backups only.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  backup:
    description: Id of the backup to restore.
    type: str
    aliases: [id, backup_id]
  plan:
    description: Plan whose newest backup that is O(at_least) so good is restored, where no O(backup) is named.
    type: str
  at_least:
    description: How good the backup must be that is chosen; V(created) is the newest that did not fail.
    type: str
    choices: [created, verified, proven]
    default: verified
  accept_failed:
    description: Restore the named backup even though its last verification or drill failed. What is damaged is not published all the same.
    type: bool
    default: false
  path:
    description: Absolute path of the folder that files are restored to. It is made, with mode 0700, where it does not exist.
    type: str
  target_database:
    description:
      - Name of the database to restore into, on the server of O(login_host). It must not exist.
      - With O(confirm) it may exist and be empty; it is dropped and made anew with its owner.
    type: str
  owners:
    description:
      - Whether a database's objects get their owners and grants back. Their roles must exist, since no dump has them.
      - Without it, all belongs to O(login_user).
    type: bool
    default: true
  verify:
    description:
      - Verify the backup in full before anything is written, and compare what was restored with it before it becomes visible.
      - The verification is recorded beside the backup.
    type: bool
    default: true
  confirm:
    description: Clear away what an interrupted restore left, or an empty database of that name, as check mode lists it.
    type: bool
    default: false
  identity_file:
    description: File with the private key of an encrypted backup, as age-keygen writes it, or an SSH private key.
    type: path
  bin_dir:
    description: Folder with PostgreSQL's programs to be used before those that are found.
    type: path
  scratch_dir:
    description: Folder for a dump while it is decoded, and for what verification reads.
    type: path
    default: /var/tmp
  jobs:
    description: Parallel jobs of decoding, pg_restore and comparing.
    type: int
    default: 2
  timeout:
    description: How long the restore may take in all.
    type: str
    default: 8h
requirements:
  - zstandard >= 0.22
  - pyrage >= 1.2, with O(identity_file)
  - psycopg >= 3.2 and pg_restore of the server's major version or newer, for databases
  - GNU tar, for files
seealso:
  - module: evenkeel.ops.backup
  - module: evenkeel.ops.restore_drill
extends_documentation_fragment:
  - evenkeel.ops.repository
  - evenkeel.ops.pgbackrest
  - evenkeel.ops.pg_basebackup
  - evenkeel.ops.restic
  - evenkeel.ops.configuration
  - evenkeel.ops.kubernetes
  - evenkeel.ops.postgres
  - evenkeel.ops.vector_store
  - evenkeel.ops.model_registry
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Restore one backup of files
  evenkeel.ops.backup_restore:
    repository: /srv/backups
    backup: 20260115T120000Z-ab12cd
    path: /srv/restored

- name: Restore the newest verified dump of the plan shop beside the live database
  evenkeel.ops.backup_restore:
    repository: /srv/backups
    plan: shop
    login_host: db.example.com
    login_user: restorer
    login_password: "{{ vault_restorer_password }}"
    target_database: shop_of_yesterday
    jobs: 4
"""

RETURN = r"""
restore:
  description: What was restored, or would be.
  returned: success
  type: dict
  contains:
    backup_id: {description: Id of the backup., type: str, returned: success}
    plan: {description: Its plan., type: str, returned: success}
    engine: {description: What made it., type: str, returned: success}
    destination: {description: Path or database., type: str, returned: success}
    status:
      description: V(restored), V(planned) in check mode, V(failed) where it is damaged or differs and the target is as it was.
      type: str
      returned: success
    bytes: {description: Size of what was backed up., type: int, returned: success}
    cleared: {description: 'What was cleared away first, or would be.', type: list, elements: str, returned: success}
    phases: {description: 'Name and seconds of each phase that was completed.', type: list, elements: dict, returned: success}
    compared: {description: 'Tables, or members of the archive, compared.', type: int, returned: success}
    different: {description: Those that were not the same., type: list, elements: str, returned: success}
findings:
  description: C(recovery.restored), C(backup.verified), and those of the comparison as in M(evenkeel.ops.restore_drill).
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres, storage
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly import engines
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import open_repository, reading_codecs
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.verify import verify_backup
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import NotFound
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.restore import (
    RANKS,
    check_space,
    choose_for_restore,
    planned,
    refusal,
    run_restore,
)

OPTIONS = own(
    backup={"type": "str", "aliases": ["id", "backup_id"]},
    plan={"type": "str"},
    at_least={"type": "str", "choices": list(RANKS), "default": "verified"},
    accept_failed={"type": "bool", "default": False},
    path={"type": "str"},
    target_database={"type": "str"},
    owners={"type": "bool", "default": True},
    verify={"type": "bool", "default": True},
    confirm={"type": "bool", "default": False},
    identity_file={"type": "path"},
    bin_dir={"type": "path"},
    scratch_dir={"type": "path", "default": "/var/tmp"},
    jobs={"type": "int", "default": 2},
    timeout={"type": "str", "default": "8h"},
) + storage.OPTIONS + engines.OPTIONS + postgres.OPTIONS


def run(request: Request) -> Outcome:
    """Choose the backup, look at the destination, restore."""
    deadline = Deadline(request.clock, parse_duration(request["timeout"], option="timeout"))
    repository = open_repository(request)
    backup = choose_for_restore(repository, plan=request["plan"], id=request["backup"], at_least=request["at_least"],
                                accept_failed=request["accept_failed"])
    codecs = reading_codecs(request["identity_file"])
    restoration = engines.restoring_kit_for(backup.engine).restore(request, repository, backup, codecs, deadline)
    destination = restoration.destination
    seen = destination.observe()
    refused = refusal(destination, seen, confirmed=request["confirm"])
    if refused and not (request.check_mode and seen.clears):
        raise refused
    check_space(backup, destination)
    if request.check_mode:
        would = f"{backup.plan}/{backup.id} would be restored to {destination.name}"
        return Outcome(changed=True, values={"restore": planned(backup, destination, seen)},
                       summary=f"{would}, after clearing {', '.join(seen.clears)}" if seen.clears else would)

    def check() -> Finding | None:
        if not request["verify"]:
            return None
        verified = verify_backup(backup, engines.readers(request), codecs, request.clock, scratch=Path(request["scratch_dir"]),
                                 jobs=request.count("jobs"))
        if verified is None:
            raise NotFound(f"Backup {backup.id} was deleted meanwhile", hint="List the backups again")
        return verified.finding

    done = run_restore(backup, restoration, request.clock, compare=request["verify"], confirmed=request["confirm"], check=check)
    return Outcome(changed=done.changed, findings=done.findings, values={"restore": done.restore}, warnings=done.notes,
                   summary=done.findings[0].message)


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
