#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_pitr
short_description: Recover a PostgreSQL cluster to a point in time
description:
  - Restores a physical backup (engines V(pgbackrest) and V(pg_basebackup)) into an empty data directory, has the log replayed up
    to a point, and validates the result in isolation, on a socket of its own, without archiving or replication.
  - Says where recovery ended. The server is promoted there, and shut down cleanly.
  - With O(start) the server of the recovered data directory is started for good, with its own configuration, and only where the
    validation found nothing against it.
  - A data directory that is not empty is refused. What a recovery that failed had written is removed; what one that was killed
    had written is removed by the next run that has O(confirm).
  - Runs on the host that is to have the data directory, as root or as the server's account.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  plan:
    description: Plan whose backups are recovered from; the newest one that was complete before the point is taken.
    type: str
  backup:
    description: Id of the backup to recover from. Name one for a O(target) that lies before the newest backup, where O(target_type) is
      V(name) or V(xid).
    type: str
  target_type:
    description:
      - What the point is called by.
      - V(latest) is the end of the log, V(immediate) the end of the backup.
    type: str
    choices: [latest, immediate, time, lsn, name, xid]
    default: latest
  target:
    description: The point; an instant such as V(2026-01-15T12:00:00Z), an LSN, a restore point's name, or a transaction id.
    type: str
  target_inclusive:
    description: Whether the point itself is still recovered.
    type: bool
    default: true
  data_dir:
    description: Data directory to make; it must not exist, or be empty. Tablespaces come to a folder beside it, C(NAME-tablespaces).
    type: path
    required: true
  start:
    description: Start the server of the recovered data directory, and leave it running.
    type: bool
    default: false
  config_file:
    description: Its configuration file, where that is not in the data directory.
    type: path
  confirm:
    description: Recover into a folder that is not below O(scratch_dir), start a server, or remove what a killed recovery has left.
    type: bool
    default: false
  amcheck:
    description: Check heap and indexes of all databases.
    type: bool
    default: true
  identity_file:
    description: File with the private key of an encrypted backup.
    type: path
  bin_dir:
    description: Folder with PostgreSQL's programs to be used before those that are found.
    type: path
  scratch_dir:
    description: Folder for the socket and the log of the isolated server. What is recovered below it needs no O(confirm).
    type: path
    default: /var/tmp
  jobs:
    description: Parallel jobs.
    type: int
    default: 2
  timeout:
    description: How long it may take in all.
    type: str
    default: 8h
requirements:
  - psycopg >= 3.2
  - PostgreSQL server, client and contrib modules of the source's major version
  - pgBackRest, for backups of that engine
  - zstandard >= 0.22
seealso:
  - module: evenkeel.ops.restore_drill
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
- name: Look at the shop as it was before the accident, in a scratch folder
  evenkeel.ops.postgresql_pitr:
    repository: /srv/backups
    plan: shop
    target_type: time
    target: "2026-01-15T11:59:00Z"
    data_dir: /var/tmp/shop
    assertions:
      - name: the orders are there
        sql: SELECT count(*) > 100000 FROM orders

- name: Recover the shop to a restore point, and start it
  evenkeel.ops.postgresql_pitr:
    repository: /srv/backups
    plan: shop
    target_type: name
    target: before-release-42
    data_dir: /var/lib/postgresql/15/main
    config_file: /etc/postgresql/15/main/postgresql.conf
    start: true
    confirm: true
