#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_fence
short_description: Take a PostgreSQL primary out of service so that it cannot come back as one
description:
  - Runs on the host of the server that is to give way. Puts C(standby.signal) into its data directory, so that whatever starts
    the server again (a service manager, a reboot, a person) starts a standby, which takes no writes; then stops it.
  - The stop is a fast shutdown. Sessions are ended, and standbys that are connected get everything that was written. RV(fence.end)
    says where that ends; O(evenkeel.ops.postgresql_promote#module:primary_end) proves by it that nothing is lost.
  - The order is such that a run that is killed in between leaves a server that is either untouched or cannot become a primary again.
  - To go back, as long as no other server was promoted, remove C(standby.signal) and start the server.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  data_dir:
    description: The server's data directory.
    type: path
    required: true
  bin_dir:
    description: Folder with PostgreSQL's programs to be used before those that are found.
    type: path
  timeout:
    description: How long the server may take to stop.
    type: str
    default: 2m
seealso:
  - module: evenkeel.ops.postgresql_promote
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Take the old primary out of service
  evenkeel.ops.postgresql_fence:
    data_dir: /var/lib/postgresql/17/main
  delegate_to: db-1.example.com
  become: true
  register: fenced
"""

RETURN = r"""
fence:
  description: What was done.
  returned: success
  type: dict
  contains:
    data_dir: {description: The data directory., type: str, returned: success}
    status: {description: 'V(pass), or V(planned) in check mode.', type: str, returned: success}
    was_running: {description: Whether a server ran., type: bool, returned: success}
    clean: {description: Whether it was shut down in order., type: bool, returned: success}
    end: {description: 'Where its WAL ends, in bytes, where it was shut down in order; else null.', type: int, returned: success}
    timeline: {description: Its timeline., type: int, returned: success}
    system_identifier: {description: Its identifier., type: str, returned: success}
    seconds: {description: How long it took., type: float, returned: success}
findings:
  description: C(recovery.fence).
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres_cluster import Cluster
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.fencing import fence, judge_fence

OPTIONS = own(
    data_dir={"type": "path", "required": True},
    bin_dir={"type": "path"},
    timeout={"type": "str", "default": "2m"},
)


def run(request: Request) -> Outcome:
    """Hold it as a standby, stop it, look."""
    timeout = parse_duration(request["timeout"], option="timeout")
    cluster = Cluster(Commands(), request["data_dir"], folders=[request["bin_dir"]] if request["bin_dir"] else [])
    done = fence(cluster, timeout=timeout, clock=request.clock, check=request.check_mode)
    word = "would be fenced" if request.check_mode else "is fenced"
    return Outcome(changed=done.changed, findings=[judge_fence(request["data_dir"], done)],
                   summary=f"{request['data_dir']} {word if done.changed else 'was fenced already'}",
                   values={"fence": done.as_value(request["data_dir"])})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
