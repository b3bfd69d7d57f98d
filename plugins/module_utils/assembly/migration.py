# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration, put together: its tool, the database, the backup of before, the rehearsal on a copy of that."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..adapters.command import Commands
from ..adapters.migration_commands import MigrationCommands, Surroundings, Timeouts
from ..adapters.pg_dump import DumpPrograms
from ..adapters.postgres import PostgresSession, PostgresTarget, connect
from ..adapters.schema_dump import schema_text
from ..backups.repository import Backup, Repository
from ..core.clock import Clock
from ..core.edge import Request
from ..core.errors import Busy, InvalidOption, NotFound, Refused
from ..core.quantities import parse_duration
from ..core.waiting import Deadline
from ..databases.alembic_tool import AlembicTool
from ..databases.migrate import Migration
from ..databases.migration_journal import Journal
from ..databases.migration_policy import Copy, MigrationPolicy
from ..databases.migration_tool import CommandList, State, Tool
from ..databases.rehearsal import Rehearsed, rehearse
from ..databases.schema_objects import Schema, read_schema
from ..recovery.policy import DrillPolicy
from .repositories import open_repository, reading_codecs
from .scratch_copy import own_folders, scratch_copy, server_for

_RANKS = ("verified", "proven")


@dataclass(frozen=True)
class Place:
    """See `databases.rehearsal.Place`."""

    target: PostgresTarget
    surroundings: Surroundings
    timeouts: Timeouts
    programs: DumpPrograms
    version_table: str
    clock: Clock
    commands: MigrationCommands

    @classmethod
    def at(cls, target: PostgresTarget, surroundings: Surroundings, timeouts: Timeouts, programs: DumpPrograms, version_table: str,
           clock: Clock) -> Place:
        """With its whole time before it."""
        commands = MigrationCommands(target, surroundings, timeouts, Deadline(clock, timeouts.whole), version_table=version_table)
        return cls(target, surroundings, timeouts, programs, version_table, clock, commands)

    def schema(self) -> Schema:
        """See `databases.rehearsal.Place`."""
        return read_schema(schema_text(self.programs, self.target, lock_timeout=self.timeouts.lock, timeout=self.timeouts.statement))

    def session(self) -> PostgresSession:
        """See `databases.rehearsal.Place`."""
        return connect(self.target, application_name="evenkeel.ops rehearsal")

    def renewed(self) -> Place:
        """See `databases.rehearsal.Place`."""
        return Place.at(self.target, self.surroundings, self.timeouts, self.programs, self.version_table, self.clock)

    def moved(self, target: PostgresTarget) -> Place:
        """The same on another database."""
        return Place.at(target, self.surroundings, self.timeouts, self.programs, self.version_table, self.clock)


def tool_for(request: Request) -> Tool:
    """The tool that the options name.

    :raises InvalidOption: where they name none, or mix two
    """
    given = request["alembic"]
    if request["tool"] == "alembic":
        if not given or not given.get("config"):
            raise InvalidOption("alembic.config is missing", hint="Give the path of alembic.ini, or tool commands")
        if request["commands"] or request["pending"] or request["rollback_commands"]:
            raise InvalidOption("commands, pending and rollback_commands are not for the tool alembic", hint="Leave them out")
        return AlembicTool(given["program"], given["config"], given["arguments"], given["revision"], given["version_table"])
    if given:
        raise InvalidOption("alembic is not for the tool commands", hint="Leave it out")
    return CommandList(request["commands"] or [], request["pending"] or [], request["rollback_commands"] or [])


def place_for(request: Request, target: PostgresTarget, version_table: str) -> Place:
    """The database itself.

    :raises InvalidOption: for a time that is none
    """
    def seconds(option: str) -> float:
        value = parse_duration(request[option], option=option)
        if value == 0:
            raise InvalidOption(f"{option}: no time at all is never enough", hint="Give a duration such as 5s")
        return value

    timeouts = Timeouts(seconds("lock_timeout"), seconds("statement_timeout"), seconds("timeout"))
    surroundings = Surroundings(
        chdir=request["chdir"], url_variable=request["url_variable"], url_scheme=request["url_scheme"],
        url_password=request["url_password"], variables={str(key): str(value) for key, value in (request["variables"] or {}).items()},
        secrets={str(key): str(value) for key, value in (request["secrets"] or {}).items()})
    return Place.at(target, surroundings, timeouts, DumpPrograms(Commands(), own_folders(request)), version_table, request.clock)


