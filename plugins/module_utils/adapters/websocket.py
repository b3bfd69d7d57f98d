# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A WebSocket for a moment, by the protocol part of websockets, which does no I/O: no redirect is followed, no name resolved by it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from ..core.errors import LibraryMissing, Unreachable
from ..core.redaction import printable
from .sockets import Dialer, Stage, hang_up, network_errors

_MOST_HEAD = 65536


async def converse(dialer: Dialer, host: str, port: int, target: str, *, tls: ssl.SSLContext | None, headers: Mapping[str, str],
                   message: str | None, enough: Callable[[str], bool] | None, max_message: int, stage: Stage) -> str | None:
    """Open at ``target``, a path with its query, and send ``message``; where ``enough`` is given, read messages until it is
    content or the peer closes. The last message, None without one.

    :raises LibraryMissing: without websockets
    :raises Unreachable: it does not open, or breaks the protocol; and as `Dialer.stream`
    """
    try:
        from websockets.client import ClientProtocol
        from websockets.uri import WebSocketURI
    except ImportError as error:
        raise LibraryMissing("websockets") from error
    where = f"{host}:{port}"
    path, _mark, query = target.partition("?")
    silent = logging.Logger("evenkeel.websocket", logging.CRITICAL + 1)
    protocol = ClientProtocol(WebSocketURI(tls is not None, host, port, path, query), max_size=max_message, logger=silent)
    request = protocol.connect()
    for name, value in headers.items():
        if name in request.headers:
            del request.headers[name]
        request.headers[name] = value
    reader, writer = await dialer.stream(host, port, tls=tls, stage=stage)
    try:
        with network_errors(where):
            protocol.send_request(request)
            stage(f"the WebSocket of {where} to open")
            await _opened(protocol, reader, writer, where)
            if message is not None and protocol.state.name == "OPEN":  # it may have closed with its first words
                protocol.send_text(message.encode())
                _send(protocol, writer)
            last = await _messages(protocol, reader, writer, where, enough, stage) if enough else None
            if protocol.state.name == "OPEN":
                protocol.send_close(1000)
                _send(protocol, writer)
            return last
    finally:
        hang_up(writer)


async def _opened(protocol: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str) -> None:
    read = 0
    _send(protocol, writer)
    while protocol.state.name == "CONNECTING" and protocol.handshake_exc is None:
        data = await reader.read(16384)
        read += len(data)
        if not data or read > _MOST_HEAD:
            raise Unreachable(f"{where} {'sends headers without end' if data else 'hung up before the WebSocket opened'}",
                              hint="See the service's log; check the path and whether TLS is spoken there")
        _feed(protocol, data)
        _send(protocol, writer)
    if protocol.handshake_exc is not None:
        said = printable(str(protocol.handshake_exc), length=200)
        raise Unreachable(f"{where} opens no WebSocket: {said}", hint="Check path, headers and what the proxy in between lets through")


async def _messages(protocol: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str,
                    enough: Callable[[str], bool], stage: Stage) -> str | None:
    last: str | None = None
    number = 0
    parts = bytearray()
    while True:
        for event in protocol.events_received():
            if not hasattr(event, "opcode") or event.opcode.name not in ("TEXT", "BINARY", "CONT"):
                continue
            parts += event.data
            if event.fin:
                last, number = parts.decode("utf-8", "replace"), number + 1
                parts.clear()
                if enough(last):
                    return last
        if protocol.state.name in ("CLOSING", "CLOSED"):
            return last
        stage(f"a message of {where} as expected; {number} others came")
        data = await reader.read(65536)
        if not data:
            return last
        _feed(protocol, data)
        _send(protocol, writer)


def _feed(protocol: Any, data: bytes) -> None:
    """websockets keeps what it disliked to itself: it shows as the state, and in ``handshake_exc``."""
    protocol.receive_data(data)


def _send(protocol: Any, writer: asyncio.StreamWriter) -> None:
    for data in protocol.data_to_send():
        if data:
            writer.write(data)
