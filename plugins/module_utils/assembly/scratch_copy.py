# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of a database, restored for a while into a server of our own, to try something on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..adapters import storage
from ..adapters.command import Commands
from ..adapters.pg_restore import Restored
from ..adapters.postgres import PostgresSession, PostgresTarget
from ..adapters.scratch_database import DATABASE, ScratchDatabase
from ..backups.payload import Codecs
from ..backups.repository import Backup
from ..core import progress
from ..core.clock import Clock
from ..core.edge import Request
from ..core.errors import InvalidOption, ToolMissing
from ..core.waiting import Deadline
from ..recovery.database import DatabaseDrill, source_of
from ..recovery.drill import check_room
from ..recovery.policy import DrillPolicy
from ..recovery.scratch import scratch_folder, sweep


class CopiedDatabase(ScratchDatabase):
    """A scratch server that has the ``roles`` of the source, by name, and remembers what pg_restore said."""

    roles: Sequence[str] = ()
    restored: Restored | None = None

    def create(self, locale: Mapping[str, Any]) -> list[str]:
        """Roles first: policies and grants name them."""
        with self.session(database="postgres") as session:
            for name in self.roles:
                if not session.value("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)):
                    session.run("CREATE ROLE {name}", names={"name": name})
        return super().create(locale)

    def restore(self, dump: Path, *, jobs: int, deadline: Deadline) -> Restored:
        """As `ScratchDatabase.restore`."""
        self.restored = super().restore(dump, jobs=jobs, deadline=deadline)
        return self.restored


@dataclass
class ScratchCopy:
    """What was restored: the server, the drill that did it, and how many seconds each phase took."""

    database: CopiedDatabase
    drill: DatabaseDrill
    seconds: dict[str, float] = field(default_factory=dict)
    name: str = DATABASE

    def rename(self, name: str) -> None:
        """Call the database as the source is called."""
        if name != self.name:
            with self.database.session(database="template1") as session:
                session.run("ALTER DATABASE {old} RENAME TO {new}", names={"old": self.name, "new": name})
            self.name = name

    def session(self, **options: Any) -> PostgresSession:
        """A session of the scratch server's superuser."""
        return self.database.session(database=self.name, **options)

    @property
    def target(self) -> PostgresTarget:
        """Where it is."""
        with self.session() as session:
            return session.target


def timed(seconds: dict[str, float], name: str, work: Callable[[], Any], clock: Clock) -> Any:
    """Do it, and note how long it took."""
    began = clock.monotonic()
    answer = work()
    seconds[name] = clock.monotonic() - began
    return answer


def own_folders(request: Request) -> list[str]:
    """The folders with programs that the operator named."""
    return [request["bin_dir"]] if request["bin_dir"] else []


def server_for(request: Request, backup: Backup, *, major: int) -> CopiedDatabase:
    """A server of just this major version; looked for before anything is begun.

    :raises InvalidOption: for a backup that is no dump, and for a folder in which no server can live
    :raises ToolMissing: names the package
    """
    if backup.engine != "pg_dump":
        raise InvalidOption(f"Backup {backup.id} was made by the engine {backup.engine}: only a dump can be restored beside the server",
                            hint="Have a plan of the engine pg_dump for this database and name that")
    _source, archive = source_of(backup)
    database = CopiedDatabase(Commands(), request.clock, major=major, archive_major=archive, folders=own_folders(request))
    if database.installation.major != major:
        raise ToolMissing(f"PostgreSQL {major} is needed on this host; the nearest is {database.installation.major}",
                          hint=f"Install the package postgresql-{major}, or name its folder in bin_dir")
    database.check_folder(request["scratch_dir"])
    return database


@contextmanager
def scratch_copy(request: Request, backup: Backup, codecs: Codecs, database: CopiedDatabase, policy: DrillPolicy,
                 deadline: Deadline) -> Iterator[ScratchCopy]:
    """Restore, and tear down at the end, whatever happens; what a killed run left is cleared away first.

    :raises OpsError: where it cannot be restored
    """
    scratch, clock = Path(request["scratch_dir"]), request.clock
    sweep(scratch, clock)
    check_room(backup, scratch, storage.free_bytes(scratch))
    with backup.held(), scratch_folder(scratch) as folder:
        drill = DatabaseDrill(backup, codecs, database, policy, folder, jobs=request["jobs"], deadline=deadline)
        copy = ScratchCopy(database, drill)
        try:
            for phase in ("fetch", "prepare", "restore"):
                progress.begin(f"copy of {backup.plan}/{backup.id}: {phase}", backup.manifest.bytes)
                timed(copy.seconds, phase, getattr(drill, phase), clock)
            yield copy
        finally:
            drill.stop()
