# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets that are counted before they are connected, and a server that sends everybody elsewhere."""

from __future__ import annotations

import errno
import http.server
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.sockets import Dialer

from tests.integration.reliability.forbidden import resolve


class Wire:
    """What sockets were about to be connected to; only the ports of ``servers`` on this machine are."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.astray: list[tuple[str, ...]] = []  # kept by the tests: what led away from this machine, and where to
        self.servers: set[int] = set()
        self.resolve: Callable[..., Any] = resolve

    @property
    def reached(self) -> int:
        """Of those, the ones to anywhere but this machine."""
        return sum(address not in ("127.0.0.1", "::1") for address in self.opened)

    def allows(self, opened: socket.socket, address: Any) -> bool:
        """Note it."""
        if opened.family not in (socket.AF_INET, socket.AF_INET6):
            return True
        if address[1] in self.servers and address[0] == "127.0.0.1":
            return True
        self.opened.append(address[0])
        return False


@pytest.fixture
def wire(monkeypatch) -> Wire:
    wire = Wire()
    connect, connect_ex, sendto = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto

    def refused() -> ConnectionRefusedError:
        return ConnectionRefusedError(errno.ECONNREFUSED, "not in a test")

    def connecting(self, address):
        if not wire.allows(self, address):
            raise refused()
        return connect(self, address)

    def connecting_ex(self, address):
        return connect_ex(self, address) if wire.allows(self, address) else errno.ECONNREFUSED

    def sending(self, data, *rest):
        if not wire.allows(self, rest[-1]):
            raise refused()
        return sendto(self, data, *rest)

    def resolving(*arguments, **named):
        return wire.resolve(*arguments, **named)

    async def libpq(*_arguments, **keywords):
        wire.opened += keywords.get("hostaddr", keywords["host"]).split(",")
        raise postgres.psycopg.OperationalError("not in a test")

    monkeypatch.setattr(socket.socket, "connect", connecting)
    monkeypatch.setattr(socket.socket, "connect_ex", connecting_ex)
    monkeypatch.setattr(socket.socket, "sendto", sending)
    monkeypatch.setattr(socket, "getaddrinfo", resolving)
    monkeypatch.setattr(Dialer.__init__, "__defaults__", (resolving,))
    monkeypatch.setattr(postgres.psycopg.AsyncConnection, "connect", libpq)
    monkeypatch.setattr("urllib3.util.retry.Retry.sleep", lambda *_arguments: None)
    return wire


class _Sends(http.server.BaseHTTPRequestHandler):
    """Sends everybody to the server's ``location``, with every status in turn."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.send_away
        raise AttributeError(name)

    def send_away(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(next(self.server.statuses))
        self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def sender(wire) -> Iterator[Any]:
    """A server on this machine that sends elsewhere."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Sends) as server:
        server.statuses, server.daemon_threads = itertools.cycle([301, 302, 303, 307, 308]), True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        wire.servers.add(server.server_port)
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
