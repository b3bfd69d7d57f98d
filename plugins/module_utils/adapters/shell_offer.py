# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an SSH server says before anyone logs in: banner and algorithms, read here, and its host keys, by asyncssh."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass

from ..core.errors import LibraryMissing, Unreachable
from ..core.redaction import printable
from .sockets import Dialer, Stage, network_errors

_MOST_LINE = 255  # RFC 4253, 4.2
_MOST_LINES = 100
_MOST_PACKET = 35000  # RFC 4253, 6.1
_KEXINIT = 20
_LISTS = 10
_OURS = b"SSH-2.0-evenkeel.ops\r\n"
_MOST_KEYS = 8


@dataclass(frozen=True)
class ShellOffer:
    """The banner; every algorithm of its KEXINIT; fingerprints as ``SHA256:…``, where they were asked for."""

    banner: str
    algorithms: tuple[str, ...]
    fingerprints: tuple[str, ...] = ()


async def meet(dialer: Dialer, host: str, port: int, *, with_keys: bool, stage: Stage) -> ShellOffer:
    """Read banner and algorithms; with ``with_keys`` also each host key, by one key exchange for each, so that the server proves
    that it has it.

    :raises LibraryMissing: for keys without asyncssh
    :raises Unreachable: it speaks no SSH, or breaks the exchange off; and as `Dialer.stream`
    """
    where = f"{host}:{port}"
    reader, writer = await dialer.stream(host, port, tls=None, stage=stage)
    try:
        with network_errors(where):
            stage(f"the banner of {where}")
            banner = await _banner(reader, where)
            writer.write(_OURS)
            stage(f"the algorithms of {where}")
            lists = await _algorithms(reader, where)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise Unreachable(f"{where} hung up before it said its algorithms", hint="See sshd's log: MaxStartups, or a ban") from error
    finally:
        writer.transport.abort()
    kinds = list(dict.fromkeys(name for name in lists[1] if "cert" not in name))[:_MOST_KEYS] if with_keys else []
    found = [await _fingerprint(dialer, host, port, kind, stage) for kind in kinds]
    return ShellOffer(banner, tuple(dict.fromkeys(name for names in lists for name in names)), tuple(dict.fromkeys(filter(None, found))))


async def _banner(reader: asyncio.StreamReader, where: str) -> str:
    """The identification; lines before it are allowed (RFC 4253, 4.2)."""
    for _number in range(_MOST_LINES):
        line = bytearray()
        while not line.endswith(b"\n"):
            line += await reader.readexactly(1)
            if len(line) > _MOST_LINE:
                raise Unreachable(f"{where} does not speak SSH", hint="See what answers there")
        if line.startswith(b"SSH-"):
            if not line.startswith((b"SSH-2.0-", b"SSH-1.99-")):
                raise Unreachable(f"{where} speaks an SSH that is too old: {_printable(line)}", hint="See what answers there")
            return _printable(line)
    raise Unreachable(f"{where} does not speak SSH", hint="See what answers there")


def _printable(line: bytes) -> str:
    return printable(line.decode("utf-8", "replace"), length=_MOST_PACKET)


async def _algorithms(reader: asyncio.StreamReader, where: str) -> list[list[str]]:
    """The name-lists of the server's KEXINIT (RFC 4253, 6 and 7.1): key exchange, host keys, ciphers, MACs, compression, languages."""
    length, padding = struct.unpack(">IB", await reader.readexactly(5))
    if not padding + 1 < length <= _MOST_PACKET:
        raise Unreachable(f"{where} sends a packet that is none of SSH", hint="See what answers there")
    payload = (await reader.readexactly(length - 1))[:length - 1 - padding]
    lists, position = [], 17  # after the number of the message and the cookie
    if payload[:1] == bytes([_KEXINIT]):
        while len(lists) < _LISTS and position + 4 <= len(payload):
            [size] = struct.unpack(">I", payload[position:position + 4])
            names = payload[position + 4:position + 4 + size]
            if len(names) < size:
                break
            lists.append([name for name in _printable(names).split(",") if name])
            position += 4 + size
    if len(lists) < _LISTS:
        raise Unreachable(f"{where} sends no list of algorithms", hint="See what answers there")
    return lists


async def _fingerprint(dialer: Dialer, host: str, port: int, kind: str, stage: Stage) -> str | None:
    """Of the host key of this kind; None where this side does not know the kind."""
    try:
        import asyncssh
    except ImportError as error:
        raise LibraryMissing("asyncssh") from error
    where = f"{host}:{port}"
    opened = await dialer.connect(host, port, stage=stage)
    stage(f"the host key of {where} ({kind})")
    try:
        with network_errors(where):
            key = await asyncssh.get_server_host_key(host, port, sock=opened, server_host_key_algs=[kind], config=None)
            return key.get_fingerprint() if key else None
    except ValueError:  # before the socket was taken
        opened.close()
        return None
    except asyncssh.Error as error:
        raise Unreachable(f"{where} breaks the key exchange off: {printable(str(error.reason), length=200)}",
                          hint="See sshd's log") from error
    except BaseException:
        with contextlib.suppress(OSError):  # asyncssh owns it, and sees that it ends
            opened.shutdown(socket.SHUT_RDWR)
        raise
