# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database on a server that is there, restored under a name of our own and renamed when it is whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core import progress
from ..core.errors import AccessDenied, InvalidOption, OpsError
from ..core.waiting import Deadline
from .command import Commands
from .pg_restore import Restored, create_database, restore_into
from .postgres import PostgresSession, PostgresTarget, connect
from .postgres_server import Installation, installation_for

# Everything a user made has an oid of at least FirstNormalObjectId (PostgreSQL's access/transam.h).
_OWN_OBJECTS = """
    SELECT (SELECT count(*) FROM pg_class WHERE oid >= 16384) + (SELECT count(*) FROM pg_proc WHERE oid >= 16384)
         + (SELECT count(*) FROM pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_(temp|toast_temp)_')
         + (SELECT count(*) FROM pg_type WHERE oid >= 16384)
         + (SELECT count(*) FROM pg_extension WHERE oid >= 16384) + (SELECT count(*) FROM pg_largeobject_metadata)"""


class TargetDatabase:
    """The database ``name`` on the server of ``server``, whose own database is only a place to give orders from.

    What is restored lives under ``working`` until `publish`, a name that depends on ``name`` alone, so that the next run finds it.

    :raises ToolMissing: names the package with a pg_restore that reads what the pg_dump of ``archive_major`` wrote
    :raises InvalidOption: for a name that no database can have, and for the one that orders are given from
    """

    def __init__(self, commands: Commands, server: PostgresTarget, name: str, *, archive_major: int, owners: bool,
                 folders: Sequence[str] = (), size: int | None = None) -> None:
        if not name or "\0" in name or len(name.encode()) > 63:  # NAMEDATALEN - 1
            raise InvalidOption(f"target_database: {name!r} can name no database", hint="Give 1 to 63 bytes")
        if name == server.database:
            raise InvalidOption(f"target_database: {name} is the database that login_db names to give orders from",
                                hint="Leave login_db at postgres, and name another target_database")
        self._commands, self._server, self._owners, self._archive_major = commands, server, owners, archive_major
        self._folders, self._size = tuple(folders), size
        self.database = name
        self.name = replace(server, database=name).name
        self.working = f"evenkeel_restoring_{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        self.notes: list[str] = []
        self.restored: Restored | None = None
        self._installation: Installation | None = None

    @property
    def client(self) -> Installation:
        """The programs that restore: of the server's major, or newer where the archive wants that; looked for once."""
        if self._installation is None:
            with self.orders() as session:
                major = max(session.server_major, self._archive_major)
            self._installation = installation_for(self._commands, major, program="pg_restore", folders=self._folders)
        return self._installation

    @property
    def tools(self) -> dict[str, str]:
        """Programs and their versions."""
        return {"pg_restore": ".".join(map(str, self.client.version))}

    def orders(self) -> PostgresSession:
        """A session in the server's own database."""
        return connect(self._server, application_name="evenkeel.ops restore")

    def session(self, *, statement_timeout: float | None = None) -> PostgresSession:
        """A session in what is being restored."""
        return connect(replace(self._server, database=self.working), statement_timeout=statement_timeout,
                       application_name="evenkeel.ops restore")

    def check_rights(self) -> None:
        """:raises AccessDenied: where the account may not create databases"""
        with self.orders() as session:
            if not session.value("SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user"):
                raise AccessDenied(f"User {self._server.user} may not create databases on {self._server.name}",
                                   hint=f"Grant it (ALTER ROLE {self._server.user} CREATEDB), or log in as another")

    def objects(self) -> int | None:
        """How many objects of its users the database has; None where there is no such database."""
        with self.orders() as session:
            if not self._exists(session, self.database):
                return None
        with connect(replace(self._server, database=self.database), application_name="evenkeel.ops restore") as inside:
            return int(inside.value(_OWN_OBJECTS))

    def left_behind(self) -> bool:
        """Whether a restore of this database was broken off."""
        with self.orders() as session:
            return self._exists(session, self.working)

    def claim(self, session: PostgresSession) -> bool:
        """The right to restore this database, for as long as ``session`` lives; False while another run has it."""
        if session.server_major >= 14:
            session.set("idle_session_timeout", 0)  # it waits while others work
        key = int.from_bytes(hashlib.sha256(self.working.encode()).digest()[:8], "big", signed=True)
        return bool(session.value("SELECT pg_try_advisory_lock(%s)", (key,)))

    def discard(self, session: PostgresSession) -> None:
        """Drop what was being restored, if it is there."""
        session.run("DROP DATABASE IF EXISTS {database} WITH (FORCE)", names={"database": self.working})

    def initialize(self, folder: Path, deadline: Deadline, *, watch: Callable[[], None]) -> None:
        """The server is there."""

    def prepare(self, folder: Path, deadline: Deadline) -> None:
        """The server is there."""

    def create(self, locale: Mapping[str, Any]) -> list[str]:
        """See `pg_restore.create_database`."""
        with self.orders() as session:
            return create_database(session, self.working, locale)

    def restore(self, dump: Path, *, jobs: int, deadline: Deadline) -> Restored:
        """See `pg_restore.restore_into`. How far it is shows in the size that the database has come to."""
        progress.begin(f"restore into {self.database}", self._size, reached=True)
        self.restored = restore_into(self._commands, self.client.program("pg_restore"), replace(self._server, database=self.working),
                                     dump, jobs=jobs, deadline=deadline, owners=self._owners,
                                     watch=self._tell_size if progress.watched() else None)
        return self.restored

    def _tell_size(self) -> None:
        with suppress(OpsError), self.orders() as session:
            progress.reach(session.value("SELECT pg_database_size(%s)", (self.working,)))

    def publish(self, *, timeout: float) -> None:
        """Gather statistics, which no dump carries, and give the database its name. An empty one of that name is dropped, and its
        owner kept.

        :raises OpsError: what the server says, as while somebody is connected to the empty database
        """
        with self.session(statement_timeout=timeout) as inside:
            inside.run("ANALYZE")
        with self.orders() as session:
            owner = session.value("SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = %s", (self.database,))
            if owner is not None:
                session.run("DROP DATABASE {database}", names={"database": self.database})
            session.run("ALTER DATABASE {working} RENAME TO {database}", names={"working": self.working, "database": self.database})
            if owner is not None:
                session.run("ALTER DATABASE {database} OWNER TO {owner}", names={"database": self.database, "owner": owner})

    def stop(self) -> None:
        """The server stays."""

    @staticmethod
    def _exists(session: PostgresSession, name: str) -> bool:
        return bool(session.value("SELECT count(*) FROM pg_database WHERE datname = %s", (name,)))
