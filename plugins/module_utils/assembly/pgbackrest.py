# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``pgbackrest``, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..adapters import postgres
from ..adapters.command import Commands
from ..adapters.pgbackrest import PgBackRest
from ..adapters.postgres_server import server_account
from ..backups.engine import Engine, Reader
from ..backups.payload import Codecs
from ..backups.pgbackrest_engine import PgBackRestEngine, PgBackRestPolicy, PgBackRestReader
from ..backups.repository import Backup, Repository
from ..core.edge import Request
from ..core.quantities import parse_duration
from ..core.waiting import Deadline

if TYPE_CHECKING:
    from ..adapters.scratch_cluster import ScratchCluster
    from ..recovery.drill import Subject
    from ..recovery.physical import Copy
    from ..recovery.policy import DrillPolicy

# Deleting takes no longer than this; the modules that delete have no timeout of their own.
_ERASING = 600.0


class PgBackRestKit:
    """See `engines.Kit`."""

    def engine(self, request: Request, repository: Repository) -> Engine:
        """One stanza, which `pgbackrest_stanza` has made."""
        given = request["pgbackrest"]
        target = postgres.PostgresTarget.from_options(request.options)
        policy = PgBackRestPolicy(
            kind=given["type"], jobs=request.count("jobs"), timeout=parse_duration(request["timeout"], option="timeout"),
            full_every=None if given["full_every"] is None else parse_duration(given["full_every"], option="pgbackrest.full_every"),
            archive_age=parse_duration(given["archive_age"], option="pgbackrest.archive_age"))
        return PgBackRestEngine(
            lambda: postgres.connect(target, statement_timeout=60), programs(given["config"], given["stanza"], given["account"]), policy,
            request.clock, lambda: repository.list(request["plan"]), {"host": target.host, "port": target.port})

    def reader(self, request: Request) -> Reader:
        """pgBackRest reads its repository."""
        return PgBackRestReader(lambda native: _programs_of(request, native), jobs=request.count("jobs"),
                                timeout=parse_duration(request["timeout"], option="timeout"))

    def drill(self, request: Request, backup: Backup, codecs: Codecs, policy: DrillPolicy,
              deadline: Deadline) -> Callable[[Path], Subject]:
        """Restored into a cluster of its own, its log replayed."""
        from ..recovery.physical import PhysicalDrill  # here and below: a backup is made without them
        from .recovery_points import chosen_point, scratch_cluster

        cluster = scratch_cluster(request, backup)
        cluster.check_folder(request["scratch_dir"])
        native, copy = backup.manifest.native or {}, self.physical(request, backup, codecs, cluster)
        point, chosen = chosen_point(
            request, lambda: _programs_of(request, native).segments(timeout=max(1.0, deadline.left)).get(native["archive"], []),
            native["lsn_stop"], backup.manifest.source["segment_bytes"])
        return lambda folder: PhysicalDrill(backup, copy, cluster, policy, folder, point=point, chosen=chosen, jobs=request.count("jobs"),
                                            deadline=deadline)

    def physical(self, request: Request, backup: Backup, codecs: Codecs, cluster: ScratchCluster) -> Copy:
        """On its way into a data directory."""
        from ..recovery.physical_copies import PgBackRestCopy

        return PgBackRestCopy(backup, _programs_of(request, backup.manifest.native or {}), cluster.make_folder, jobs=request.count("jobs"))

    def eraser(self, request: Request) -> Callable[[Backup], None]:
        """pgBackRest deletes the copy and the log that nothing needs any more; one that is gone already is none of its."""
        def erase(backup: Backup) -> None:
            native = backup.manifest.native or {}
            repository = _programs_of(request, native)
            if native["name"] in {one["label"] for one in repository.info()["backup"]}:
                repository.expire(native["name"], timeout=_ERASING)

        return erase


def programs(config: str, stanza: str | None, account: str | None) -> PgBackRest:
    """pgBackRest on a stanza, as ``account`` or else as the one that servers run as here."""
    return PgBackRest(Commands(), config=config, stanza=stanza or "", account=account or server_account())


def _programs_of(request: Request, native: Mapping[str, Any]) -> PgBackRest:
    """By what the manifest says: the options' stanza is for new backups."""
    return programs(str(native["repository"]), str(native["stanza"]), request["pgbackrest"]["account"])
