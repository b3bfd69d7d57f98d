# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One read-only question to a PostgreSQL server on asyncio, which leaves at its deadline whatever the server does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Any

from ..core.errors import LibraryMissing
from . import postgres
from .postgres import PostgresTarget
from .sockets import Dialer, Stage


async def ask(dialer: Dialer, target: PostgresTarget, *, query: str, timeout: float, stage: Stage) -> str | None:
    """The first column of the first row as text, None where there is none; run in a READ ONLY transaction.

    Settings go in by SQL, so that PgBouncer in between has nothing to refuse.

    :raises LibraryMissing: without psycopg
    :raises OpsError: the server's or the network's error, by `postgres.translated`
    """
    if postgres.psycopg is None:
        raise LibraryMissing("psycopg[binary]")
    addresses = [None] if target.host.startswith("/") else [
        address[0] for _family, address in await dialer.resolve(target.host, target.port, stage=stage)]
    stage(f"a session in {target.name}")
    keywords: dict[str, Any] = {
        "host": ",".join([target.host] * len(addresses)), "port": target.port, "user": target.user, "dbname": target.database,
        "password": target.password, "sslmode": target.ssl_mode, "sslrootcert": target.ca_cert,
        # psycopg resolves names in the loop's executor, which is waited for at the end of the run; so the address is given.
        "hostaddr": ",".join(addresses) if addresses[0] else None,
        "connect_timeout": max(2, int(timeout) + 1), "application_name": "evenkeel.ops",
    }
    with postgres.translated(target):
        connection = await postgres.psycopg.AsyncConnection.connect(
            "", **{name: value for name, value in keywords.items() if value is not None})
        descriptor = os.dup(connection.fileno())
        asking = asyncio.ensure_future(_ask(connection, query, timeout))
        try:
            stage(f"the answer of {target.name}")
            return await asyncio.shield(asking)
        finally:
            # Cancelling psycopg would first send a cancel request to the silent server and wait for it; a socket that is
            # shut down ends the session at once, and the server ends the statement by its own timeout.
            if not asking.done():
                with contextlib.suppress(OSError), socket.socket(fileno=descriptor) as duplicate:
                    descriptor = -1
                    duplicate.shutdown(socket.SHUT_RDWR)
                await asyncio.wait({asking}, timeout=1)
            if descriptor >= 0:
                os.close(descriptor)
            if asking.done() and not asking.cancelled():
                asking.exception()  # retrieved
            await connection.close()


async def _ask(connection: Any, query: str, timeout: float) -> str | None:
    await connection.set_read_only(True)
    await connection.execute("SELECT set_config('statement_timeout', %s, true)", (str(max(1, int(timeout * 1000))),))
    cursor = await connection.execute(query)
    row = await cursor.fetchone() if cursor.description else None
    await connection.rollback()
    return None if not row or row[0] is None else str(row[0])
