# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One read-only question to MySQL or MariaDB, by PyMySQL over a socket of ours, which is shut down at the deadline."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any

from ..core.errors import AccessDenied, LibraryMissing, OpsError, Unreachable
from ..core.redaction import printable
from .blocking import in_thread
from .sockets import Dialer, Stage, network_errors

# MariaDB and MySQL, "Server Error Codes": access denied in its forms, and a server that wants TLS.
_DENIED = {1044, 1045, 1142, 1227, 1698, 1873, 3159}
_UNKNOWN_DATABASE = 1049


async def ask(dialer: Dialer, host: str, port: int, *, user: str | None, password: str | None, database: str | None,
              tls: ssl.SSLContext | None, query: str, timeout: float, stage: Stage) -> str | None:
    """The first column of the first row as text, None where there is none; run in a READ ONLY transaction.

    With ``tls`` nothing is told to a server that has none, and without it no password goes in the clear.

    :raises LibraryMissing: without PyMySQL
    :raises AccessDenied: the server does not take user, password or the right to the query
    :raises Unreachable: the server's or the network's error
    """
    try:
        import pymysql
    except ImportError as error:
        raise LibraryMissing("PyMySQL") from error
    where = f"{host}:{port}"
    opened = await dialer.connect(host, port, stage=stage)
    stage(f"the answer of {where}")
    same = opened.dup()  # TLS takes the other one over

    def abandon() -> None:
        with contextlib.suppress(OSError):
            same.shutdown(socket.SHUT_RDWR)

    try:
        with network_errors(where):
            return await in_thread(lambda: _ask(opened, host, port, user, password, database, tls, query, timeout), abandon=abandon)
    except pymysql.MySQLError as error:
        cause = error.__context__ if isinstance(error.__context__, OSError) else getattr(error, "original_exception", None)
        if isinstance(cause, OSError):
            with network_errors(where):
                raise cause from error
        raise _in_our_words(error, where) from error
    except OpsError:
        raise
    except Exception as error:  # PyMySQL lets errors of many kinds out of what is no MySQL
        raise Unreachable(f"{where} does not speak MySQL: {type(error).__name__}", hint="Check the port and what answers there") from error
    finally:
        same.close()
        opened.close()


def _ask(opened: socket.socket, host: str, port: int, user: str | None, password: str | None, database: str | None,
         tls: ssl.SSLContext | None, query: str, timeout: float) -> str | None:
    import pymysql.cursors
    from pymysql.constants import CLIENT

    class Strict(pymysql.connections.Connection):
        """Refuses what the library would let pass: to go on without TLS, and a password in the clear."""

        def _get_server_information(self) -> None:
            super()._get_server_information()
            if tls and not self.server_capabilities & CLIENT.SSL:
                raise pymysql.err.OperationalError(2026, "the server has no TLS")

        def _get_auth_plugin_handler(self, plugin_name: bytes) -> Any:
            if not tls and plugin_name in (b"mysql_clear_password", b"dialog"):
                raise pymysql.err.OperationalError(2059, "the server wants the password in the clear, and there is no TLS")
            return super()._get_auth_plugin_handler(plugin_name)

    connection = Strict(host=host, port=port, user=user or "root", password=password or "", database=database, ssl=tls,
                        ssl_disabled=tls is None, read_timeout=timeout, write_timeout=timeout, connect_timeout=max(1, timeout),
                        defer_connect=True, local_infile=False, cursorclass=pymysql.cursors.SSCursor, program_name="evenkeel.ops")
    connection.connect(opened)
    cursor = connection.cursor()
    try:
        cursor.execute("START TRANSACTION READ ONLY")
        cursor.execute(query)
        row = cursor.fetchone() if cursor.description else None
        return None if not row or row[0] is None else row[0].decode("utf-8", "replace") if isinstance(row[0], bytes) else str(row[0])
    finally:
        # To close them properly would read the rest of the result, which may have no end.
        if connection._result is not None:
            connection._result.unbuffered_active = False
        cursor.connection = None
        connection._force_close()


def _in_our_words(error: Exception, where: str) -> OpsError:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    said = printable(str(error.args[-1] if error.args else error), length=300)
    if code in _DENIED:
        return AccessDenied(f"{where} refuses: {said}", hint="Check user, password and what the account may do")
    hint = "Check its spelling" if code == _UNKNOWN_DATABASE else "See the server's log; run the query by hand (mysql)"
    return Unreachable(f"{where}: {said}", hint=hint)
