#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_drill
short_description: Prove a backup by restoring it, and time that
description:
  - Restores a backup on this host, compares what came out with what was backed up, times each phase, and removes everything.
  - A dump of a database goes into a scratch server of the source's major version, or of the nearest newer one that is here,
    on a socket in a private folder; it listens on no network. It is compared table by table with the fingerprint that was
    taken with the backup. An archive of files goes into a private folder and is compared file by file with the archive.
  - The time to recover is that of fetching, preparing, restoring and the first query; comparing comes after it. The loss is
    the age of the backup's data when the drill begins.
  - The outcome is written beside the backup as one new file. A backup whose last drill passed is C(proven).
  - Where the drill could not be carried out (a missing program, no key, no space), the module fails and the backup keeps its
    status. A damaged backup, or one that restores to something else, is a finding.
  - A dump can hold code that runs while it is restored. It runs in the scratch server, as the user C(postgres) where the module
    runs as root. Drill your own backups only.
  - The scratch server and folder are removed also after a failure or SIGTERM. After SIGKILL the kernel ends the server, and
    the next drill removes the folder.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  plan:
    description: Plan whose newest backup is restored. Without it, and without O(backup), the newest backup of all.
    type: str
  backup:
    description: Id of the backup to restore.
    type: str
  drill_every:
    description:
      - Age up to which the last drill of the plan that passed will do, as a duration such as V(30d).
      - V(0s) drills each time. With O(backup), only drills of that backup count.
    type: str
    default: 0s
  rto:
    description: Longest time to recover, as a duration such as V(4h). None is no objective.
    type: str
  rpo:
    description: Longest loss, the age of the backup's data, as a duration such as V(15m). None is no objective.
    type: str
  amcheck:
    description: Whether heap and B-tree indexes of the restored database are checked by PostgreSQL's amcheck.
    type: bool
    default: true
  identity_file:
    description: File with the private key of an encrypted backup, as age-keygen writes it, or an SSH private key.
    type: path
  bin_dir:
    description: Folder with PostgreSQL's programs to be used before those that are found.
    type: path
  scratch_dir:
    description:
      - Folder to restore below. It needs room for the restored database or files, and for the decoded dump.
      - Where the module runs as root, the user C(postgres) must be able to pass through it.
    type: path
    default: /var/tmp
  point:
    description:
      - Where the recovery of a physical backup is to end, at the newest point that its log has, or at a random one of it.
      - Other backups have one point only.
    type: str
    choices: [newest, random]
    default: newest
  seed:
    description: Number that the random point is chosen by; the time by default. It is recorded, and chooses the same point again.
    type: int
  jobs:
    description: Parallel jobs of decoding, pg_restore, comparing and amcheck.
    type: int
    default: 2
  timeout:
    description: How long the drill may take in all.
    type: str
    default: 8h
requirements:
  - psycopg >= 3.2, for databases
  - PostgreSQL server, client and contrib modules of the source's major version or a newer one, for databases
  - GNU tar, for archives
  - zstandard >= 0.22
  - pyrage >= 1.2, with O(identity_file)
seealso:
  - module: evenkeel.ops.backup
  - module: evenkeel.ops.backup_verify
extends_documentation_fragment:
  - evenkeel.ops.assertions
  - evenkeel.ops.repository
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
- name: Prove the newest backup of the plan shop, once a month
  evenkeel.ops.restore_drill:
    repository: /srv/backups
    plan: shop
    drill_every: 30d
    rto: 4h
    rpo: 15m
    assertions:
      - name: there are orders of this year
        sql: SELECT count(*) > 0 FROM orders WHERE placed_at >= date_trunc('year', now())
      - name: no order without a customer
        sql: SELECT count(*) FROM orders WHERE customer_id IS NULL
        expected: 0

- name: Prove one encrypted backup
  evenkeel.ops.restore_drill:
    repository: /srv/backups
    backup: 20260115T120000Z-ab12cd
    identity_file: /root/backup.key
