# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections on asyncio, by the standard library: names are resolved, addresses judged, sockets opened, TLS set up.

Every wait ends when its task is cancelled, name resolution included, so a deadline around a probe holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import errno
import os
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any

from ..core.addresses import refuse_forbidden
from ..core.errors import Busy, InvalidOption, NotFound, OpsError, TimedOut, Unreachable

Address = tuple[int, tuple[Any, ...]]  # family and sockaddr
Stage = Callable[[str], None]
# RFC 8305, section 8: the recommended pause before the next address of a name is tried beside the first.
_STAGGER = 0.25
# This machine's own limits, not the peer's fault.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
_REASONS = {
    errno.ECONNREFUSED: ("refuses connections", "See that the service runs and listens on this address and port"),
    errno.ECONNRESET: ("broke the connection off", "See the service's log; a proxy or firewall may do this too"),
    errno.EPIPE: ("broke the connection off", "See the service's log; a proxy or firewall may do this too"),
    errno.EHOSTUNREACH: ("cannot be reached: no route to the host", "See that the host is up, then routes and firewall"),
    errno.ENETUNREACH: ("cannot be reached: no route to its network", "See this host's routes and addresses"),
}


class TlsFailed(Unreachable):
    """The peer's certificate is not to be trusted, or no TLS session came about."""


