# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program pg_repack, run for one table at a time."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable

from ..core.errors import CommandFailed
from .command import Commands
from .postgres import PostgresTarget

# Beside PATH: where Debian and the PGDG rpm packages put what belongs to one major version.
_FOLDERS = ("/usr/lib/postgresql/{major}/bin", "/usr/pgsql-{major}/bin")


class PgRepack:
    """Runs it against one database; where it stops, what it leaves on the server is for the caller to clear away."""

    def __init__(self, commands: Commands, target: PostgresTarget) -> None:
        self._commands, self._target = commands, target

    def version(self, major: int) -> str:
        """``1.4.8``.

        :raises ToolMissing: where there is none
        """
        return ".".join(map(str, self._commands.version(self._program(major))))

    def rewrite(self, table: str, *, major: int, seconds: float, lock_timeout: float, ended: Callable[[], bool]) -> str:
        """Rewrite a table, whose name is written as SQL has it; gives what it said.

        It takes its locks only where it gets them within ``lock_timeout`` seconds, and never cancels or ends another's session,
        as it would by default. Where it is ended it gets an interrupt, on which it cancels its statements and drops what it made
        (pg_repack source, pgut.c, on_interrupt); and is killed where that takes too long.

        :raises ToolMissing, CommandFailed, TimedOut: by what went wrong; CommandFailed with the sqlstate of a cancelled statement where
            ``ended()`` is true, which is asked every half second
        """

        def watch() -> None:
            if ended():
                raise CommandFailed("pg_repack was broken off", hint="Run it again: it begins this table anew",
                                    evidence={"sqlstate": "57014"})  # as of a statement that is cancelled

        argv = [self._program(major), "--no-kill-backend", "--no-order", "--no-password",
                f"--wait-timeout={max(1, math.ceil(lock_timeout))}", f"--table={table}", f"--dbname={_quoted(self._target.database)}"]
        settings = "-c synchronous_commit=off"
        if major >= 14:  # then the server notices soon that the program is gone
            settings += " -c client_connection_check_interval=2000"
        with self._target.client_environment() as environment:
            # It knows the sessions of its own kind by their name, and does not wait for them.
            done = self._commands.run(argv, timeout=max(seconds, 1), watch=watch, politely=signal.SIGINT,
                                      env={**environment, "PGAPPNAME": "pg_repack", "PGOPTIONS": settings})
        return f"{done.stdout}{done.stderr}".strip()

    def _program(self, major: int) -> str:
        return self._commands.find("pg_repack", package=f"postgresql-{major}-repack",
                                   folders=[folder.format(major=major) for folder in _FOLDERS])


def _quoted(value: str) -> str:
    """A value of a connection string (PostgreSQL documentation, Connection Strings): it puts the name of the database into one as it is."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
