# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server for a while, with one database in it that a dump is restored into; nothing of it outlives the drill."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.clock import Clock
from ..core.errors import OpsError
from ..core.waiting import Deadline
from .command import Commands
from .pg_restore import Restored, create_database, restore_into
from .postgres import PostgresSession, PostgresTarget, connect
from .postgres_server import Installation, PostgresServer, check_scratch_folder, installation_for, server_account

DATABASE = "drill"
# sun_path holds 107 bytes and a NUL (unix(7)); the server's socket is called .s.PGSQL.5432.
_LONGEST_FOLDER = 107 - len("/.s.PGSQL.5432")
# What is lost with the machine is lost anyway: nothing here need survive a crash, and nobody replicates from it.
_SETTINGS = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": "0",
    "archive_mode": "off", "autovacuum": "off", "max_wal_size": "8GB", "checkpoint_timeout": "1h", "jit": "off",
    "shared_buffers": "256MB", "maintenance_work_mem": "256MB", "max_locks_per_transaction": "1024", "log_min_messages": "fatal",
}


class ScratchDatabase:
    """Server and client programs are chosen on creation, so that a missing one is told before anything is begun.

    ``major`` is the source server's, ``archive_major`` that of the pg_dump which wrote the archive: older programs
    cannot read it.

    :raises ToolMissing: names the package
    """

    def __init__(self, commands: Commands, clock: Clock, *, major: int, archive_major: int = 0,
                 folders: Sequence[str] = ()) -> None:
        self._commands = commands
        self._clock = clock
        self.major = major
        self.installation: Installation = installation_for(commands, major, program="postgres", folders=folders)
        self.installation.program("initdb")
        self.client: Installation = installation_for(
            commands, max(self.installation.major, archive_major), program="pg_restore", folders=folders)
        self._server: PostgresServer | None = None

    @property
    def notes(self) -> list[str]:
        """What the operator should know of the programs that were found."""
        if self.installation.major == self.major:
            return []
        return [f"PostgreSQL {self.major} is not installed here: the drill restored into {self.installation.major}"]

    @property
    def tools(self) -> dict[str, str]:
        """Programs and their versions."""
        return {"postgres": ".".join(map(str, self.installation.version)),
                "pg_restore": ".".join(map(str, self.client.version))}

    def check_folder(self, folder: str | os.PathLike[str]) -> None:
        """As `postgres_server.check_scratch_folder`."""
        check_scratch_folder(self._commands, folder, account=server_account(), longest=_LONGEST_FOLDER)

    def initialize(self, folder: Path, deadline: Deadline, *, watch: Callable[[], None] | None = None) -> None:
        """initdb, where that was not done yet; ``watch`` is called meanwhile and may raise to end it.

        :raises OpsError: what initdb says
        """
        if self._server is None:
            self._server = PostgresServer(self._commands, self.installation, folder, self._clock, settings=_SETTINGS)
            self._server.initialize(checksums=False, timeout=max(1.0, deadline.left), watch=watch)

    def prepare(self, folder: Path, deadline: Deadline) -> None:
        """Initialize and start, on a socket in a folder that only the server's account and root can enter. The server ends with
        the thread that calls this.

        :raises OpsError: what initdb or the server says
        """
        self.initialize(folder, deadline)
        self._server.start(timeout=max(1.0, min(60.0, deadline.left)))

    def create(self, locale: Mapping[str, Any]) -> list[str]:
        """Create the database with the source's encoding and locale; gives notes where the host has not that locale.

        ``locale`` is ``database`` of a fingerprint; empty where there is none.
        """
        with self.session(database="postgres") as session:
            return create_database(session, DATABASE, locale)

    def restore(self, dump: Path, *, jobs: int, deadline: Deadline) -> Restored:
        """See `pg_restore.restore_into`; owners and grants are the old cluster's and are left out.

        :raises OpsError: as `restore_into`
        """
        return restore_into(self._commands, self.client.program("pg_restore"), self._target(DATABASE), dump, jobs=jobs,
                            deadline=deadline)

    def session(self, *, database: str = DATABASE, statement_timeout: float | None = None) -> PostgresSession:
        """A session of the scratch server's superuser.

        :raises OpsError: as `connect`
        """
        return connect(self._target(database), statement_timeout=statement_timeout, application_name="evenkeel.ops drill")

    def _target(self, database: str) -> PostgresTarget:
        if self._server is None:
            raise OpsError("The scratch server was not started")
        return PostgresTarget(host=self._server.socket_folder, port=self._server.port, user=self._server.superuser,
                              database=database, ssl_mode="disable")

    def stop(self) -> None:
        """End the server; does nothing when there is none."""
        if self._server is not None:
            self._server.stop(immediately=True)
