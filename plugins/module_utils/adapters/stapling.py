# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The OCSP answer that a server staples to its handshake (RFC 6066, section 8), through pyOpenSSL: Python's ssl does not hand it out."""

from __future__ import annotations

import socket

from ..core.errors import LibraryMissing, Unreachable
from .blocking_sockets import time_left

_READ = 65536


def stapled_answer(connection: socket.socket, server_name: str | None, end: float) -> bytes:
    """Shake hands over an open connection by ``end`` (monotonic), asking for the answer; empty where none is sent.

    Nothing is verified here: what was stapled is judged by its own signature.

    :raises LibraryMissing: without pyOpenSSL
    :raises Unreachable: when the handshake fails
    :raises EOFError, OSError, TimeoutError: by the network
    """
    try:
        from OpenSSL import SSL
    except ImportError as error:
        raise LibraryMissing("pyOpenSSL") from error
    answers: list[bytes] = []
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_cipher_list(b"DEFAULT@SECLEVEL=0")
    context.set_ocsp_client_callback(lambda _connection, answer, _data: answers.append(answer) or True)
    session = SSL.Connection(context, None)
    if server_name:
        session.set_tlsext_host_name(server_name.encode("ascii"))
    session.request_ocsp()
    session.set_connect_state()
    while True:
        try:
            session.do_handshake()
            return answers[0] if answers else b""
        except SSL.WantReadError:
            _send(session, connection, end)
        except SSL.Error as error:
            raise Unreachable(f"the handshake failed: {error.args[0][0][-1] if error.args and error.args[0] else error}",
                              hint="See the server's log") from error
        connection.settimeout(time_left(end))
        data = connection.recv(_READ)
        if not data:
            raise EOFError
        session.bio_write(data)


def _send(session: object, connection: socket.socket, end: float) -> None:
    """What the session wants to say, if anything."""
    from OpenSSL import SSL

    while True:
        try:
            data = session.bio_read(_READ)
        except SSL.WantReadError:
            return
        connection.settimeout(time_left(end))
        connection.sendall(data)
