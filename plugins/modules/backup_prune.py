#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_prune
short_description: Delete the backups that retention does not keep
description:
  - A backup is kept by any rule that keeps it; what no rule of its plan keeps is deleted.
  - Age counts back from the newest usable backup of the plan, so that neither a clock that runs ahead nor a plan whose backups have
    stopped makes anything old.
  - Never deletes the last verified or the last proven copy of a plan, what a kept differential or incremental copy rests on, nor
    anything of a plan that has a backup from the future, since then a clock is wrong.
  - A copy that an engine keeps in a repository of its own is deleted there after its manifest is gone.
  - The manifest is deleted first, so that half a deleted backup is no backup; the next run clears the rest.
  - A plan that cannot be pruned is told as a finding and does not stop the others.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  plans:
    description:
      - For each plan its retention, a dictionary of at least one of C(keep_for) (a duration such as V(30d)), C(keep_last),
        C(daily), C(weekly), C(monthly), C(yearly) (how many of each), beside C(keep_verified) and C(keep_proven) (at least and
        by default 1). With C(archived) nothing goes that has no verified copy in O(copy_repository).
      - Backups of plans that are not named are left alone.
    type: dict
    required: true
  max_deletions:
    description: Deleting more backups of a plan at once wants O(confirm).
    type: int
  max_percent:
    description: Deleting more than this share of a plan's backups at once wants O(confirm).
    type: float
  confirm:
    description: Delete however many retention does not keep.
    type: bool
    default: false
  jobs:
    description: Parallel jobs of an engine that deletes its own copies.
    type: int
    default: 2
  timeout:
    description: How long an engine may take to delete one of its own copies.
    type: str
    default: 4h
  bin_dir:
    description: Folder with the engines' programs to be used before those that are found.
    type: path
extends_documentation_fragment:
  - evenkeel.ops.repository
  - evenkeel.ops.second_repository
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
- name: Keep thirty days, and the newest of each of twelve months
  evenkeel.ops.backup_prune:
    repository: /srv/backups
    plans:
      shop: {keep_for: 30d, keep_last: 3, monthly: 12}
    max_deletions: 10

- name: Thirty days online, and only what is safe in the archive may go
  evenkeel.ops.backup_prune:
    repository: /srv/backups
    copy_repository: s3://archive-eu-west/backups
    copy_s3: {region: eu-west-1}
    plans:
      shop: {keep_for: 30d, archived: true}
"""

RETURN = r"""
deleted:
  description: What was deleted; in check mode what would be.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Id of the backup., type: str, returned: success}
    plan: {description: Its plan., type: str, returned: success}
    reason: {description: Why., type: str, returned: success}
    bytes: {description: What was stored., type: int, returned: success}
kept:
  description: What was kept, and by which rule; the same keys.
  returned: success
  type: list
  elements: dict
findings:
  description: One for each plan.
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from functools import cache

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import storage
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly import engines
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import open_repository, second_repository
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.copy import archived_ids
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.prune import Brake, prune_plan, retention_by_plan, told, troubled
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome

OPTIONS = own(
    plans={"type": "dict", "required": True},
    max_deletions={"type": "int"},
    max_percent={"type": "float"},
    confirm={"type": "bool", "default": False},
    jobs={"type": "int", "default": 2},
    timeout={"type": "str", "default": "4h"},
    bin_dir={"type": "path"},
) + storage.OPTIONS + storage.SECOND + engines.OPTIONS


def run(request: Request) -> Outcome:
    """Plan and carry out retention, plan by plan."""
    policies = retention_by_plan(request["plans"])
    brake = Brake(request["max_deletions"], request["max_percent"], request["confirm"])
    repository = open_repository(request)
    second = second_repository(request, repository)
    eraser_for = cache(lambda engine: engines.kit_for(engine).eraser(request))
    findings, deleted, kept, troubles = [], [], [], []
    for plan, policy in policies.items():
        try:
            archived = archived_ids(second.list(plan)) if second else None
            pruned = prune_plan(repository, plan, policy, brake, request.clock, eraser_for=eraser_for, archived=archived,
                                check_mode=request.check_mode)
        except OpsError as error:
            findings.append(troubled(plan, error))
            troubles.append(plan)
            continue
        findings.append(pruned.finding)
        deleted += [told(decision) for decision in pruned.decisions if not decision.keep]
        kept += [told(decision) for decision in pruned.decisions if decision.keep]
    word = "would be deleted" if request.check_mode else "deleted"
    ids = [entry["id"] for entry in deleted]
    return Outcome(
        changed=bool(deleted), findings=findings, summary=f"{len(deleted)} {word}, {len(kept)} kept" + (
            f"; not looked after: {', '.join(troubles)} (see findings)" if troubles else ""),
        values={"deleted": deleted, "kept": kept},
        diff={"before": "\n".join(sorted(ids + [entry["id"] for entry in kept])) + "\n",
              "after": "\n".join(sorted(entry["id"] for entry in kept)) + "\n"})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
