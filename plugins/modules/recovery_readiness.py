#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_readiness
short_description: Say how ready each plan is to be recovered, as a score that falls while evidence ages
description:
  - Reads what is recorded beside the backups. Of an encrypted backup it decrypts the smallest file, to see that the key is here.
  - The score of a plan is the weighted mean of its parts, in percent. The ages of the newest backup's data, of the last verification and
    of the last drill that passed count less with time, half after each half-life. The time to recover that the last drill took, and the
    age of the newest archived log where the engine has one, count in full while they meet their objectives.
  - A part that does not apply is left out. One that applies and is not known counts nothing. Without a drill the score is below 100.
  - Writes nothing.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  plans:
    description: Plans to judge; a plan without a backup fails. By default all that have a folder.
    type: list
    elements: str
    default: []
  rto:
    description: Longest time to recover, as a duration such as V(4h). None is no objective.
    type: str
  rpo:
    description: Longest loss, as a duration such as V(15m). None is no objective.
    type: str
  objectives:
    description: For a plan of its own objectives, a dictionary of V(rto) and V(rpo); what it leaves out is O(rto) and O(rpo).
    type: dict
    default: {}
  weights:
    description: How much each part counts. All six are given.
    type: dict
    required: true
    suboptions:
      backup: {description: The newest usable backup., type: float, required: true}
      verification: {description: The last verification., type: float, required: true}
      drill: {description: The last drill., type: float, required: true}
      rto: {description: 'The time to recover, against its objective.', type: float, required: true}
      key: {description: 'The private key, of an encrypted backup.', type: float, required: true}
      log: {description: 'The newest archived log, against the objective of loss.', type: float, required: true}
  half_lives:
    description: After which age a part counts half, as durations.
    type: dict
    required: true
    suboptions:
      backup: {description: The newest usable backup., type: str, required: true}
      verification: {description: The last verification., type: str, required: true}
      drill: {description: The last drill., type: str, required: true}
  warn:
    description: Score below which a plan is a warning.
    type: float
  fail:
    description: Score below which a plan is a failure.
    type: float
  identity_file:
    description: File with the private key of encrypted backups, as age-keygen writes it, or an SSH private key.
    type: path
  wal_dirs:
    description: For a plan whose write-ahead log is archived or received in a folder of this host, that folder; pgBackRest's is C(archive).
    type: dict
    default: {}
requirements:
  - pyrage >= 1.2, with O(identity_file)
seealso:
  - module: evenkeel.ops.restore_drill
extends_documentation_fragment:
  - evenkeel.ops.repository
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: See how ready each plan is
  evenkeel.ops.recovery_readiness:
    repository: /srv/backups
    rto: 4h
    rpo: 15m
    objectives:
      files: {rto: 8h, rpo: 24h}
    weights: {backup: 2, verification: 1, drill: 3, rto: 2, key: 1, log: 1}
    half_lives: {backup: 3d, verification: 30d, drill: 60d}
    warn: 80
    fail: 60
"""

RETURN = r"""
readiness:
  description: One for each plan, the least ready first.
  returned: success
  type: list
  elements: dict
  contains:
    plan: {description: The plan., type: str, returned: success}
    score: {description: 0 to 100., type: float, returned: success}
    parts: {description: 'Its parts that apply, each from 0 to 1.', type: dict, returned: success}
    weakest: {description: The least of them., type: str, returned: success}
    backup_age_seconds: {description: 'Age of the newest usable data, null where there is none.', type: float, returned: success}
    verification_age_seconds: {description: Age of the last verification that passed., type: float, returned: success}
    drill_age_seconds: {description: 'Age of the last drill, null where it failed or there was none.', type: float, returned: success}
    rto_seconds: {description: What it took to recover., type: float, returned: success}
    key: {description: 'Whether the key is here, null for a backup in clear.', type: bool, returned: success}
    log_age_seconds: {description: 'Age of the newest archived log, null for an engine without one.', type: float, returned: success}
findings:
  description: C(recovery.readiness) for each plan.
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import storage
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import open_repository, reading_codecs
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.create import newest_usable
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.key import key_reaches
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.log_age import log_age
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.readiness import (
    AGEING,
    PARTS,
    Readiness,
    ReadinessPolicy,
    evidence_of,
    judge_readiness,
    objectives_by_plan,
    score,
)

OPTIONS = own(
    plans={"type": "list", "elements": "str", "default": []},
    rto={"type": "str"},
    rpo={"type": "str"},
    objectives={"type": "dict", "default": {}},
    weights={"type": "dict", "required": True, "options": {part: {"type": "float", "required": True, "no_log": False} for part in PARTS}},
    half_lives={"type": "dict", "required": True, "options": {part: {"type": "str", "required": True} for part in AGEING}},
    warn={"type": "float"},
    fail={"type": "float"},
    identity_file={"type": "path"},
    wal_dirs={"type": "dict", "default": {}},
) + storage.OPTIONS


def run(request: Request) -> Outcome:
    """Read the records, look whether the key fits, judge."""
    policy = ReadinessPolicy.from_options(request.options)
    objectives = objectives_by_plan({"rto": request["rto"], "rpo": request["rpo"]}, request["objectives"])
    repository = open_repository(request)
    codecs = reading_codecs(request["identity_file"])
    now = request.clock.now()

    def look(plan: str) -> Readiness:
        backups = repository.list(plan)
        newest = newest_usable(backups)
        key = key_reaches(newest, codecs) if newest else None
        folder = request["wal_dirs"].get(plan)
        log = None if folder is None else log_age(Path(folder), now)
        return score(plan, evidence_of(backups, now, key=key, log=log), objectives.get(plan, objectives[""]), policy)

    found = sorted((look(plan) for plan in request["plans"] or repository.plans), key=lambda one: (one.score, one.plan))
    return Outcome(findings=[judge_readiness(one, policy) for one in found], values={"readiness": [one.as_dict() for one in found]},
                   summary=", ".join(f"{one.plan} {one.score:g}%" for one in found) or "there is no plan with a backup")


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
