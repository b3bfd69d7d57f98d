# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``pg_basebackup``, put together."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from ..adapters import postgres
from ..adapters.command import Commands
from ..adapters.pg_basebackup import BaseBackupPrograms, ClusterTar, CommandsAs, client_from
from ..adapters.scratch_cluster import ScratchCluster
from ..backups.basebackup_engine import BaseBackupEngine, BaseBackupPolicy, BaseBackupReader, Cluster, open_chain
from ..backups.engine import Engine, Reader
from ..backups.payload import Codecs
from ..backups.repository import Backup, Repository
from ..core.edge import Request
from ..core.quantities import parse_duration
from ..core.waiting import Deadline
from ..recovery.drill import Subject
from ..recovery.physical import Copy, PhysicalDrill
from ..recovery.physical_copies import BaseBackupCopy
from ..recovery.policy import DrillPolicy
from .recovery_points import chosen_point, scratch_cluster
from .repositories import open_repository


class PgBasebackupKit:
    """See `engines.Kit`."""

    def engine(self, request: Request, repository: Repository) -> Engine:
        """One cluster, over a connection for replication."""
        given = request["pg_basebackup"]
        target = postgres.PostgresTarget.from_options(request.options)
        policy = BaseBackupPolicy(
            kind=given["type"], level=given["level"], jobs=request.count("jobs"),
            timeout=parse_duration(request["timeout"], option="timeout"),
            full_every=None if given["full_every"] is None else parse_duration(given["full_every"], option="pg_basebackup.full_every"))
        programs = BaseBackupPrograms(Commands(), _folders(request))
        cluster = Cluster(lambda: postgres.connect(target, statement_timeout=60), target.client_environment,
                          {"host": target.host, "port": target.port})
        return BaseBackupEngine(cluster, programs.client_for, policy, request.clock, lambda: repository.list(request["plan"]))

    def reader(self, request: Request) -> Reader:
        """pg_verifybackup reads it."""
        commands = Commands()
        return BaseBackupReader(lambda version: client_from(commands, version, _folders(request)), ClusterTar(commands),
                                timeout=parse_duration(request["timeout"], option="timeout"))

    def drill(self, request: Request, backup: Backup, codecs: Codecs, policy: DrillPolicy,
              deadline: Deadline) -> Callable[[Path], Subject]:
        """Restored into a cluster of its own."""
        cluster = scratch_cluster(request, backup)
        cluster.check_folder(request["scratch_dir"])
        wal_dir, source = request["pg_basebackup"]["wal_dir"], backup.manifest.source
        point, chosen = chosen_point(request, lambda: _segments(wal_dir), source["lsn_stop"], source["segment_bytes"])
        copy = self.physical(request, backup, codecs, cluster)
        return lambda folder: PhysicalDrill(backup, copy, cluster, policy, folder, point=point, chosen=chosen, jobs=request.count("jobs"),
                                            deadline=deadline)

    def physical(self, request: Request, backup: Backup, codecs: Codecs, cluster: ScratchCluster) -> Copy:
        """On its way into a data directory, with all that it rests on."""
        commands, wal_dir = CommandsAs(cluster.account), request["pg_basebackup"]["wal_dir"]

        def hand_over(path: Path) -> None:
            if cluster.account:
                shutil.chown(path, cluster.account)

        return BaseBackupCopy(
            open_chain(backup, open_repository(request)),
            client_from(commands, backup.manifest.tools.get("pg_basebackup", ""), _folders(request)), ClusterTar(commands), codecs,
            cluster.make_folder, hand_over, wal_dir=Path(wal_dir) if wal_dir else None)

    def eraser(self, request: Request) -> None:
        """Everything lies in our repository."""


def _segments(wal_dir: str | None) -> list[str]:
    """The log segments in a folder that pg_receivewal or an archive_command fills."""
    if not wal_dir or not os.path.isdir(wal_dir):
        return []
    return sorted(name for name in os.listdir(wal_dir) if re.fullmatch(r"[0-9A-F]{24}", name))


def _folders(request: Request) -> list[str]:
    return [request["bin_dir"]] if request["bin_dir"] else []
