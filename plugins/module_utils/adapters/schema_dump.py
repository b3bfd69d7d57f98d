# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of a database, as pg_dump writes it."""

from __future__ import annotations

from ..core.errors import CommandFailed, TimedOut
from .command import Commands
from .pg_dump import DumpPrograms
from .postgres import PostgresTarget, connect


def schema_text(programs: DumpPrograms, target: PostgresTarget, *, lock_timeout: float, timeout: float) -> str:
    """The output of ``pg_dump --schema-only``, owners and grants with it.

    :raises ToolMissing: without a pg_dump of the server's major version or newer
    :raises TimedOut: where a table is locked for longer, or all takes longer
    :raises CommandFailed: what pg_dump says
    """
    with connect(target) as session:
        major = session.server_major
    program = programs.client_for(major).installation.program("pg_dump")
    argv = [program, "--schema-only", "--no-password", f"--lock-wait-timeout={max(1, int(lock_timeout * 1000))}"]
    with target.client_environment() as environment:
        try:
            return Commands().run(argv, timeout=timeout, env=environment).stdout
        except CommandFailed as error:
            if "lock timeout" in str(error.evidence.get("stderr")):
                raise TimedOut(f"The schema of {target.name} could not be read: a table is locked",
                               hint="See who holds the lock (pg_locks), and run again", evidence=error.evidence) from error
            raise
