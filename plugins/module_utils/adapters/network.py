# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network as a probe wants it (`health.observe.Network`). Clients are imported only where a target needs them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection

from . import http, redis
from .sockets import Dialer, Guard, Stage, network_errors

_MOST_BANNER = 65536


class AsyncNetwork:
    """Every connection but those of psycopg and dnspython is opened by the `Dialer` that is handed in."""

    def __init__(self, dialer: Dialer | None = None) -> None:
        self.dialer = dialer or Dialer()

    def prepare(self, kinds: Collection[str]) -> None:
        """Import the clients of these kinds of targets now. An import during a probe holds up all the others, and their
        latencies would tell of it.
        """
        if "dns" in kinds:
            with contextlib.suppress(ImportError):  # told by the probe itself
                import dns._asyncio_backend
                import dns.asyncresolver  # noqa: F401
        if "postgresql" in kinds:
            from . import postgres_probe  # noqa: F401

    async def exchange(self, host: str, port: int, payload: bytes, *, tls: bool, validate_certs: bool, ca_cert: str | None,
                       bodyless: bool, max_body: int, guard: Guard | None, stage: Stage) -> http.HttpAnswer:
        """See `http.exchange`."""
        context = self.dialer.tls_context(validate_certs=validate_certs, ca_cert=ca_cert) if tls else None
        return await http.exchange(self.dialer, host, port, payload, tls=context, bodyless=bodyless, max_body=max_body,
                                   guard=guard, stage=stage)

    async def greet(self, host: str, port: int, *, tls: bool, validate_certs: bool, ca_cert: str | None,
                    enough: Callable[[bytes], bool] | None, stage: Stage) -> bytes:
        """Connect; where ``enough`` is given, read what the peer says of itself until that is content, it hangs up, or
        64 KiB are read.
        """
        context = self.dialer.tls_context(validate_certs=validate_certs, ca_cert=ca_cert) if tls else None
        reader, writer = await self.dialer.stream(host, port, tls=context, stage=stage)
        banner = b""
        try:
            stage(f"the banner of {host}:{port}")
            with network_errors(f"{host}:{port}"):
                while enough and not enough(banner) and len(banner) < _MOST_BANNER:
                    more = await reader.read(4096)
                    if not more:
                        break
                    banner += more
                    stage(f"the rest of the banner of {host}:{port}")
        finally:
            writer.transport.abort()
        return banner

    async def look_up(self, name: str, record: str, *, resolver: tuple[str, int] | None, timeout: float,
                      stage: Stage) -> list[str]:
        """See `dns.look_up`."""
        from . import dns

        return await dns.look_up(self.dialer, name, record, resolver=resolver, timeout=timeout, stage=stage)

    async def ask_postgres(self, host: str, port: int, *, user: str | None, password: str | None, database: str,
                           ssl_mode: str, ca_cert: str | None, query: str, timeout: float, stage: Stage) -> str | None:
        """See `postgres_probe.ask`."""
        from .postgres import PostgresTarget
        from .postgres_probe import ask

        target = PostgresTarget(host=host, port=port, user=user or "postgres", password=password, database=database,
                                ssl_mode=ssl_mode, ca_cert=ca_cert)
        return await ask(self.dialer, target, query=query, timeout=timeout, stage=stage)

    async def ping_redis(self, host: str, port: int, *, user: str | None, password: str | None, tls: bool,
                         validate_certs: bool, ca_cert: str | None, stage: Stage) -> None:
        """See `redis.ping`."""
        context = self.dialer.tls_context(validate_certs=validate_certs, ca_cert=ca_cert) if tls else None
        await redis.ping(self.dialer, host, port, user=user, password=password, tls=context, stage=stage)
