# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual host and a queue of RabbitMQ, in AMQP 0-9-1: the frames are pamqp's, the connection is ours. Nothing is made or read."""

from __future__ import annotations

import asyncio
import ssl
import struct
from typing import Any

from ..core.errors import AccessDenied, LibraryMissing, NotFound, OpsError, Unreachable
from ..core.redaction import printable
from .sockets import Dialer, Stage, hang_up, network_errors

_MOST_FRAME = 2**20
# AMQP 0-9-1, 1.2: reply codes.
_ACCESS_REFUSED, _NOT_FOUND, _RESOURCE_LOCKED, _NOT_ALLOWED = 403, 404, 405, 530


async def inspect(dialer: Dialer, host: str, port: int, *, user: str | None, password: str | None, tls: ssl.SSLContext | None, vhost: str,
                  queue: str | None, stage: Stage) -> tuple[int, int] | None:
    """Log in (PLAIN), open the virtual host, and declare the queue passively: messages ready and consumers; None without a queue.

    :raises LibraryMissing: without pamqp
    :raises AccessDenied: the server does not take user and password, or not for this virtual host or queue
    :raises NotFound: there is no such virtual host or queue
    :raises Unreachable: it speaks no AMQP 0-9-1, or fails; and as `Dialer.stream`
    """
    try:
        from pamqp import commands, constants
    except ImportError as error:
        raise LibraryMissing("pamqp") from error
    where = f"{host}:{port}"
    reader, writer = await dialer.stream(host, port, tls=tls, stage=stage)
    peer = _Peer(reader, writer, where, stage)
    try:
        with network_errors(where):
            writer.write(b"AMQP" + bytes([0, *constants.VERSION]))
            start = await peer.answer(commands.Connection.Start, "its greeting")
            if "PLAIN" not in str(start.mechanisms).split():
                raise Unreachable(f"{where} does not offer the login PLAIN", hint="See auth_mechanisms of the server")
            peer.send(0, commands.Connection.StartOk({"product": "evenkeel.ops", "capabilities": {"authentication_failure_close": True}},
                                                     "PLAIN", f"\0{user or 'guest'}\0{password or 'guest'}", "en_US"))
            tune = await peer.answer(commands.Connection.Tune, "its answer to the login")
            peer.send(0, commands.Connection.TuneOk(tune.channel_max, min(tune.frame_max or _MOST_FRAME, _MOST_FRAME), 0))
            peer.send(0, commands.Connection.Open(vhost))
            await peer.answer(commands.Connection.OpenOk, "the virtual host")
            found = None
            if queue is not None:
                peer.send(1, commands.Channel.Open())
                await peer.answer(commands.Channel.OpenOk, "a channel")
                peer.send(1, commands.Queue.Declare(queue=queue, passive=True))
                declared = await peer.answer(commands.Queue.DeclareOk, "the queue")
                found = declared.message_count, declared.consumer_count
            peer.send(0, commands.Connection.Close(200, "done", 0, 0))
            return found
    except asyncio.IncompleteReadError as error:
        raise Unreachable(f"{where} hung up while {peer.due} was waited for", hint="See the server's log; it may want TLS") from error
    finally:
        hang_up(writer)


class _Peer:
    """Frames to and from the server; ``due`` is what is waited for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str, stage: Stage) -> None:
        self._reader, self._writer, self._where, self._stage = reader, writer, where, stage
        self.due = "its greeting"

    def send(self, channel: int, command: Any) -> None:
        """One command."""
        from pamqp import frame

        self._writer.write(frame.marshal(command, channel))

    async def answer(self, expected: Any, due: str) -> Any:
        """The command of this class; heartbeats before it are passed over."""
        self.due = due
        self._stage(f"{due} of {self._where}")
        while True:
            command = self._decoded(await self._frame())
            if isinstance(command, expected):
                return command
            name = getattr(command, "name", type(command).__name__)
            if name in ("Connection.Close", "Channel.Close"):
                raise _closed(command, self._where)
            if name not in ("Heartbeat", "Connection.Blocked", "Connection.Unblocked"):
                raise Unreachable(f"{self._where} answers {name} where {due} is due", hint="See the server's log")

    async def _frame(self) -> bytes:
        head = await self._reader.readexactly(7)
        kind, _channel, size = struct.unpack(">BHI", head)
        if kind not in (1, 2, 3, 8) or size > _MOST_FRAME:
            raise Unreachable(f"{self._where} does not speak AMQP 0-9-1", hint="Check the port and whether TLS is spoken there")
        return head + await self._reader.readexactly(size + 1)

    def _decoded(self, data: bytes) -> Any:
        from pamqp import frame

        try:
            return frame.unmarshal(data)[2]
        except Exception as error:  # pamqp lets errors of many kinds out of what is no frame
            raise Unreachable(f"{self._where} sends a frame that cannot be read", hint="See what answers there") from error


def _closed(command: Any, where: str) -> OpsError:
    code, said = command.reply_code, printable(str(command.reply_text), length=200)
    if code in (_ACCESS_REFUSED, _RESOURCE_LOCKED):
        return AccessDenied(f"{where} refuses: {said}", hint="Check user, password and its permissions: rabbitmqctl list_user_permissions; "
                            "guest may log in from the server itself only")
    if code in (_NOT_FOUND, _NOT_ALLOWED):
        return NotFound(f"{where} has it not: {said}", hint="See rabbitmqctl list_vhosts and list_queues; the account may lack the right")
    return Unreachable(f"{where} closes with {code}: {said}", hint="See the server's log")
