#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_verify
short_description: Verify backups by reading every byte of them again
description:
  - Reads every stored byte and compares it with what was written, and makes the engine's own program (pg_restore, tar) read
    the backup in full.
  - Verifies what was never verified; others are left alone, unless O(max_age) or O(id) asks for them.
  - The outcome is written beside the backup as one new file; nothing is rewritten.
  - An encrypted backup is read in full only with O(identity_file). Without it the hashes of what is stored are checked, and
    the finding says so.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  plans:
    description: Plans whose backups are verified; all by default.
    type: list
    elements: str
    default: []
  id:
    description: Verify just this backup, whatever is known of it.
    type: str
  max_age:
    description: Age over which a verification is repeated, as a duration such as V(30d).
    type: str
  identity_file:
    description: File with the private key, as age-keygen writes it, or an SSH private key without a passphrase.
    type: path
  jobs:
    description: Files read in parallel.
    type: int
    default: 2
  timeout:
    description: How long the engine may read one backup.
    type: str
    default: 4h
  scratch:
    description: Folder for decoded files while they are read; by default a private one in the repository.
    type: path
  bin_dir:
    description: Folder with pg_restore to be used before those that are found.
    type: path
requirements:
  - zstandard >= 0.22
  - pyrage >= 1.2, with O(identity_file)
  - pg_restore of the major version that made the dump, or newer
extends_documentation_fragment:
  - evenkeel.ops.repository
  - evenkeel.ops.pgbackrest
  - evenkeel.ops.pg_basebackup
  - evenkeel.ops.restic
  - evenkeel.ops.configuration
  - evenkeel.ops.vector_store
  - evenkeel.ops.model_registry
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Verify every backup that was not verified yet
  evenkeel.ops.backup_verify:
    repository: /srv/backups

- name: Verify one backup again
  evenkeel.ops.backup_verify:
    repository: /srv/backups
    id: 20260115T120000Z-ab12cd
    identity_file: /root/backup.key
"""

RETURN = r"""
verifications:
  description: What was verified; in check mode what would be.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Id of the backup., type: str, returned: success}
    plan: {description: Its plan., type: str, returned: success}
    status: {description: 'V(pass), V(fail), V(unknown) where one could not look, V(due) in check mode.', type: str, returned: success}
    depth: {description: 'V(full), or V(hashes) where the private key was not at hand.', type: str, returned: success}
    bytes_read: {description: What was read., type: int, returned: success}
    seconds: {description: How long it took., type: float, returned: success}
    message: {description: 'What was found, with file and reason where it is bad.', type: str, returned: success}
findings:
  description: One for each backup that was verified, and one for the newest of each plan otherwise.
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from functools import cache
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import storage
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly import engines
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import open_repository, reading_codecs
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.verify import damaged_manifests, due, standing, verify_backup
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration

OPTIONS = own(
    plans={"type": "list", "elements": "str", "default": []},
    id={"type": "str"},
    max_age={"type": "str"},
    identity_file={"type": "path"},
    jobs={"type": "int", "default": 2},
    timeout={"type": "str", "default": "4h"},
    scratch={"type": "path"},
    bin_dir={"type": "path"},
) + storage.OPTIONS + engines.OPTIONS


def run(request: Request) -> Outcome:
    """Find what is due, verify it, and say what is known of the rest."""
    repository = open_repository(request)
    max_age = None if request["max_age"] is None else parse_duration(request["max_age"], option="max_age")
    parse_duration(request["timeout"], option="timeout")  # what makes no sense is told before anything is read
    codecs = reading_codecs(request["identity_file"])
    surveys = [repository.survey(plan) for plan in request["plans"] or [None]]
    backups = [backup for survey in surveys for backup in survey.backups]
    chosen = [repository.open(request["id"])] if request["id"] else due(
        backups, request.clock, max_age=max_age, can_decrypt=codecs.cipher.can_decrypt)
    if request.check_mode:
        planned = [{"id": backup.id, "plan": backup.plan, "status": "due", "depth": "", "bytes_read": 0, "seconds": 0.0,
                    "message": "would be verified"} for backup in chosen]
        return Outcome(changed=bool(chosen), summary=f"{len(chosen)} backups would be verified", values={"verifications": planned})
    reader_for = cache(lambda engine: engines.kit_for(engine).reader(request))
    scratch = Path(request["scratch"]) if request["scratch"] else repository.folder
    done = [one for backup in chosen
            if (one := verify_backup(backup, reader_for, codecs, request.clock, scratch=scratch, jobs=request["jobs"]))]
    findings = [one.finding for one in done]
    if not request["id"]:
        findings += standing(backups, [one.backup.id for one in done], request.clock)
        findings += [finding for survey in surveys for finding in damaged_manifests(survey.unreadable)]
    return Outcome(changed=bool(done), findings=findings, values={"verifications": [one.as_dict() for one in done]})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