class Dialer:
    """Resolves names, once per run, and opens connections; every connection of a probe is opened by `open`.

    ``resolver`` has the signature of `socket.getaddrinfo` and may block: it runs in a thread of its own that nobody waits
    for longer than for the deadline.
    """

    def __init__(self, resolver: Callable[..., Sequence[Any]] = socket.getaddrinfo) -> None:
        self._resolver = resolver
        self._names: dict[str, asyncio.Future[Any]] = {}
        self._contexts: dict[tuple[bool, str | None, str | None], ssl.SSLContext] = {}
        self._only: dict[str, str] = {}

    def only(self, host: str, address: str) -> Dialer:
        """The same dialer, for which this name has this one address."""
        twin = copy.copy(self)
        twin._only = {**self._only, host: address}
        return twin

    async def connect(self, host: str, port: int, *, stage: Stage, foreign: bool = False) -> socket.socket:
        """A connected, non-blocking socket; several addresses race as in RFC 8305. What is connected to is the very address
        that `resolve` judged.

        :raises Refused, NotFound: by `resolve`, before anything is sent anywhere
        :raises Unreachable, TimedOut, Busy: by what the network says
        """
        addresses = await self.resolve(host, port, stage=stage, foreign=foreign)
        stage(f"a connection to {host}:{port}")
        if len(addresses) == 1:
            with network_errors(f"{host}:{port}"):
                return await self.open(*addresses[0])
        with network_errors(f"{host}:{port}"):
            return await _first([lambda one=one: self.open(*one) for one in addresses])

    async def resolve(self, host: str, port: int, *, stage: Stage, foreign: bool = False) -> list[Address]:
        """The addresses of a name or numeric address, in the order that the system prefers; ``foreign`` where the host is the
        word of an answer.

        :raises Refused: as `core.addresses.refuse_forbidden`
        :raises NotFound: where the name has no address, or no resolver answers
        """
        if host in self._only:
            host = self._only[host]  # one of those that were judged when the name was resolved
        family = _family(host)
        if family is not None:
            refuse_forbidden(host, (host,), foreign=foreign)
            return [(family, (host, port) if family == socket.AF_INET else (host, port, 0, 0))]
        stage(f"the addresses of {host}")
        lookup = self._names.get(host)
        if lookup is None:
            lookup = self._names[host] = self._look_up(host)
        found = await asyncio.shield(lookup)  # others wait for the same answer
        if isinstance(found, Exception):
            self._names.pop(host, None)  # a retry asks again
            said = getattr(found, "strerror", None) or str(found)
            raise NotFound(f"the name {host} does not resolve: {said}", hint="Check its spelling, the zone, and this host's resolver")
        refuse_forbidden(host, (address[0] for _family, _type, _protocol, _name, address in found), foreign=foreign)
        unique = dict.fromkeys((family, address) for family, _type, _protocol, _name, address in found)
        return [(family, (address[0], port, *address[2:])) for family, address in unique]

    def _look_up(self, host: str) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()

        def settle(found: Any) -> None:
            if not answer.done():
                answer.set_result(found)

        def work() -> None:
            try:
                found: Any = self._resolver(host, None, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                found = error
            with contextlib.suppress(RuntimeError):  # the run is over already
                loop.call_soon_threadsafe(settle, found)

        # The loop's own executor would be waited for at the end of the run, however long a dead resolver takes.
        threading.Thread(target=work, daemon=True).start()
        return answer

    async def open(self, family: int, address: tuple[Any, ...]) -> socket.socket:
        """Connect to exactly this address.

        :raises OSError: as the system says
        """
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            await _connected(opened, address)
        except BaseException:
            opened.close()
            raise
        return opened

    def tls_context(self, *, validate_certs: bool, ca_cert: str | None, protocol: str | None = None) -> ssl.SSLContext:
        """TLS for clients, 1.2 or newer as the standard library has it; made once, since reading all CAs takes long.

        ``protocol`` is told to the server in the handshake (ALPN), such as ``h2``.

        :raises InvalidOption: where ``ca_cert`` cannot be read
        """
        key = (validate_certs, ca_cert, protocol)
        if key not in self._contexts:
            try:
                context = ssl.create_default_context(cafile=ca_cert) if validate_certs \
                    else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            except (OSError, ssl.SSLError) as error:
                raise InvalidOption(f"ca_cert: {ca_cert} cannot be used: {error.strerror or error}",
                                    hint="Give a PEM file of certificates that exists where the module runs") from error
            if not validate_certs:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if protocol:
                context.set_alpn_protocols([protocol])
            self._contexts[key] = context
        return self._contexts[key]

    async def stream(self, host: str, port: int, *, tls: ssl.SSLContext | None,
                     stage: Stage) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection as asyncio's streams, with TLS where a context is given.

        :raises NotFound, Unreachable, TimedOut, Busy: as `connect`; TlsFailed by the handshake
        """
        opened = await self.connect(host, port, stage=stage)
        try:
            return await self.secure(opened, host, port, tls=tls, stage=stage)
        except BaseException:
            opened.close()
            raise

    async def secure(self, opened: socket.socket, host: str, port: int, *, tls: ssl.SSLContext | None,
                     stage: Stage) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Streams over an open socket, which they own from then on; with TLS where a context is given.

        :raises TlsFailed, Unreachable, TimedOut: by the handshake
        """
        if tls:
            stage(f"the TLS handshake with {host}:{port}")
        with network_errors(f"{host}:{port}"):
            return await asyncio.open_connection(sock=opened, ssl=tls, server_hostname=host if tls else None)


@lru_cache(maxsize=4096)
def _family(host: str) -> socket.AddressFamily | None:
    """That of a numeric address; None of a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            socket.inet_pton(family, host)
            return family
    return None


def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection after a last word: it goes out if it can go at once, and nothing is waited for."""
    if writer.transport.get_write_buffer_size():
        writer.transport.abort()
    else:
        writer.transport.close()


async def _connected(opened: socket.socket, address: tuple[Any, ...]) -> None:
    """As the loop's own sock_connect, which costs twice as much because it takes the address apart once more."""
    error = opened.connect_ex(address)
    if error == errno.EINPROGRESS:
        error = opened.connect_ex(address)  # who is on this host has answered by now: no need to wait for the loop
    if error in (errno.EINPROGRESS, errno.EALREADY):
        loop = asyncio.get_running_loop()
        writable = loop.create_future()
        descriptor = opened.fileno()
        loop.add_writer(descriptor, lambda: writable.done() or writable.set_result(None))
        try:
            await writable
        finally:
            loop.remove_writer(descriptor)
        error = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error not in (0, errno.EISCONN):
        raise OSError(error, os.strerror(error))


async def _first(openings: list[Callable[[], Awaitable[socket.socket]]]) -> socket.socket:
    """The first that opens; the next one starts when one fails or a moment passed. The last error, if none opens."""
    running: set[asyncio.Task[socket.socket]] = set()
    error: BaseException | None = None
    try:
        while openings or running:
            if openings:
                running.add(asyncio.ensure_future(openings.pop(0)()))
            done, running = await asyncio.wait(running, timeout=_STAGGER if openings else None,
                                               return_when=asyncio.FIRST_COMPLETED)
            opened = [task.result() for task in done if not task.exception()]
            error = next((task.exception() for task in done if task.exception()), error)
            for late in opened[1:]:
                late.close()
            if opened:
                return opened[0]
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(_close_late)
    raise error or OSError(errno.EHOSTUNREACH, "no address")


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and not task.exception():
        task.result().close()


def network_errors(where: str) -> contextlib.AbstractContextManager[None]:
    """Turn errors of sockets and TLS into ours; ``where`` begins the sentence.

    :raises TlsFailed: certificate or handshake
    :raises TimedOut: the system gave up
    :raises Busy: this machine has no descriptor or port left
    :raises Unreachable: everything else
    """
    return _Translation(where)


class _Translation(contextlib.AbstractContextManager[None]):
    """A class, which is entered and left several times in each probe at a third of what a generator costs."""

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):  # those of TLS among them
            raise _in_our_words(error, self._where) from error


def _in_our_words(error: OSError, where: str) -> OpsError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsFailed(f"{where}: the certificate is not trusted: {error.verify_message}",
                         hint="Renew or correct the certificate, or give its authority as ca_cert")
    if isinstance(error, ssl.SSLError):
        return TlsFailed(f"{where}: no TLS session: {error.reason or error}",
                         hint="See that TLS is spoken there, with a version and ciphers that both sides have")
    if error.errno in _EXHAUSTED:
        return Busy(f"This machine cannot open a connection to {where}: {error.strerror}",
                    hint="Lower concurrency, or raise its limit (ulimit -n, ip_local_port_range)")
    if isinstance(error, TimeoutError):
        return TimedOut(f"{where} does not answer: {error.strerror or 'timed out'}",
                        hint="See whether the host is up, then routes and firewall")
    reason, hint = _REASONS.get(error.errno or 0, (f"cannot be reached: {error.strerror or str(error) or 'the connection was lost'}",
                                                   "See that the service runs and is reachable from here"))
    return Unreachable(f"{where} {reason}", hint=hint)
