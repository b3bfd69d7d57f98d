# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's logical dump: pg_dump into a folder, and pg_restore reading one in full."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..core.errors import AccessDenied, CommandFailed, Damaged, NotFound, OpsError, StorageFailed, TimedOut, Unreachable
from .command import Commands
from .postgres_server import Installation, installation_for

# What libpq and pg_dump say, in our errors: those of the server that psycopg met already come from adapters.postgres.
_SAID: tuple[tuple[str, type[OpsError], str], ...] = (
    (r"No space left on device|Disk quota exceeded", StorageFailed, "Free space there or raise the quota, then run again"),
    (r"Read-only file system|Permission denied.*directory|could not create directory", StorageFailed,
     "Give the user that runs this the right to it, or choose another path"),
    (r"password authentication failed|no pg_hba.conf entry|permission denied", AccessDenied,
     "Check user and password, and grant it the right to read every table (pg_read_all_data)"),
    (r"database \".*\" does not exist", NotFound, "Check the name (psql -l lists them)"),
    (r"canceling statement due to lock timeout|canceling statement due to statement timeout", TimedOut,
     "A table is locked (ALTER TABLE, VACUUM FULL?): see pg_locks, run again, or allow a longer lock_timeout"),
    (r"could not connect|connection to server|server closed the connection|timeout expired", Unreachable,
     "See whether the server runs and the network is up"),
)


class DumpPrograms:
    """Finds pg_dump and pg_restore; ``folders`` come before the usual places."""

    def __init__(self, commands: Commands, folders: Sequence[str] = ()) -> None:
        self._commands = commands
        self._folders = tuple(folders)
        self._clients: dict[int, DumpClient] = {}

    def client_for(self, major: int) -> DumpClient:
        """The client of the server's major, else the nearest newer one; looked for once.

        :raises ToolMissing: names what is there and the package to install
        """
        if major not in self._clients:
            found = installation_for(self._commands, major, program="pg_dump", folders=self._folders)
            self._clients[major] = DumpClient(self._commands, found)
        return self._clients[major]

    def reader_for(self, version: str) -> DumpClient:
        """A client whose pg_restore reads what the pg_dump of ``version`` wrote.

        :raises ToolMissing: names what is there and the package to install
        """
        found = re.match(r"\d+", version)
        major = int(found[0]) if found else 0
        return DumpClient(self._commands, installation_for(self._commands, major, program="pg_restore", folders=self._folders))


class DumpClient:
    """The dump programs of one installation."""

    def __init__(self, commands: Commands, installation: Installation) -> None:
        self._commands = commands
        self.installation = installation
        self._compresses: dict[str, bool] = {}

    @property
    def major(self) -> int:
        """15 for 15.8."""
        return self.installation.major

    @property
    def version(self) -> str:
        """``15.8``."""
        return ".".join(map(str, self.installation.version))

    def compresses_with(self, method: str) -> bool:
        """Whether this build of pg_dump has ``gzip``, ``lz4`` or ``zstd``; the last two came with PostgreSQL 16, as build options."""
        if self.major < 16:
            return method == "gzip"
        if method not in self._compresses:
            self._compresses[method] = self._asked(method)
        return self._compresses[method]

    def _asked(self, method: str) -> bool:
        program = self.installation.program("pg_dump")
        # The build is asked before the server is: a socket folder that does not exist ends it there.
        said = self._commands.run([program, f"--compress={method}", "--host=/nonexistent", "--no-password"],
                                  timeout=30, check=False).stderr
        return "compress" not in said

    def dump(self, folder: Path, *, environment: Mapping[str, str], snapshot: str, jobs: int, compression: str, level: int,
             lock_timeout: float, timeout: float, sync: bool = True, watch: Callable[[], None] | None = None) -> None:
        """Dump the database that ``environment`` names into ``folder``, which must not exist, as of ``snapshot``.

        ``compression`` is ``none`` or a method that `compresses_with` affirmed; without ``sync`` the files are not fsynced.

        :raises OpsError: by what pg_dump said; CommandFailed where nothing more is known
        """
        argv = [self.installation.program("pg_dump"), "--format=directory", f"--file={folder}", f"--jobs={jobs}",
                f"--snapshot={snapshot}", f"--lock-wait-timeout={max(1, int(lock_timeout * 1000))}", "--no-password"]
        if not sync:
            argv.append("--no-sync")
        if compression == "none":
            argv.append("--compress=0")
        elif self.major < 16:
            argv.append(f"--compress={level}")
        else:
            argv.append(f"--compress={compression}:{level}")
        try:
            self._commands.run(argv, timeout=timeout, env=environment, watch=watch)
        except CommandFailed as error:
            raise _in_our_words(error) from error

    def read_in_full(self, folder: Path, *, timeout: float) -> int:
        """Have pg_restore read the table of contents, and then all data, without a server; the number of entries.

        :raises Damaged: when it cannot
        :raises CommandFailed: when it was ended from outside, or had no memory, which says nothing of the dump
        """
        program = self.installation.program("pg_restore")
        try:
            contents = self._commands.run([program, "--list", str(folder)], timeout=timeout).stdout
            self._commands.run([program, "--file=/dev/null", str(folder)], timeout=timeout)
        except CommandFailed as error:
            if error.evidence.get("returncode", 0) < 0 or "out of memory" in str(error.evidence.get("stderr")):
                raise
            raise Damaged(f"pg_restore {self.version} cannot read it: {error.message}", evidence=error.evidence,
                          hint="Make a new backup; find out what altered this one") from error
        return sum(1 for line in contents.splitlines() if line and not line.startswith(";"))


def _in_our_words(error: CommandFailed) -> OpsError:
    said = str(error.evidence.get("stderr", ""))
    for pattern, kind, hint in _SAID:
        # Of several complaints the cause comes first; the last is only that a worker is gone.
        line = next((line for line in said.splitlines() if re.search(pattern, line)), None)
        if line:
            return kind(f"The dump failed: {line}", hint=hint, evidence=error.evidence)
    return error
