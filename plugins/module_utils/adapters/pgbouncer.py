# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""PgBouncer's admin console: the database ``pgbouncer``, which speaks the simple protocol and knows SHOW."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..core.errors import AccessDenied, LibraryMissing, OpsError, TimedOut, Unreachable
from ..core.options import OptionGroup
from ..core.quantities import format_duration
from . import postgres

OPTIONS = OptionGroup(
    fragment="pgbouncer",
    options={
        "login_host": {"type": "str", "default": "", "aliases": ["host"]},
        "login_port": {"type": "int", "default": 6432, "aliases": ["port"]},
        "login_user": {"type": "str", "default": "pgbouncer", "aliases": ["user"]},
        "login_password": {"type": "str", "no_log": True, "aliases": ["password"]},
        "ssl_mode": postgres.OPTIONS.options["ssl_mode"],
        "ca_cert": postgres.OPTIONS.options["ca_cert"],
        "connect_timeout": postgres.OPTIONS.options["connect_timeout"],
    },
)
_SHOWN = ("POOLS", "STATS", "DATABASES", "CONFIG", "LISTS", "VERSION")


def target_of(options: Mapping[str, Any]) -> postgres.PostgresTarget:
    """The console that the options of `OPTIONS` describe."""
    return postgres.PostgresTarget.from_options({**options, "login_db": "pgbouncer"})


class Console:
    """A session with the console. Each answer is waited for ``timeout`` seconds, then the connection is given up."""

    def __init__(self, connection: Any, target: postgres.PostgresTarget, timeout: float) -> None:
        self._connection, self._target, self._timeout = connection, target, timeout

    def show(self, what: str) -> list[dict[str, Any]]:
        """The rows of ``SHOW what``.

        :raises TimedOut: without an answer in time
        :raises OpsError: PgBouncer's or the network's error, by `postgres.translated`
        """
        if what not in _SHOWN:
            raise ValueError(what)
        late = threading.Event()
        watch = threading.Timer(self._timeout, self._give_up, (late,))
        watch.start()
        try:
            with postgres.translated(self._target), self._connection.cursor(row_factory=postgres.dict_row) as cursor:
                cursor.execute(f"SHOW {what}")
                return cursor.fetchall()
        except OpsError as error:
            if late.is_set():
                raise TimedOut(f"PgBouncer gave no answer to SHOW {what} within {format_duration(self._timeout)} ({self._target.name})",
                               hint="See its log; its only thread is busy or stopped") from error
            raise
        finally:
            watch.cancel()

    def _give_up(self, late: threading.Event) -> None:
        late.set()
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)


@contextmanager
def console(target: postgres.PostgresTarget, *, timeout: float) -> Iterator[Console]:
    """A session with the console. No setting goes along, since PgBouncer refuses what it does not know.

    :raises LibraryMissing: without psycopg
    :raises Unreachable, AccessDenied, TimedOut: by what PgBouncer says
    """
    if postgres.psycopg is None:
        raise LibraryMissing("psycopg[binary]")
    keywords = {
        "host": target.host or None, "port": target.port, "user": target.user, "dbname": target.database, "password": target.password,
        "sslmode": target.ssl_mode, "sslrootcert": target.ca_cert, "connect_timeout": max(2, target.connect_timeout),
        "application_name": "evenkeel.ops", "tcp_user_timeout": 60000,
    }
    try:
        with postgres.translated(target):
            connection = postgres.psycopg.connect(
                "", autocommit=True, **{name: value for name, value in keywords.items() if value is not None})
    except Unreachable as error:
        # PgBouncer gives the code of a broken protocol to all that it refuses.
        if any(words in error.evidence.get("server_said", "") for words in ("not allowed", "no such user")):
            raise AccessDenied(f"PgBouncer refuses user {target.user} for its console ({target.name})",
                               hint="Add the user to stats_users in pgbouncer.ini, then RELOAD;", evidence=error.evidence) from error
        raise
    with contextlib.closing(connection):
        yield Console(connection, target, timeout)
