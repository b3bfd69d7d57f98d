#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_lifecycle
short_description: Let a bucket archive old backups by itself
description:
  - Sets lifecycle rules for the backups of one repository in a bucket. Rules of others in the bucket, and of other prefixes, are
    left as they are.
  - Only payload is archived, which bears a tag; manifests and verifications can be read at any time.
  - A backup in an archive storage class has to be brought back (C(aws s3api restore-object)) before it can be restored.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  archive_after:
    description: Age at which payload moves to O(archive_class), as a duration of whole days such as V(30d). None is no such rule.
    type: str
  archive_class:
    description: The storage class it moves to; with MinIO the name of a tier.
    type: str
    default: GLACIER
  abort_uploads_after:
    description: Age at which the parts of unfinished uploads are thrown away, beside what the next run clears. None is no such rule.
    type: str
  forget_versions_after:
    description: Age at which what was deleted or replaced goes for good, in a bucket with versions. None is no such rule.
    type: str
requirements:
  - boto3 >= 1.36
extends_documentation_fragment:
  - evenkeel.ops.repository
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Thirty days online, then archived
  evenkeel.ops.backup_lifecycle:
    repository: s3://backups-eu-central/evenkeel
    s3: {region: eu-central-1}
    archive_after: 30d
    abort_uploads_after: 7d
"""

RETURN = r"""
rules:
  description: The rules of this repository, in the words of S3.
  returned: success
  type: list
  elements: dict
findings:
  description: None.
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

import json

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import object_lifecycle, storage
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.object_settings import SCHEME, StoreSettings, split_url
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.object_store import Bucket
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome

OPTIONS = own(
    archive_after={"type": "str"},
    archive_class={"type": "str", "default": "GLACIER"},
    abort_uploads_after={"type": "str"},
    forget_versions_after={"type": "str"},
) + storage.OPTIONS


def run(request: Request) -> Outcome:
    """Compare, and set where they differ."""
    if not request["repository"].startswith(SCHEME):
        raise InvalidOption(f"repository: {request['repository']} is in no bucket", hint="Only buckets have lifecycle rules")
    policy = object_lifecycle.LifecyclePolicy.from_options(request.options)
    name, prefix = split_url(request["repository"])
    bucket = Bucket(name, StoreSettings.from_options(request["s3"] or {}))
    prefix = f"{prefix}/" if prefix else ""
    present = object_lifecycle.read_rules(bucket)
    wanted = object_lifecycle.merged(present, prefix, policy)
    changed = not object_lifecycle.same(present, wanted)
    if changed and not request.check_mode:
        object_lifecycle.write_rules(bucket, wanted)
    return Outcome(changed=changed, summary=f"{name}: {len(wanted)} rules{', set' if changed else ', as they were'}",
                   values={"rules": object_lifecycle.rules_for(prefix, policy)},
                   diff={"before": _text(present), "after": _text(wanted)})


def _text(rules: list) -> str:
    return json.dumps(rules, indent=1, sort_keys=True, default=str) + "\n"


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