class BackupsOfBefore:
    """Finds the verified backup that a migration rests on, in the repository of the request."""

    def __init__(self, request: Request, database: str) -> None:
        self._request, self._database = request, database
        self._max_age = parse_duration(request["backup_max_age"], option="backup_max_age")
        if not request["backup"] and not request["plan"]:
            raise InvalidOption("Neither a backup nor a plan was named", hint="Name the plan that backs this database up")

    def find(self, id: str | None) -> Copy | None:
        """The backup of this id (that an earlier run rests on), else the one that was named, else the newest good one of the plan
        that is young enough; None where there is none.

        :raises Refused: for one that is not of this database, or was not verified
        """
        backup = None
        if id:
            with suppress(NotFound):  # retention may have taken it
                backup = self.open(id)
        if backup is None:
            wanted = self._request["backup"]
            backup = self.open(wanted) if wanted else self._newest(open_repository(self._request))
        return None if backup is None else Copy(backup.id, backup.plan, backup.status, self._age(backup))

    def open(self, id: str) -> Backup:
        """One by its id.

        :raises Refused: as `find`
        """
        backup = open_repository(self._request).open(id)
        self._check_source(backup)
        if backup.status not in _RANKS:
            raise Refused(f"Backup {id} is {backup.status}, and a migration wants a verified one", hint="Verify it (backups.verify)",
                          evidence={"backup_id": id, "status": backup.status})
        return backup

    def _newest(self, repository: Repository) -> Backup | None:
        try:
            backups = repository.list(self._request["plan"])
        except NotFound:
            return None
        good = [backup for backup in backups if backup.status in _RANKS and 0 <= self._age(backup) <= self._max_age]
        if not good:
            return None
        newest = max(good, key=lambda backup: (backup.created_at, backup.id))
        self._check_source(newest)
        return newest

    def _age(self, backup: Backup) -> float:
        return (self._request.clock.now() - backup.created_at).total_seconds()

    def _check_source(self, backup: Backup) -> None:
        source = backup.manifest.source.get("database")
        if source is not None and source != self._database and backup.engine == "pg_dump":
            raise Refused(f"Backup {backup.id} is of the database {source}, not of {self._database}", hint="Name the plan of this database")


def rehearsal_on(request: Request, place: Place, tool: Tool, backups: BackupsOfBefore, target: PostgresTarget):
    """What rehearses on a copy of a backup; `databases.migrate.Migration` calls it."""
    def run(copy: Copy, state: State, midway: bool) -> Rehearsed:
        backup = backups.open(copy.id)
        with connect(target) as session:
            major = session.server_major
            roles = [row["name"] for row in session.fetch("SELECT rolname::text AS name FROM pg_roles WHERE rolname !~ '^pg_'")]
        database = server_for(request, backup, major=major)
        database.roles = roles
        deadline = Deadline(request.clock, parse_duration(request["restore_timeout"], option="restore_timeout"))
        with scratch_copy(request, backup, reading_codecs(request["identity_file"]), database, DrillPolicy(amcheck=False),
                          deadline) as scratch:
            scratch.rename(target.database)
            done = rehearse(tool, place.moved(scratch.target), state, request.clock, midway=midway)
        said = database.restored
        notes = (f"pg_restore had {said.error_count} errors: {'; '.join(said.errors[:3])}",) if said and said.error_count else ()
        return replace(done, phases={**scratch.seconds, **done.phases}, notes=(*database.notes, *notes))

    return run


@contextmanager
def one_at_a_time(place: Place) -> Iterator[None]:
    """The right to migrate this database, for as long as a session of ours lives.

    :raises Busy: while another run has it, or statements of one that was killed still run
    """
    key = int.from_bytes(hashlib.sha256(b"evenkeel.ops migration").digest()[:8], "big", signed=True)
    with place.session() as session:
        if session.server_major >= 14:
            session.set("idle_session_timeout", 0)
        if not session.value("SELECT pg_try_advisory_lock(%s)", (key,)):
            raise Busy(f"Another run migrates {place.target.name}", hint="Wait until it has ended")
        place.commands.wait_for_earlier(place.clock)
        yield


def migration(request: Request) -> tuple[Migration, Place]:
    """From the options of `database_migration`.

    :raises InvalidOption: for options that make no sense
    """
    target = PostgresTarget.from_options(request.options)
    tool = tool_for(request)
    place = place_for(request, target, tool.version_table)
    backups = BackupsOfBefore(request, target.database)
    return Migration(
        target.name, target.database, tool, place, MigrationPolicy.from_options(request.options),
        Journal(Path(request["state_dir"]), target.name), request.clock, backup=backups.find,
        rehearse=rehearsal_on(request, place, tool, backups, target)), place
