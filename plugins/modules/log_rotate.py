#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: log_rotate
short_description: Configure logrotate, and rotate logs that are due
description:
  - Writes one file of logrotate's own configuration for each set of logs. logrotate itself checks them before they
    replace what is there, alone and together with its other files; one that it complains about never lands.
  - Rotating is left to the system's daily logrotate, unless O(state_file) or O(rotate_now) is given.
  - In check mode nothing is written or rotated; what would be is read from C(logrotate --debug).
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  roots:
    description:
      - Folders at or below which all logs must lie, such as V(/var/log).
      - System trees, homes, and folders that hold everybody's things are refused, such as V(/), V(/var), V(/home/alice), V(/tmp).
    type: list
    elements: str
    required: true
  logs:
    description: The sets of logs.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the set and of its file. Letters, digits, C(-) and C(_).
        type: str
        required: true
      state:
        description: Whether the set's file is to be there.
        type: str
        choices: [present, absent]
        default: present
      paths:
        description:
          - Logs, as full paths or patterns of C(*), C(?) and C([…]). Quotes and spaces are fine.
          - Backslashes, braces and signs that cannot be printed are not; let C(?) stand for them.
        type: list
        elements: str
        default: []
      frequency:
        description: When a log is due.
        type: str
        choices: [hourly, daily, weekly, monthly, yearly, size]
        default: daily
      size:
        description: For O(logs[].frequency=size) the size above which a log is due, such as V(100MiB).
        type: str
      keep:
        description: How many rotated logs are kept.
        type: int
        default: 7
      max_age:
        description: Rotated logs older than this are removed, in whole days, such as V(30d).
        type: str
      compress:
        description: Compress rotated logs with gzip.
        type: bool
        default: true
      delay_compress:
        description: Compress only at the next rotation, for programs that write on into the old file for a while.
        type: bool
        default: false
      skip_empty:
        description: Do not rotate a log that is empty.
        type: bool
        default: true
      copytruncate:
        description:
          - Copy the log and cut it, for programs that cannot reopen it.
          - What is written between the two is lost.
        type: bool
        default: false
      create:
        description: How the new log is made; as the old one was by default.
        type: dict
        suboptions:
          mode:
            description: Its mode, such as V("0640").
            type: str
            required: true
          owner:
            description: Its owner.
            type: str
            required: true
          group:
            description: Its group.
            type: str
            required: true
      su:
        description: The account to rotate as, where others than root may write to the log's folder.
        type: dict
        suboptions:
          user:
            description: Its name.
            type: str
            required: true
          group:
            description: Its group.
            type: str
            required: true
      after:
        description:
          - Commands that are run once after the logs of the set were rotated, each a list of arguments that begins with a full path.
          - logrotate hands them to a shell, so each argument is quoted. Nothing in them is expanded.
        type: list
        elements: list
        default: []
      signal:
        description: A signal that tells the program to reopen its logs. It is not sent where the pid file is missing or empty.
        type: dict
        suboptions:
          name:
            description: The signal, such as V(HUP) or V(USR1).
            type: str
            required: true
          pid_file:
            description: File with the program's process id.
            type: str
            required: true
      size_limit:
        description: A log larger than this is a failed finding, such as V(1GiB).
        type: str
      rotation_limit:
        description: A log whose last rotation is longer ago is a failed finding, such as V(2d).
        type: str
      optional:
        description: A path that matches no log is no finding.
        type: bool
        default: false
  config_dir:
    description: Folder of logrotate's configuration files.
    type: str
    default: /etc/logrotate.d
  state_file:
    description:
      - Run logrotate by these sets with this state file, so that what is due is rotated now.
      - Needs an O(config_dir) of its own, since the system's logrotate would rotate its own folder once more by its own state.
    type: str
  rotate_now:
    description: Rotate all logs of the sets, due or not. Meant for a single run.
    type: bool
    default: false
  adopt:
    description: Replace files of the sets' names that this module has not written.
    type: bool
    default: false
  timeout:
    description: How long one run of logrotate may take, with compression and commands, a duration such as V(30m).
    type: str
    default: 30m
