# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``pg_dump``, put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..adapters import pg_dump, postgres, storage
from ..adapters.command import Commands
from ..backups.dump_engine import Database, DumpEngine, DumpPolicy, DumpReader
from ..backups.engine import Engine, Reader
from ..backups.payload import Codecs
from ..backups.repository import Backup, Repository
from ..core.edge import Request
from ..core.errors import InvalidOption
from ..core.quantities import parse_duration
from ..core.waiting import Deadline

if TYPE_CHECKING:
    from ..recovery.drill import Subject
    from ..recovery.policy import DrillPolicy
    from ..recovery.restore import Restoration


class PgDumpKit:
    """See `engines.Kit`."""

    def engine(self, request: Request, repository: Repository) -> Engine:
        """One database, in parallel."""
        target = postgres.PostgresTarget.from_options(request.options)
        policy = DumpPolicy(
            jobs=request.count("jobs"), compression=request["compression"], level=request["compression_level"],
            fingerprint=request["fingerprint"], lock_timeout=parse_duration(request["lock_timeout"], option="lock_timeout"),
            timeout=parse_duration(request["timeout"], option="timeout"))
        database = Database(lambda: postgres.connect(target, statement_timeout=policy.timeout), target.client_environment,
                            target.host, target.port, target.database)
        return DumpEngine(database, _programs(request), policy, request.clock, storage.nobody_writes)

    def reader(self, request: Request) -> Reader:
        """pg_restore reads it."""
        return DumpReader(_programs(request), jobs=request.count("jobs"), timeout=parse_duration(request["timeout"], option="timeout"))

    def drill(self, request: Request, backup: Backup, codecs: Codecs, policy: DrillPolicy,
              deadline: Deadline) -> Callable[[Path], Subject]:
        """Restored into a server of its own."""
        from ..adapters.scratch_database import ScratchDatabase  # here and below: a backup is made without them
        from ..recovery.database import DatabaseDrill, source_of

        source_major, archive_major = source_of(backup)
        database = ScratchDatabase(Commands(), request.clock, major=source_major, archive_major=archive_major,
                                   folders=_folders(request))
        database.check_folder(request["scratch_dir"])
        return lambda folder: DatabaseDrill(backup, codecs, database, policy, folder, jobs=request.count("jobs"), deadline=deadline)

    def restore(self, request: Request, repository: Repository, backup: Backup, codecs: Codecs, deadline: Deadline) -> Restoration:
        """Into a server that is there, and compared as in a drill."""
        from ..adapters.target_database import TargetDatabase
        from ..recovery.database import DatabaseDrill, source_of
        from ..recovery.database_target import DatabaseDestination
        from ..recovery.policy import DrillPolicy
        from ..recovery.restore import Restoration

        if not request["target_database"]:
            raise InvalidOption(f"Backup {backup.id} is of a database, and no target_database was named",
                                hint="Name the database to make, and the server with login_host")
        _source_major, archive_major = source_of(backup)
        target = TargetDatabase(Commands(), postgres.PostgresTarget.from_options(request.options), request["target_database"],
                                archive_major=archive_major, owners=request["owners"], folders=_folders(request),
                                size=backup.manifest.source_bytes)
        return Restoration(
            DatabaseDestination(target, Path(request["scratch_dir"]), deadline),
            lambda folder: DatabaseDrill(backup, codecs, target, DrillPolicy(amcheck=False), folder, jobs=request.count("jobs"),
                                         deadline=deadline))

    def eraser(self, request: Request) -> None:
        """Everything lies in our repository."""


def _folders(request: Request) -> list[str]:
    return [request["bin_dir"]] if request["bin_dir"] else []


def _programs(request: Request) -> pg_dump.DumpPrograms:
    return pg_dump.DumpPrograms(Commands(), _folders(request))