"""

RETURN = r"""
drill:
  description: The drill; where none was due, the last one that passed.
  returned: success
  type: dict
  contains:
    backup_id: {description: Id of the backup., type: str, returned: success}
    plan: {description: Its plan., type: str, returned: success}
    engine: {description: What made it., type: str, returned: success}
    status:
      description: V(pass), V(fail), V(unknown) where part could not be looked at, V(planned) in check mode.
      type: str
      returned: success
    phases: {description: 'Name and seconds of each phase that was completed.', type: list, elements: dict, returned: success}
    rto_seconds: {description: 'Time to recover, null where it did not come to the first query.', type: float, returned: success}
    rto_objective_seconds: {description: Its objective., type: float, returned: success}
    rpo_seconds: {description: Age of the data., type: float, returned: success}
    rpo_objective_seconds: {description: Its objective., type: float, returned: success}
    tables_compared: {description: 'Tables, or members of the archive, compared.', type: int, returned: success}
    tables_different: {description: Those that were not the same., type: list, elements: str, returned: success}
    tools: {description: Programs and versions., type: dict, returned: when drilled}
    notes: {description: What was not as on the source., type: list, elements: str, returned: when drilled}
    recovery_point: {description: 'Of a physical backup, the point that was asked for, with its seed, and where recovery ended.',
                     type: dict, returned: when drilled}
findings:
  description: C(recovery.data), C(recovery.restore), C(recovery.amcheck), C(recovery.assertion), C(recovery.security),
    C(recovery.performance), C(recovery.rto), C(recovery.rpo).
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import storage
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly import engines
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import open_repository, reading_codecs
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.drill import (
    check_room,
    choose,
    last_passed,
    not_due,
    planned,
    run_drill,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.policy import ASSERTIONS, DrillPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.scratch import sweep

OPTIONS = own(
    plan={"type": "str"},
    backup={"type": "str"},
    drill_every={"type": "str", "default": "0s"},
    rto={"type": "str"},
    rpo={"type": "str"},
    amcheck={"type": "bool", "default": True},
    identity_file={"type": "path"},
    bin_dir={"type": "path"},
    scratch_dir={"type": "path", "default": "/var/tmp"},
    point={"type": "str", "choices": ["newest", "random"], "default": "newest"},
    seed={"type": "int"},
    jobs={"type": "int", "default": 2},
    timeout={"type": "str", "default": "8h"},
) + ASSERTIONS + storage.OPTIONS + engines.OPTIONS


def run(request: Request) -> Outcome:
    """Choose the backup, see whether a drill is due, carry it out."""
    policy = DrillPolicy.from_options(request.options)
    timeout = parse_duration(request["timeout"], option="timeout")
    repository = open_repository(request)
    backup = choose(repository, plan=request["plan"], id=request["backup"])
    earlier = last_passed([backup] if request["backup"] else repository.list(backup.plan))
    known = not_due(earlier, backup, policy, request.clock.now())
    if known:
        return Outcome(findings=known.findings, values={"drill": known.drill})
    scratch = Path(request["scratch_dir"])
    codecs = reading_codecs(request["identity_file"])
    make = engines.kit_for(backup.engine).drill(request, backup, codecs, policy, Deadline(request.clock, timeout))
    if request.check_mode:
        check_room(backup, scratch, storage.free_bytes(scratch))
        return Outcome(changed=True, summary=f"{backup.plan}/{backup.id} would be restored below {scratch}",
                       values={"drill": planned(backup, policy, request.clock.now())})
    swept = [f"Removed what a drill that was killed had left: {path}" for path in sweep(scratch, request.clock)]
    check_room(backup, scratch, storage.free_bytes(scratch))
    done = run_drill(backup, policy, make, scratch, request.clock)
    return Outcome(changed=True, findings=done.findings, values={"drill": done.drill}, warnings=[*swept, *done.notes])


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
