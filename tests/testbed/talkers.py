# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail server (aiosmtpd) that takes no mail, a gRPC server (grpcio) with a health service, and a WebSocket that says back."""

from __future__ import annotations

import contextlib
import json
import logging
import ssl
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from tests.testbed.postgres import free_port
from tests.testbed.tls import Identity

USER, PASSWORD = "probe", "op3n s3same"


class _NoMail:
    """Counts what no probe may do."""

    def __init__(self) -> None:
        self.begun = 0

    async def handle_MAIL(self, _server, _session, _envelope, _address, _options):
        self.begun += 1
        return "550 no mail here"


@contextlib.contextmanager
def serve_mail(starttls: ssl.SSLContext | None = None, *, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, _NoMail]]:
    """Yields the port, and what counts the mails that were begun. With ``starttls`` it offers TLS, and login after it."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    def authenticate(_server, _session, _envelope, _mechanism, data):
        return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)

    handler, port = _NoMail(), free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port, server_hostname="mail.shop.test", ident="ESMTP testbed",
                            tls_context=starttls, ssl_context=tls, authenticator=authenticate, auth_require_tls=True,
                            ready_timeout=60)
    controller.start()
    try:
        yield port, handler
    finally:
        controller.stop()


@contextlib.contextmanager
def serve_grpc(services: Mapping[str, str], identity: Identity | None = None) -> Iterator[int]:
    """Yields the port of a server whose services say ``SERVING`` or ``NOT_SERVING``; the empty name is the server itself."""
    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    server = grpc.server(ThreadPoolExecutor(4))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    for name, status in services.items():
        servicer.set(name, health_pb2.HealthCheckResponse.ServingStatus.Value(status))
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(identity.key_pem, identity.full_chain_pem)])) if identity \
        else server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait(5)


@contextlib.contextmanager
def serve_websocket(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Yields the port. ``/echo`` says back as JSON what it hears, ``/news`` says three things unasked, ``/closed`` closes at once."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.server import serve

    def talk(connection) -> None:
        with contextlib.suppress(ConnectionClosed):
            if connection.request.path.startswith("/news"):
                for word in ("one", "two", "three"):
                    connection.send(word)
            if not connection.request.path.startswith("/closed"):
                for message in connection:
                    connection.send(json.dumps({"said": message, "token": connection.request.headers.get("X-Token")}))

    silent = logging.Logger("evenkeel.testbed.websocket", logging.CRITICAL + 1)
    with serve(talk, "127.0.0.1", 0, ssl=tls, logger=silent) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join(5)
