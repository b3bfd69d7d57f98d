#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: disaster_drill
short_description: Say whether a disaster drill is due, and conclude one
description:
  - A disaster drill restores every plan at a stand-in (M(evenkeel.ops.restore_drill)) and switches stand-in names
    (M(evenkeel.ops.dns_switch)). Without O(drills) this module says whether one is due.
  - With O(drills) it judges the whole against the objectives and writes it beside each backup that was restored. The time to recover
    is that of all plans one after the other, of the switch, and of the time that resolvers hold on to the old answer.
  - Whether a backup is C(proven) is decided by its own restore and not by the time that all took.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  plans:
    description: Plans that have to be recovered.
    type: list
    elements: str
    required: true
  every:
    description: Age up to which the last disaster drill that passed will do. V(0s) drills each time.
    type: str
    default: 0s
  drills:
    description: The values C(drill) of M(evenkeel.ops.restore_drill), one for each plan.
    type: list
    elements: dict
  switches:
    description: The values C(switch) of M(evenkeel.ops.dns_switch), where names were switched.
    type: list
    elements: dict
    default: []
  rto:
    description: Longest time until all clients are served. None is no objective.
    type: str
  rpo:
    description: Longest loss. None is no objective.
    type: str
extends_documentation_fragment:
  - evenkeel.ops.repository
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Is a disaster drill due?
  evenkeel.ops.disaster_drill:
    repository: /srv/backups
    plans: [database, files]
    every: 28d
  register: due

- name: Conclude it
  when: due.due
  evenkeel.ops.disaster_drill:
    repository: /srv/backups
    plans: [database, files]
    drills: "{{ restored.results | map(attribute='drill') | list }}"
    switches: ["{{ switched.switch }}"]
    rto: 4h
    rpo: 15m
"""

RETURN = r"""
due:
  description: Whether one is due.
  returned: success
  type: bool
disaster:
  description: What was measured; without O(drills), the last one that passed.
  returned: when there is one
  type: dict
  contains:
    status: {description: The worst of its findings., type: str, returned: success}
    at: {description: When it was concluded., type: str, returned: success}
    plans: {description: 'Each with plan, backup_id, status, rto_seconds and rpo_seconds.', type: list, elements: dict, returned: success}
    names_switched: {description: 'Whether every name server followed, null where no names were switched.', type: bool, returned: success}
    switch_seconds: {description: How long that took., type: float, returned: success}
    clients_follow_seconds: {description: How long resolvers hold on to the old answer., type: float, returned: success}
    rto_seconds: {description: 'Time until all clients are served, null where it did not come so far.', type: float, returned: success}
    rto_objective_seconds: {description: Its objective., type: float, returned: success}
    rpo_seconds: {description: Age of the oldest plan's data., type: float, returned: success}
    rpo_objective_seconds: {description: Its objective., type: float, returned: success}
findings:
  description: C(recovery.disaster) for each plan and for the names, C(recovery.rto), C(recovery.rpo).
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import storage
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import open_repository
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.disaster import (
    described,
    judge_disaster,
    judge_due,
    last_disaster,
    read_disaster,
    record_disaster,
)

OPTIONS = own(
    plans={"type": "list", "elements": "str", "required": True},
    every={"type": "str", "default": "0s"},
    drills={"type": "list", "elements": "dict"},
    switches={"type": "list", "elements": "dict", "default": []},
    rto={"type": "str"},
    rpo={"type": "str"},
) + storage.OPTIONS


def run(request: Request) -> Outcome:
    """Say whether one is due, or judge and record one."""
    repository, now = open_repository(request), request.clock.now()
    every = parse_duration(request["every"], option="every")
    rto, rpo = (parse_duration(request[name], option=name) if request[name] else None for name in ("rto", "rpo"))
    subject = f"{request['system']}/{request['environment']}"
    if request["drills"] is None:
        last = last_disaster([backup for plan in request["plans"] for backup in repository.list(plan)])
        due, finding = judge_due(subject, last, every=every, now=now)
        return Outcome(findings=[finding] if finding else [], summary="a disaster drill is due" if due else finding.message,
                       values={"due": due, **({"disaster": dict(last)} if last else {})})
    done = read_disaster(request["drills"], request["switches"])
    findings = judge_disaster(subject, done, request["plans"], rto=rto, rpo=rpo)
    disaster = described(done, findings, rto=rto, rpo=rpo, now=now)
    if not request.check_mode:
        record_disaster([repository.open(drill["backup_id"]) for drill in done.drills], disaster)
    return Outcome(changed=True, findings=findings, values={"due": True, "disaster": disaster})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