"""

RETURN = r"""
recovery:
  description: What was recovered, or would be.
  returned: success
  type: dict
  contains:
    backup_id: {description: Id of the backup., type: str, returned: success}
    plan: {description: Its plan., type: str, returned: success}
    engine: {description: What made it., type: str, returned: success}
    data_dir: {description: The data directory., type: str, returned: success}
    target: {description: The point that was asked for., type: str, returned: success}
    lsn: {description: Where recovery ended., type: str, returned: when recovered}
    timeline: {description: The timeline that it is on since., type: int, returned: when recovered}
    last_transaction_at: {description: Commit time of the last transaction that was replayed., type: str, returned: when recovered}
    log: {description: What the server's log says of the end of recovery., type: list, elements: str, returned: when recovered}
    phases: {description: Name and seconds of each phase., type: list, elements: dict, returned: when recovered}
    started: {description: Whether the server was started for good., type: bool, returned: success}
findings:
  description: C(recovery.data), C(recovery.replay), C(recovery.amcheck), C(recovery.checksums), C(recovery.assertion),
    C(recovery.security), C(recovery.performance).
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
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.point_in_time import chosen_backup, recovery_into
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.recovery_points import scratch_cluster
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import open_repository, reading_codecs
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Refused
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding, Status
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.point_in_time import check_empty, needs_confirmation, recover
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.policy import ASSERTIONS, DrillPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.recovery_point import KINDS, RecoveryPoint

OPTIONS = own(
    plan={"type": "str"},
    backup={"type": "str"},
    target_type={"type": "str", "choices": list(KINDS), "default": "latest"},
    target={"type": "str"},
    target_inclusive={"type": "bool", "default": True},
    data_dir={"type": "path", "required": True},
    start={"type": "bool", "default": False},
    config_file={"type": "path"},
    confirm={"type": "bool", "default": False},
    amcheck={"type": "bool", "default": True},
    identity_file={"type": "path"},
    bin_dir={"type": "path"},
    scratch_dir={"type": "path", "default": "/var/tmp"},
    jobs={"type": "int", "default": 2},
    timeout={"type": "str", "default": "8h"},
) + ASSERTIONS + storage.OPTIONS + engines.OPTIONS


def run(request: Request) -> Outcome:
    """Choose the backup, recover, validate, and hand over."""
    point = RecoveryPoint(request["target_type"], request["target"] or "", request["target_inclusive"])
    policy = DrillPolicy.from_options({**request.options, "drill_every": "0s"})
    deadline = Deadline(request.clock, parse_duration(request["timeout"], option="timeout"))
    data, scratch = Path(request["data_dir"]).absolute(), Path(request["scratch_dir"]).absolute()
    backup = chosen_backup(open_repository(request), point, plan=request["plan"], id=request["backup"])
    cluster = scratch_cluster(request, backup)
    cluster.check_folder(scratch)
    check_empty(data, remove_remains=request["confirm"])
    recovery = {"backup_id": backup.id, "plan": backup.plan, "engine": backup.engine, "data_dir": str(data), "target": str(point),
                "started": False}
    why = needs_confirmation(data, scratch, start=request["start"])
    if request.check_mode:
        wants = [Finding("recovery.confirmation", backup.plan, Status.WARN, why, hint="The real run refuses unless it is confirmed")] \
            if why and not request["confirm"] else []
        return Outcome(changed=True, findings=wants, values={"recovery": recovery},
                       summary=f"{backup.plan}/{backup.id} would be recovered to {point} in {data}")
    if why and not request["confirm"]:
        raise Refused(f"Recovery wants a confirmation: {why}", evidence={"data_dir": str(data)},
                      hint="Nothing was touched. See check mode; if it is what you want, confirm")
    with recovery_into(data, request, backup, reading_codecs(request["identity_file"]), cluster, policy, point, deadline) as work:
        done = recover(work, backup, request.clock)
    recovery |= {**done.reached, "phases": done.phases}
    if request["start"] and done.good:
        cluster.start_for_good(data, config_file=request["config_file"], log=data.with_name(f"{data.name}.log"),
                               timeout=max(1.0, deadline.left))
        recovery["started"] = True
    return Outcome(changed=True, findings=done.findings, values={"recovery": recovery},
                   summary=f"{backup.plan}/{backup.id} was recovered to {recovery['lsn']} in {data}"
                           f"{', and its server started' if recovery['started'] else ''}")


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
