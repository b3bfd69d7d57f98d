#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cache_clean
short_description: Remove stale files from caches, below declared roots only
description:
  - Removes regular files and symbolic links that are older than O(caches[].max_age), then the oldest ones until
    O(caches[].max_size) is kept.
  - Never follows a symbolic link, not even one that is put in place during the run, and stays on the file system of the cache.
    Folders, sockets, pipes and devices are left alone.
  - A file that is written to or replaced between being judged and being removed stays.
  - In check mode it lists what would go and removes nothing.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  roots:
    description:
      - Folders at or below which all caches must lie.
      - System trees, homes, and folders that hold everybody's things are refused, such as V(/), V(/var), V(/home/alice), V(/tmp).
    type: list
    elements: str
    required: true
  caches:
    description: The caches and what may stay in them. One cache must not lie in another.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Folder of the cache, a plain absolute path without symbolic links in it.
        type: str
        required: true
      max_age:
        description: Files older than this go, a duration such as V(30d).
        type: str
      max_size:
        description: The oldest files go until the cache is no larger than this size, such as V(10GiB).
        type: str
      patterns:
        description:
          - Only files that match one of these shell patterns may go.
          - A pattern with a slash is matched against the path below the cache, any other against the name.
          - C(*) matches slashes as well.
        type: list
        elements: str
        default: ["*"]
      keep:
        description: Files that match one of these patterns never go.
        type: list
        elements: str
        default: []
      min_files:
        description: As many of the newest files never go.
        type: int
        default: 0
      age_by:
        description: Whether age counts from the last change, or from the last change or reading, whichever is newer.
        type: str
        choices: [change, use]
        default: change
      keep_open:
        description: Leave files that a program holds open. All of them are seen by root only.
        type: bool
        default: true
      cross_mounts:
        description: Also clean file systems that are mounted below the cache.
        type: bool
        default: false
      optional:
        description: A cache folder that does not exist is no finding.
        type: bool
        default: false
  max_removed:
    description: How much may go in one run without O(confirm); nothing is removed when it would be more.
    type: dict
    default: {}
    suboptions:
      files:
        description: Number of files; no limit where it is left out.
        type: int
      bytes:
        description: Their size, such as V(10GiB); no limit where it is left out.
        type: str
  confirm:
    description: Remove even more than O(max_removed). Meant for a single run, after its list was read in check mode.
    type: bool
    default: false
  timeout:
    description: After this time nothing more is read or removed, a duration such as V(15m).
    type: str
    default: 15m
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Clear the stale cache
  evenkeel.ops.cache_clean:
    roots: [/var/cache/shop]
    caches:
      - path: /var/cache/shop/thumbnails
        max_age: 30d
        max_size: 10GiB
        keep: ["*.lock"]
      - path: /var/cache/shop/sessions
        max_age: 1d
        patterns: ["sess_*"]
    max_removed: {files: 10000, bytes: 20GiB}
"""

RETURN = r"""
removed:
  description: The files that were, or in check mode would be, removed, oldest first for each cache.
  returned: success
  type: list
  elements: dict
  contains:
    path: {description: "Its path; what cannot be printed is escaped as C(ls -b) does.", type: str, returned: success}
    bytes: {description: Its size., type: int, returned: success}
    age_seconds: {description: Its age at the time of the run., type: float, returned: success}
kept:
  description: RV(ignore:files) and RV(ignore:bytes) that stay in all caches.
  returned: success
  type: dict
  sample: {files: 1200, bytes: 734003200}
caches:
  description: For each cache C(path), C(files) and C(bytes) that stay, C(removed_files) and C(removed_bytes).
  returned: success
  type: list
  elements: dict
findings:
  description: For each cache its age and size against the limits, and what could not be read or removed.
  returned: always
  type: list
  elements: dict
summary:
  description: What was removed and kept.
  returned: success
  type: str
  sample: "12 stale files removed (3.4 GiB), 1200 kept (700.0 MiB)"
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.system import open_files
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline
from ansible_collections.evenkeel.ops.plugins.module_utils.housekeeping.caches import read_policies
from ansible_collections.evenkeel.ops.plugins.module_utils.housekeeping.cleaning import Allowance, clean
from ansible_collections.evenkeel.ops.plugins.module_utils.housekeeping.roots import CleaningRoots

OPTIONS = own(
    roots={"type": "list", "elements": "str", "required": True},
    caches={"type": "list", "elements": "dict", "required": True, "options": {
        "path": {"type": "str", "required": True},
        "max_age": {"type": "str"},
        "max_size": {"type": "str"},
        "patterns": {"type": "list", "elements": "str", "default": ["*"]},
        "keep": {"type": "list", "elements": "str", "default": []},
        "min_files": {"type": "int", "default": 0},
        "age_by": {"type": "str", "choices": ["change", "use"], "default": "change"},
        "keep_open": {"type": "bool", "default": True},
        "cross_mounts": {"type": "bool", "default": False},
        "optional": {"type": "bool", "default": False},
    }},
    max_removed={"type": "dict", "default": {}, "options": {"files": {"type": "int"}, "bytes": {"type": "str"}}},
    confirm={"type": "bool", "default": False},
    timeout={"type": "str", "default": "15m"},
)


def run(request: Request) -> Outcome:
    """Read the caches, plan, and unless it is check mode remove."""
    policies = read_policies(request["caches"], CleaningRoots(request["roots"]))
    cleaning = clean(
        policies, Allowance.from_options(request["max_removed"], confirmed=request["confirm"]),
        now=request.clock.now().timestamp(), open_files=open_files, act=not request.check_mode,
        deadline=Deadline(request.clock, parse_duration(request["timeout"], option="timeout")))
    listed = "".join(f"{line}\n" for line in cleaning.lines)
    return Outcome(
        changed=bool(cleaning.removed), findings=cleaning.findings, warnings=cleaning.warnings,
        summary=cleaning.summary(planned=request.check_mode),
        values={"removed": cleaning.removed, "kept": cleaning.kept, "caches": cleaning.caches},
        diff={"before_header": "stale files", "before": listed, "after_header": "stale files", "after": ""},
    )


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