requirements:
  - logrotate >= 3.18
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Let the system's logrotate take care of the shop's logs
  evenkeel.ops.log_rotate:
    roots: [/var/log/shop]
    logs:
      - name: shop
        paths: [/var/log/shop/*.log]
        frequency: daily
        keep: 14
        signal: {name: USR1, pid_file: /run/shop.pid}
        size_limit: 1GiB
        rotation_limit: 2d

- name: Rotate an application's logs by a state of its own
  evenkeel.ops.log_rotate:
    roots: [/srv/agent/logs]
    config_dir: /srv/agent/logrotate.d
    state_file: /srv/agent/logrotate.state
    logs:
      - name: agent
        paths: [/srv/agent/logs/agent.log]
        frequency: size
        size: 100MiB
        copytruncate: true
"""

RETURN = r"""
logs:
  description: The logs of all sets.
  returned: success
  type: list
  elements: dict
  contains:
    path: {description: "Its path, or a pattern that matches nothing.", type: str, returned: success}
    bytes: {description: Its size after the run., type: int, returned: success}
    status:
      description:
        - V(rotated), or V(planned) in check mode; V(not_due); V(configured) where rotating is left to the system;
          V(link) for a symbolic link, which logrotate leaves alone; V(missing).
      type: str
      returned: success
findings:
  description: For each log its size and last rotation against the limits, missing logs, and logrotate's complaints.
  returned: always
  type: list
  elements: dict
summary:
  description: What was configured and rotated.
  returned: success
  type: str
  sample: "1 of 3 sets configured anew, 2 of 5 logs rotated"
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.logrotate import Logrotate, read_state, state_path
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.housekeeping.logs import read_sets
from ansible_collections.evenkeel.ops.plugins.module_utils.housekeeping.roots import CleaningRoots, plain_path
from ansible_collections.evenkeel.ops.plugins.module_utils.housekeeping.rotation import (
    plan_configs,
    report,
    rotate,
    write_configs,
)


def _strings(*names: str) -> dict[str, dict[str, object]]:
    return {name: {"type": "str", "required": True} for name in names}


OPTIONS = own(
    roots={"type": "list", "elements": "str", "required": True},
    logs={"type": "list", "elements": "dict", "required": True, "options": {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "paths": {"type": "list", "elements": "str", "default": []},
        "frequency": {"type": "str", "choices": ["hourly", "daily", "weekly", "monthly", "yearly", "size"], "default": "daily"},
        "size": {"type": "str"},
        "keep": {"type": "int", "default": 7},
        "max_age": {"type": "str"},
        "compress": {"type": "bool", "default": True},
        "delay_compress": {"type": "bool", "default": False},
        "skip_empty": {"type": "bool", "default": True},
        "copytruncate": {"type": "bool", "default": False},
        "create": {"type": "dict", "options": _strings("mode", "owner", "group")},
        "su": {"type": "dict", "options": _strings("user", "group")},
        "after": {"type": "list", "elements": "list", "default": []},
        "signal": {"type": "dict", "options": _strings("name", "pid_file")},
        "size_limit": {"type": "str"},
        "rotation_limit": {"type": "str"},
        "optional": {"type": "bool", "default": False},
    }},
    config_dir={"type": "str", "default": "/etc/logrotate.d"},
    state_file={"type": "str"},
    rotate_now={"type": "bool", "default": False},
    adopt={"type": "bool", "default": False},
    timeout={"type": "str", "default": "30m"},
)


def run(request: Request) -> Outcome:
    """Check the configuration by logrotate itself, write it, rotate, and judge."""
    roots, act = CleaningRoots(request["roots"]), not request.check_mode
    sets, config_dir, force = read_sets(request["logs"], roots), request["config_dir"], request["rotate_now"]
    plain_path(config_dir, option="config_dir")
    state = state_path(request["state_file"], config_dir=config_dir, force=force)
    logrotate = Logrotate(Commands(), timeout=parse_duration(request["timeout"], option="timeout"))
    changes = plan_configs(sets, config_dir, adopt=request["adopt"])
    needed = [change for change in changes if change.needed]
    logrotate.check({change.log_set.name: change.after for change in needed if change.after is not None},
                    config_dir=config_dir, leaving=[change.log_set.name for change in needed if change.after is None])
    if act:
        write_configs(needed)
    statuses, complaints = {}, []
    if request["state_file"] or force:
        statuses, complaints = rotate(changes, logrotate, roots, state=state, force=force, act=act)
    rotation = report(changes, roots, statuses=statuses, complaints=complaints, state=read_state(state),
                      now=request.clock.now().timestamp())
    word = "rotated" if act else "would be rotated"
    return Outcome(
        changed=bool(needed or rotation.rotated), findings=rotation.findings, values={"logs": rotation.logs},
        summary=f"{len(needed)} of {len(changes)} sets configured anew, {rotation.rotated} of {len(rotation.logs)} logs {word}",
        diff={"before_header": config_dir, "before": "".join(change.before or "" for change in needed),
              "after_header": config_dir, "after": "".join(change.after or "" for change in needed)},
    )


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
