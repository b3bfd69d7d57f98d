#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
short_description: List backups, and judge whether there is a good and young one
description:
  - Lists the backups of a repository, newest first, by plan, status, tag and age.
  - With O(max_age) it judges for each plan whether the newest good copy is young enough.
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  plans:
    description: List the backups of these plans; all by default.
    type: list
    elements: str
    default: []
  status:
    description: List the backups of these statuses; all by default.
    type: list
    elements: str
    choices: [created, verified, proven, failed]
    default: []
  tags:
    description: List the backups that have all of these tags.
    type: list
    elements: str
    default: []
  younger_than:
    description: List the backups that are younger than this duration.
    type: str
  older_than:
    description: List the backups that are older than this duration.
    type: str
  max_age:
    description:
      - For each plan the age, as a duration, that its newest good copy must not exceed.
      - What is listed does not matter to this judgement.
    type: dict
    default: {}
  at_least:
    description: How good a copy must be to count; V(created) is any that did not fail.
    type: str
    choices: [created, verified, proven]
    default: created
extends_documentation_fragment:
  - evenkeel.ops.repository
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: List what could be restored
  evenkeel.ops.backup_info:
    repository: /srv/backups
    status: [verified, proven]
  register: restorable

- name: Is there a verified copy of the shop from today?
  evenkeel.ops.backup_info:
    repository: /srv/backups
    max_age: {shop: 24h}
    at_least: verified
"""

RETURN = r"""
backups:
  description: The backups, newest first.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Its id; ids sort by time., type: str, returned: success}
    plan: {description: The plan it was made by., type: str, returned: success}
    engine: {description: What made it., type: str, returned: success}
    path: {description: Its folder., type: str, returned: success}
    created_at: {description: When the run that made it began., type: str, returned: success}
    data_at: {description: The instant that the data is of., type: str, returned: success}
    bytes: {description: What is stored., type: int, returned: success}
    source_bytes: {description: Size of the source., type: int, returned: success}
    seconds: {description: How long it took to make., type: float, returned: success}
    status: {description: 'V(created), V(verified), V(proven) or V(failed).', type: str, returned: success}
    encrypted: {description: Whether reading it takes a private key., type: bool, returned: success}
    compression: {description: How it is compressed., type: str, returned: success}
    age_seconds: {description: Its age., type: float, returned: success}
    tags: {description: Its tags., type: list, elements: str, returned: success}
    verified_at: {description: When it was last seen to be whole., type: str, returned: success}
    proven_at: {description: When it was last restored with success., type: str, returned: success}
    fingerprint: {description: How the data was fingerprinted., type: str, returned: success}
findings:
  description: One for each plan in O(max_age), and one for each backup that cannot be read.
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import storage
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import open_repository
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.create import describe
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.inventory import Filter, judge_ages
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.verify import damaged_manifests
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration

OPTIONS = own(
    plans={"type": "list", "elements": "str", "default": []},
    status={"type": "list", "elements": "str", "choices": ["created", "verified", "proven", "failed"], "default": []},
    tags={"type": "list", "elements": "str", "default": []},
    younger_than={"type": "str"},
    older_than={"type": "str"},
    max_age={"type": "dict", "default": {}},
    at_least={"type": "str", "choices": ["created", "verified", "proven"], "default": "created"},
) + storage.OPTIONS


def run(request: Request) -> Outcome:
    """Survey the repository, select, judge."""

    def duration(name: str) -> float | None:
        return None if request[name] is None else parse_duration(request[name], option=name)

    survey = open_repository(request).survey()
    wanted = Filter(statuses=tuple(request["status"]), plans=tuple(request["plans"]), tags=tuple(request["tags"]),
                    younger_than=duration("younger_than"), older_than=duration("older_than"))
    limits = {plan: parse_duration(age, option=f"max_age.{plan}") for plan, age in request["max_age"].items()}
    now = request.clock.now()
    backups = wanted.select(survey.backups, now)
    findings = judge_ages(survey.backups, limits, now, at_least=request["at_least"]) + damaged_manifests(survey.unreadable)
    return Outcome(findings=findings, summary=f"{len(backups)} backup{'' if len(backups) == 1 else 's'}",
                   values={"backups": [describe(backup, now) for backup in backups]})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
