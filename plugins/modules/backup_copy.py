#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_copy
short_description: Copy backups into a second repository
description:
  - Copies finished backups between any two repositories, folders or buckets, each under its own id, its manifest last.
  - Every byte is hashed on its way and compared with the manifest. A backup that is damaged in the first repository is told and
    not copied.
  - Copies what is not there yet, and of that only what the second repository's retention keeps; what was deleted there does not
    come back.
  - A run that is killed is taken up by the next one, which sends only the files that are missing.
  - A copy is verified on its own, by M(evenkeel.ops.backup_verify) on the second repository. What is known of one place says
    nothing of the other.
  - A copy that an engine keeps in a repository of its own (pgBackRest, restic) is not copied; that engine does it itself.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  plans:
    description:
      - For each plan that is to be copied, its retention in the second repository, as M(evenkeel.ops.backup_prune) takes it.
      - An empty dictionary copies every usable backup of the plan.
    type: dict
    required: true
  at_least:
    description: How good a backup has to be in the first repository; V(created) is any that did not fail.
    type: str
    choices: [created, verified, proven]
    default: created
  jobs:
    description: Files copied side by side.
    type: int
    default: 2
requirements:
  - boto3 >= 1.36, for buckets
seealso:
  - module: evenkeel.ops.backup_verify
  - module: evenkeel.ops.backup_prune
extends_documentation_fragment:
  - evenkeel.ops.repository
  - evenkeel.ops.second_repository
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: A copy in another region, kept for a year
  evenkeel.ops.backup_copy:
    repository: /srv/backups
    copy_repository: s3://archive-eu-west/backups
    copy_s3: {region: eu-west-1, storage_class: STANDARD_IA}
    plans:
      shop: {keep_for: 365d}
      configuration: {}
"""

RETURN = r"""
copied:
  description: What was copied; in check mode what would be.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Id of the backup., type: str, returned: success}
    plan: {description: Its plan., type: str, returned: success}
    status: {description: 'V(copied), V(failed), or V(planned) in check mode.', type: str, returned: success}
    bytes: {description: What is stored., type: int, returned: success}
    bytes_sent: {description: What of it was not there yet., type: int, returned: success}
    seconds: {description: How long it took., type: float, returned: success}
    message: {description: What was found., type: str, returned: success}
findings:
  description: For each plan, whether its newest usable backup is in the second repository; and each backup that could not be copied.
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import storage
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import open_repository, second_repository
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.copy import copy_plan, judge_copies, told_summary
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.prune import retention_by_plan
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding, Status
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome

OPTIONS = own(
    plans={"type": "dict", "required": True},
    at_least={"type": "str", "choices": ["created", "verified", "proven"], "default": "created"},
    jobs={"type": "int", "default": 2},
) + storage.OPTIONS + storage.SECOND


def run(request: Request) -> Outcome:
    """Copy plan by plan; one that cannot be copied does not stop the others."""
    policies = retention_by_plan({plan: policy for plan, policy in request["plans"].items() if policy})
    source = open_repository(request)
    target = second_repository(request, source)
    if target is None:
        raise InvalidOption("copy_repository is not given", hint="Name the second repository")
    findings, copies = [], []
    for plan in request["plans"]:
        try:
            done = copy_plan(source, target, plan, policies.get(plan), request.clock, at_least=request["at_least"],
                             jobs=request.count("jobs"), check_mode=request.check_mode)
            copies += done
            findings += judge_copies(plan, source.list(plan), target.list(plan), done, request.clock.now())
        except OpsError as error:
            findings.append(Finding("backup.copied", plan, Status.UNKNOWN, error.message, hint=error.hint))
    return Outcome(changed=any(copy.status != "failed" for copy in copies), findings=findings, summary=told_summary(copies),
                   values={"copied": [copy.as_dict() for copy in copies]})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
