#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_check
short_description: Check CPU, memory, disks and network of a host against limits
description:
  - Reads utilization through psutil and judges it against limits in percent.
  - Inside a container with limits of its own its share is judged too.
  - A file system that is read-only, as after errors of its device, and one that does not answer are found whatever the limits.
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  limits:
    description:
      - For each of C(cpu), C(load), C(memory), C(swap), C(disk), C(inodes) and C(network) a dictionary of C(warn) and C(fail),
        in percent of use.
      - C(load) is that of five minutes in percent of one task for each core, so it may be above 100.
      - A resource without limits is read and reported, not judged.
    type: dict
    required: true
  interval:
    description: How long CPU and network are watched, as a duration such as V(1s).
    type: str
    default: 1s
  read_only:
    description: Mount points whose file system is meant to be read-only.
    type: list
    elements: str
    default: []
requirements:
  - psutil >= 5.9
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Check the host against the limits of CRONOS AI
  evenkeel.ops.host_check:
    limits:
      cpu: {fail: 80}
      memory: {fail: 85}
      disk: {warn: 75, fail: 80}
      network: {fail: 80}
  register: host
"""

RETURN = r"""
host:
  description: What was read.
  returned: success
  type: dict
  contains:
    cpu_percent: {description: Mean use of all cores over the interval., type: float, returned: success}
    memory_percent: {description: Memory that is not available to programs., type: float, returned: success}
    load_percent: {description: Load of five minutes in percent of one task for each core., type: float, returned: success}
    container: {description: "Limits of the container that this runs in, and their use.", type: dict, returned: in a container with limits}
    busiest: {description: The processes that use most C(cpu) and C(memory)., type: dict, returned: success}
    disks: {description: One entry per device or network file system., type: list, elements: dict, returned: success}
    network: {description: One entry per interface but the loopback., type: list, elements: dict, returned: success}
findings:
  description: One finding per resource, disk and interface.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
  sample: "6 checks: 5 pass, 1 fail"
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.system import read_host
from ansible_collections.evenkeel.ops.plugins.module_utils.capacity.judge import CapacityPolicy, judge_host
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration

OPTIONS = own(
    limits={"type": "dict", "required": True},
    interval={"type": "str", "default": "1s"},
    read_only={"type": "list", "elements": "str", "default": []},
)


def run(request: Request) -> Outcome:
    """Observe the host, judge it."""
    policy = CapacityPolicy.from_options(request["limits"], read_only=request["read_only"])
    host = read_host(request.clock, interval=parse_duration(request["interval"], option="interval"))
    return Outcome(findings=judge_host(host, policy), values={"host": host})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
