#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_log_review
short_description: Review what PostgreSQL wrote into its log since the last review
description:
  - Reads log files as stderr (by C(log_line_prefix)), csvlog or jsonlog, plain or gzipped, on the host where they are, and counts errors by
    SQLSTATE, failed logins by user and address, checkpoints that come too soon, temporary files, deadlocks, lock waits, slow
    statements, crashes. Each is judged as a number per day; less than a day counts as one.
  - Each line is read once. A file is known by how it begins, so that renaming, copying and truncating, and compressing it change nothing.
  - The memory it needs does not grow with the log. Of messages and statements only the form is kept, without any value.
  - Messages other than errors are known by their English words (C(lc_messages)).
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  paths:
    description: Files, or patterns as the shell has them.
    type: list
    elements: str
    required: true
  format:
    description: How they are written; V(auto) looks at how each begins.
    type: str
    choices: [auto, stderr, csvlog, jsonlog]
    default: auto
  line_prefix:
    description:
      - The server's C(log_line_prefix), for stderr.
      - A user name can contain anything, so that whoever may connect can make a line of stderr look like another; csvlog and jsonlog
        are exact.
    type: str
    default: "%m [%p] "
  state:
    description: File that keeps how far each file was read. In check mode it is not written.
    type: path
    required: true
  look_back:
    description: In the first review files that were last written longer ago count as read, as a duration.
    type: str
    default: 1d
  read_limit:
    description: How much is read in one run, as a size; the rest has its turn in the next one.
    type: str
    default: 1GiB
  limits:
    description:
      - For each thing to be judged a dictionary of C(warn) and C(fail); what has no limits is not judged.
      - "Numbers per day: C(errors_per_day), C(fatal_per_day), C(failed_logins_per_day), C(failed_logins_per_source) (one user from one
        address), C(frequent_checkpoints_per_day), C(temporary_files_per_day), C(deadlocks_per_day), C(lock_waits_per_day),
        C(slow_statements_per_day). A size per day: C(temporary_size_per_day). A number: C(crashes) (and panics)."
      - "C(classes): pairs of numbers per day by the beginning of a SQLSTATE, as V({'53': {fail: 0}})."
      - "C(unread_percent): of lines that are none of the format; beyond it the log is C(unknown). C(unfinished): the status where
        O(read_limit) left something, V(warn), V(fail), V(unknown) or V(ignore)."
    type: dict
    required: true
  name:
    description: How the findings call this log.
    type: str
    default: log
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: What did the server complain about since yesterday?
  evenkeel.ops.postgresql_log_review:
    paths: ["/var/log/postgresql/postgresql-17-main.log*"]
    line_prefix: "%m [%p] %q%u@%d "
    state: /var/lib/evenkeel/logs/postgresql-17-main.json
    limits:
      crashes: {fail: 0}
      classes: {"53": {fail: 0}, XX: {fail: 0}}
      failed_logins_per_source: {warn: 10, fail: 100}
      unread_percent: {fail: 5}
"""

RETURN = r"""
log:
  description:
    - What was read (C(name), C(files), C(bytes), C(lines), C(unread), C(from), C(to)) and counted (C(severities), C(states), C(errors),
      C(failed_logins), C(crashes), C(checkpoints), C(temporary_files), C(deadlocks), C(lock_waits), C(slow_statements)).
  returned: success
  type: dict
findings:
  description: C(database.log) says whether the log could be read, C(database.log_…) judge what it says.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.server_logs import Positions, find_logs
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import NotFound
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration, parse_size
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.log_events import FORMATS, prefix_pattern, read_files
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.log_judge import LogLimits, judge_log
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.log_review import Tally

OPTIONS = own(
    paths={"type": "list", "elements": "str", "required": True},
    format={"type": "str", "choices": list(FORMATS), "default": "auto"},
    line_prefix={"type": "str", "default": "%m [%p] "},
    state={"type": "path", "required": True},
    look_back={"type": "str", "default": "1d"},
    read_limit={"type": "str", "default": "1GiB"},
    limits={"type": "dict", "required": True},
    name={"type": "str", "default": "log"},
)


def run(request: Request) -> Outcome:
    """Read what is new, judge it, and keep how far it was read."""
    limits, prefix = LogLimits.from_options(request["limits"]), prefix_pattern(request["line_prefix"])
    now, limit = request.clock.now(), parse_size(request["read_limit"], option="read_limit")
    look_back = parse_duration(request["look_back"], option="look_back")
    known = Positions.load(request["state"])
    warnings = [] if known is not None else [f"{request['state']} is damaged: the log is read as in the first review"]
    files, paths = find_logs(request["paths"], known or Positions(), newer_than=now.timestamp() - look_back)
    if not paths:
        raise NotFound(f"No file matches {', '.join(request['paths'])}", hint="See where the server logs: SELECT pg_current_logfile(); and "
                       "SHOW log_directory; the paths are those of this host")
    tally = Tally()
    done = read_files(files, tally.add, form=request["format"], prefix=prefix, limit=limit)
    left = sum(file.left for file in files) if done.full else 0
    if not request.check_mode:
        Positions(format_instant(now), [file.position for file in files]).save(request["state"])
    return Outcome(
        findings=judge_log(tally, limits, request["name"], lines=done.lines, unread=done.unread, left=left), warnings=warnings,
        values={"log": {"name": request["name"], "files": done.files, "bytes": done.bytes, "lines": done.lines, "unread": done.unread,
                        "left": left, **tally.values()}})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
