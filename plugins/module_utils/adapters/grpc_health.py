# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""grpc.health.v1 over HTTP/2, by h2: one unary call, its answer and its trailers.

h2 and not grpcio: that one opens its connections itself, so that neither the judged address nor the deadline of a probe would
be ours, and cannot be told to leave a certificate unverified.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from ..core.errors import LibraryMissing, NotFound, Unreachable
from ..core.redaction import printable
from .sockets import Dialer, Stage, network_errors

# HealthCheckResponse.ServingStatus of grpc.health.v1 (grpc/grpc, doc/health-checking.md).
_STATUSES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_PATH = "/grpc.health.v1.Health/Check"
_MOST_ANSWER = 65536
# grpc/grpc, doc/statuscodes.md
_NOT_FOUND, _UNIMPLEMENTED = "5", "12"


async def check(dialer: Dialer, host: str, port: int, *, tls: ssl.SSLContext | None, service: str, timeout: float, stage: Stage) -> str:
    """The serving status of a service, the empty name being the whole server's.

    :raises LibraryMissing: without h2
    :raises NotFound: the server does not know the service
    :raises Unreachable: it speaks no gRPC, has no health service, or fails; and as `Dialer.stream`
    """
    try:
        import h2.config
        import h2.connection
        import h2.exceptions
    except ImportError as error:
        raise LibraryMissing("h2") from error
    where = f"{host}:{port}"
    reader, writer = await dialer.stream(host, port, tls=tls, stage=stage)
    try:
        if tls and writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            raise Unreachable(f"{where} speaks TLS and no HTTP/2", hint="See that gRPC is served there, and by what is in between")
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        connection.initiate_connection()
        authority = f"[{host}]:{port}" if ":" in host else where
        connection.send_headers(1, [
            (":method", "POST"), (":scheme", "https" if tls else "http"), (":authority", authority), (":path", _PATH),
            ("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", "evenkeel.ops"),
            ("grpc-timeout", f"{min(99999999, max(1, int(timeout * 1000)))}m")])
        name = service.encode()
        message = b"\x0a" + _varint(len(name)) + name if name else b""  # field 1, length-delimited (Protocol Buffers, Encoding)
        connection.send_data(1, b"\x00" + struct.pack(">I", len(message)) + message, end_stream=True)
        with network_errors(where):
            try:
                call = await _call(connection, reader, writer, where, stage)
            except (h2.exceptions.H2Error, ValueError, UnicodeError, IndexError, KeyError, TypeError) as error:
                raise Unreachable(f"{where} does not speak gRPC: {type(error).__name__}", hint="Check the port and whether TLS is spoken "
                                  "there") from error
    finally:
        writer.transport.abort()
    return _status(call, where, service)


@dataclass
class _Call:
    headers: dict[str, str] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    over: bool = False


async def _call(connection: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str, stage: Stage) -> _Call:
    import h2.events

    call = _Call()
    stage(f"the answer of {where}")
    while not call.over:
        writer.write(connection.data_to_send())
        data = await reader.read(16384)
        if not data:
            raise Unreachable(f"{where} hung up within the call", hint="See the service's log; it may want TLS")
        for event in connection.receive_data(data):
            if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
                call.headers |= dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                call.data += event.data
                if len(call.data) > _MOST_ANSWER:
                    raise Unreachable(f"{where} answers more than a status", hint="See what answers there")
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                raise Unreachable(f"{where} breaks the call off (HTTP/2 error {int(event.error_code)})", hint="See the service's log")
            call.over = call.over or isinstance(event, h2.events.StreamEnded)
    return call


def _status(call: _Call, where: str, service: str) -> str:
    http, code = call.headers.get(":status"), call.headers.get("grpc-status")
    said = printable(unquote(call.headers.get("grpc-message", "")), length=200)
    if http != "200" or code is None or not code.isdecimal():
        raise Unreachable(f"{where} answers HTTP status {printable(str(http), length=20)} and no gRPC",
                          hint="See what is between here and the service")
    if code == _NOT_FOUND:
        raise NotFound(f"{where} knows no service {service!r}", hint="Check grpc_service, or leave it out for the server as a whole")
    if code == _UNIMPLEMENTED:
        raise Unreachable(f"{where} has no health service (grpc.health.v1)", hint="Register it in the server, or probe it as tcp")
    if code != "0":
        raise Unreachable(f"{where} answers gRPC status {code[:10]}: {said or 'no message'}", hint="See the service's log")
    if len(call.data) < 5 or call.data[0] or struct.unpack(">I", call.data[1:5])[0] != len(call.data) - 5:
        raise Unreachable(f"{where} answers what is no message of gRPC", hint="See what answers there")
    return _serving_status(bytes(call.data[5:]), where)


def _serving_status(message: bytes, where: str) -> str:
    """Field 1, a varint; without it 0. Fields that are not known are no part of this protocol."""
    if not message:
        return _STATUSES[0]
    if message[0] != 0x08 or len(message) != 2 or message[1] not in _STATUSES:
        raise Unreachable(f"{where} answers with a status that cannot be read", hint="See what answers there")
    return _STATUSES[message[1]]


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
