# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""PING to a Redis server, in its protocol (RESP).

Own code of two commands: the client library takes half a second to import, more than probing 500 targets takes, and
resolves names where no deadline and no judgement of addresses reach.
"""

from __future__ import annotations

import asyncio
import ssl

from ..core.errors import AccessDenied, Unreachable
from .sockets import Dialer, Stage, network_errors

_LONGEST_LINE = 4096


async def ping(dialer: Dialer, host: str, port: int, *, user: str | None, password: str | None, tls: ssl.SSLContext | None,
               stage: Stage) -> None:
    """Log in where a password is given (AUTH), then PING.

    :raises AccessDenied: the server wants a password or does not take this one
    :raises Unreachable: it is loading, refuses otherwise, or is no Redis; and as `Dialer.stream`
    """
    where = f"{host}:{port}"
    reader, writer = await dialer.stream(host, port, tls=tls, stage=stage)
    try:
        with network_errors(where):
            if password is not None:
                stage(f"the answer of {where} to AUTH")
                await _command(reader, writer, where, "AUTH", *([user] if user else []), password, expected="OK")
            stage(f"the answer of {where} to PING")
            await _command(reader, writer, where, "PING", expected="PONG")
    finally:
        writer.transport.abort()


async def _command(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str, *words: str, expected: str) -> None:
    parts = [word.encode() for word in words]
    writer.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
    line = bytearray()
    while not line.endswith(b"\n"):
        more = await reader.read(1)
        if not more or len(line) > _LONGEST_LINE:
            raise Unreachable(f"{where} hung up without an answer to {words[0]}" if not more else f"{where} is no Redis server",
                              hint="See the server's log; it may want TLS")
        line += more
    said = "".join(letter if letter.isprintable() else "." for letter in line.decode("utf-8", "replace").strip()[:200])
    if said == f"+{expected}":
        return
    if said.startswith(("-NOAUTH", "-WRONGPASS", "-NOPERM", "-ERR invalid password", "-ERR AUTH", "-ERR Client sent AUTH")):
        raise AccessDenied(f"{where} refuses: {said[1:]}", hint="Check user and password against the server's ACL or requirepass")
    raise Unreachable(f"{where} answers {said!r} to {words[0]}",
                      hint="It loads its data, or is no master" if said.startswith("-") else "Is this a Redis server?")
