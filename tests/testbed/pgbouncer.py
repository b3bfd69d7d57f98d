# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real PgBouncers on the loopback in front of a server of the tests."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres_server import server_account
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.postgres import free_port
from tests.testbed.redis import _listens

ADMIN, STATS, PASSWORD = "pgbouncer", "stats", "console secret"


@contextlib.contextmanager
def serve_pgbouncer(server: PostgresTarget, *, settings: Mapping[str, str] | None = None) -> Iterator[int]:
    """A PgBouncer until the block ends, with the database ``pooled`` on ``server``; yields its port. The users of its console are
    ``pgbouncer`` and ``stats``; that of the server is the target's.

    :raises ToolMissing: without pgbouncer
    """
    commands = Commands()
    program = commands.find("pgbouncer", package="pgbouncer")
    port, account = free_port(), server_account()
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-pgbouncer-"))
    users = folder / "users.txt"
    users.write_text("".join(f'"{name}" "{password}"\n' for name, password in (
        (ADMIN, PASSWORD), (STATS, PASSWORD), ("nobody", PASSWORD), (server.user, server.password))), encoding="utf-8")
    given = {"listen_addr": "127.0.0.1", "listen_port": str(port), "unix_socket_dir": "", "auth_type": "scram-sha-256",
             "auth_file": str(users), "admin_users": ADMIN, "stats_users": STATS, "pool_mode": "transaction", "stats_period": "1",
             "ignore_startup_parameters": "options", **(settings or {})}
    configuration = folder / "pgbouncer.ini"
    quoted = "'" + server.database.replace("'", "''") + "'"
    configuration.write_text("\n".join([
        "[databases]", f"pooled = host={server.host} port={server.port} dbname={quoted}", "[pgbouncer]",
        *(f"{name} = {value}" for name, value in given.items()), ""]), encoding="utf-8")
    if account:
        for path in (folder, users, configuration):
            shutil.chown(path, account)
    process = commands.start([program, "-q", str(configuration)], user=account, cwd=str(folder), stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port), deadline=Deadline(SystemClock(), 60), what=f"pgbouncer on port {port}")
        yield port
    finally:
        end_group(process)
        shutil.rmtree(folder, ignore_errors=True)
