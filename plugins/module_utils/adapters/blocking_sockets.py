# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections for clients that block: the addresses of a host, judged, and a socket to one of them."""

from __future__ import annotations

import socket
import time
from typing import Any

from ..core.addresses import refuse_forbidden

Address = tuple[int, tuple[Any, ...]]  # family and sockaddr


def resolve(host: str, port: int | None, *, flags: int = 0) -> list[Address]:
    """The addresses of a name or number, each once, in the order that the system prefers; ``flags`` are getaddrinfo's.

    :raises Refused: as `core.addresses.refuse_forbidden`
    :raises OSError, UnicodeError: where it does not resolve
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    refuse_forbidden(host, (str(address[0]) for *_kind, address in found))
    return list(dict.fromkeys((family, address) for family, _kind, _protocol, _name, address in found))


def connect(host: str, port: int, *, end: float) -> socket.socket:
    """A connection to the first address that takes it, by ``end`` (monotonic) for all of them; only the resolver keeps its own time.

    :raises Refused, UnicodeError: as `resolve`
    :raises OSError: as the system says of the last address; TimeoutError past ``end``
    """
    failure: OSError = OSError("no address")
    for family, address in resolve(host, port):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(time_left(end))
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
            continue
        return connection
    raise failure


def time_left(end: float) -> float:
    """Seconds until ``end`` (monotonic).

    :raises TimeoutError: when there are none
    """
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
