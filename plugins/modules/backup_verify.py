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
  - Of copies that were verified, some stored files are read again in each run, those first that were not read for the longest time,
    where O(sample_share) or O(sample_bytes) asks for it. Their hashes are compared with the manifest. What was read is recorded
    beside the backup, so that all of them have their turn.
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
    description:
      - Age of the last reading of any of its files over which a backup is verified in full again, as a duration such as V(30d).
      - Also how far back a reading counts for C(backup.coverage); without it, for ever.
    type: str
  sample_share:
    description: Percentage of the stored bytes of verified copies that is read again in a run; V(0) is none.
    type: float
    default: 0
  sample_bytes:
    description: As O(sample_share), as a size such as V(20GiB); the larger of the two counts. One file is read in any case.
    type: str
    default: "0"
  sample_every:
    description: How long after a sample the next one is taken, as a duration.
    type: str
    default: 20h
  damage_share:
    description: C(backup.coverage) says how surely damage to this percentage of the stored files would have been seen.
    type: float
    default: 0.1
  min_confidence:
    description: Percentage of certainty below which C(backup.coverage) warns.
    type: float
    default: 99
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
    description: Folder for decoded files while they are read; by default a private one in the repository, or below C(/var/tmp).
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
  - evenkeel.ops.kubernetes
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
    depth:
      description:
        - V(full), V(hashes) where the private key was not at hand, V(sample) where some files were read again.
        - Of a restic repository which part of it was read, such as C(part 3 of 10 of the repository, 1200 names).
      type: str
      returned: success
    bytes_read: {description: What was read., type: int, returned: success}
    files_read: {description: How many stored files., type: int, returned: success}
    seconds: {description: How long it took., type: float, returned: success}
    message: {description: 'What was found, with file and reason where it is bad.', type: str, returned: success}
coverage:
  description: For each plan, how much of what is stored was read within O(max_age).
  returned: success
  type: list
  elements: dict
  contains:
    plan: {description: The plan., type: str, returned: success}
    files: {description: Stored files of its copies., type: int, returned: success}
    bytes: {description: Their size., type: int, returned: success}
    files_read: {description: Those that were read., type: int, returned: success}
    bytes_read: {description: Their size., type: int, returned: success}
    damaged_files: {description: How many files O(damage_share) comes to., type: int, returned: success}
    confidence_percent:
      description: The probability that one of so many damaged files would have been read, drawn without replacement.
      type: float
      returned: success
findings:
  description: C(backup.verified) for each backup that was read, and for the newest of each plan otherwise; C(backup.coverage) for each plan
    where samples are read.
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import storage
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly import engines
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import open_repository, reading_codecs
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.coverage import SamplePolicy, judge_coverage, measure, plan_sample
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Backup
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.verify import (
    SAMPLE,
    by_backup,
    damaged_manifests,
    due,
    standing,
    verify_backup,
    verify_sample,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration

OPTIONS = own(
    plans={"type": "list", "elements": "str", "default": []},
    id={"type": "str"},
    max_age={"type": "str"},
    sample_share={"type": "float", "default": 0},
    sample_bytes={"type": "str", "default": "0"},
    sample_every={"type": "str", "default": "20h"},
    damage_share={"type": "float", "default": 0.1},
    min_confidence={"type": "float", "default": 99},
    identity_file={"type": "path"},
    jobs={"type": "int", "default": 2},
    timeout={"type": "str", "default": "4h"},
    scratch={"type": "path"},
    bin_dir={"type": "path"},
) + storage.OPTIONS + engines.OPTIONS


def run(request: Request) -> Outcome:
    """Find what is due, verify it, read samples of the rest, and say what is known of all."""
    repository = open_repository(request)
    max_age = None if request["max_age"] is None else parse_duration(request["max_age"], option="max_age")
    parse_duration(request["timeout"], option="timeout")  # what makes no sense is told before anything is read
    policy = SamplePolicy.from_options(request.options)
    codecs = reading_codecs(request["identity_file"])
    surveys = [repository.survey(plan) for plan in request["plans"] or [None]]
    backups = [backup for survey in surveys for backup in survey.backups]
    chosen = [repository.open(request["id"])] if request["id"] else due(
        backups, request.clock, max_age=max_age, can_decrypt=codecs.cipher.can_decrypt)
    taken = {backup.id for backup in chosen}
    samples, whole = by_backup(plan_sample([backup for backup in backups if backup.id not in taken], policy, request.clock.now())
                               if not request["id"] else ())
    if request.check_mode:
        planned = [_planned(backup, "", "would be verified") for backup in [*chosen, *whole]]
        planned += [_planned(group[0].backup, SAMPLE, f"{len(group)} of its files would be read again") for group in samples]
        return Outcome(changed=bool(planned), summary=f"{len(planned)} backups would be verified", values={"verifications": planned})
    reader_for = engines.readers(request)
    scratch = Path(request["scratch"] or repository.place.local or "/var/tmp")
    done = [one for backup in [*chosen, *whole]
            if (one := verify_backup(backup, reader_for, codecs, request.clock, scratch=scratch, jobs=request.count("jobs")))]
    done += [one for group in samples if (one := verify_sample(group, request.clock, jobs=request.count("jobs")))]
    findings = [one.finding for one in done]
    values = {"verifications": [one.as_dict() for one in done], "coverage": []}
    if not request["id"]:
        findings += standing(backups, [one.backup.id for one in done], request.clock)
        findings += [finding for survey in surveys for finding in damaged_manifests(survey.unreadable)]
        covered = [measure(plan, repository.list(plan), policy, request.clock.now()) for plan in sorted({one.plan for one in backups})]
        if policy.share or policy.bytes:
            findings += [judge_coverage(one, policy) for one in covered if one.files]
        values["coverage"] = [one.as_dict() for one in covered]
    return Outcome(changed=bool(done), findings=findings, values=values)


def _planned(backup: Backup, depth: str, message: str) -> dict[str, Any]:
    return {"id": backup.id, "plan": backup.plan, "status": "due", "depth": depth, "bytes_read": 0, "files_read": 0, "seconds": 0.0,
            "message": message}


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
