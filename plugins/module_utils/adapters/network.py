# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network as a probe wants it (`health.ports.Network`). Clients are imported only where a target needs them."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from . import http, redis
from .sockets import Dialer, Stage, network_errors

if TYPE_CHECKING:
    from .mail_server import MailOffer
    from .shell_offer import ShellOffer

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
        _import_clients(kinds)

    async def addresses(self, host: str, port: int, *, stage: Stage) -> list[str]:
        """The numeric addresses of a name, each once, in the order that the system prefers."""
        found = await self.dialer.resolve(host, port, stage=stage)
        return [address[0] if not address[3:] or not address[3] else f"{address[0]}%{address[3]}" for _family, address in found]

    def only(self, host: str, address: str) -> AsyncNetwork:
        """The same network, in which this name has this one address; TLS and what is said are still the name's."""
        return AsyncNetwork(self.dialer.only(host, address))

    def _tls(self, tls: bool, validate_certs: bool, ca_cert: str | None, protocol: str | None = None) -> ssl.SSLContext | None:
        return self.dialer.tls_context(validate_certs=validate_certs, ca_cert=ca_cert, protocol=protocol) if tls else None

    async def exchange(self, host: str, port: int, payload: bytes, *, tls: bool, validate_certs: bool, ca_cert: str | None,
                       bodyless: bool, max_body: int, foreign: bool, stage: Stage) -> http.HttpAnswer:
        """See `http.exchange`."""
        context = self._tls(tls, validate_certs, ca_cert)
        return await http.exchange(self.dialer, host, port, payload, tls=context, bodyless=bodyless, max_body=max_body,
                                   foreign=foreign, stage=stage)

    async def greet(self, host: str, port: int, *, tls: bool, validate_certs: bool, ca_cert: str | None,
                    enough: Callable[[bytes], bool] | None, stage: Stage) -> bytes:
        """Connect; where ``enough`` is given, read what the peer says of itself until that is content, it hangs up, or
        64 KiB are read.
        """
        if not tls and not enough:  # the connection is all that is asked for: it needs no streams
            (await self.dialer.connect(host, port, stage=stage)).close()
            return b""
        context = self._tls(tls, validate_certs, ca_cert)
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
        context = self._tls(tls, validate_certs, ca_cert)
        await redis.ping(self.dialer, host, port, user=user, password=password, tls=context, stage=stage)

    async def check_grpc(self, host: str, port: int, *, tls: bool, validate_certs: bool, ca_cert: str | None, service: str,
                         timeout: float, stage: Stage) -> str:
        """See `grpc_health.check`."""
        from . import grpc_health

        context = self._tls(tls, validate_certs, ca_cert, "h2")
        return await grpc_health.check(self.dialer, host, port, tls=context, service=service, timeout=timeout, stage=stage)

    def series(self, page: str, *, openmetrics: bool) -> list[tuple[str, Mapping[str, str], float, float | None]]:
        """See `metrics_page.series`."""
        from . import metrics_page

        return metrics_page.series(page, openmetrics=openmetrics)

    async def converse(self, host: str, port: int, target: str, *, tls: bool, validate_certs: bool, ca_cert: str | None,
                       headers: Mapping[str, str], message: str | None, enough: Callable[[str], bool] | None, max_message: int,
                       stage: Stage) -> str | None:
        """See `websocket.converse`."""
        from . import websocket

        context = self._tls(tls, validate_certs, ca_cert)
        return await websocket.converse(self.dialer, host, port, target, tls=context, headers=headers, message=message, enough=enough,
                                        max_message=max_message, stage=stage)

    async def meet_mail_server(self, host: str, port: int, *, tls: bool, starttls: bool, validate_certs: bool, ca_cert: str | None,
                               user: str | None, password: str | None, timeout: float, stage: Stage) -> MailOffer:
        """See `mail_server.meet`."""
        from . import mail_server

        return await mail_server.meet(
            self.dialer, host, port, tls=self._tls(tls, validate_certs, ca_cert), starttls=self._tls(starttls, validate_certs, ca_cert),
            user=user, password=password, timeout=timeout, stage=stage)

    async def find_entry(self, host: str, port: int, *, tls: bool, starttls: bool, validate_certs: bool, ca_cert: str | None,
                         user: str | None, password: str | None, base: str, search_filter: str, stage: Stage) -> bool:
        """See `directory.find_entry`."""
        from . import directory

        return await directory.find_entry(
            self.dialer, host, port, tls=self._tls(tls, validate_certs, ca_cert), starttls=self._tls(starttls, validate_certs, ca_cert),
            user=user, password=password, base=base, search_filter=search_filter, stage=stage)

    async def meet_shell(self, host: str, port: int, *, with_keys: bool, stage: Stage) -> ShellOffer:
        """See `shell_offer.meet`."""
        from . import shell_offer

        return await shell_offer.meet(self.dialer, host, port, with_keys=with_keys, stage=stage)

    async def ask_mysql(self, host: str, port: int, *, user: str | None, password: str | None, database: str | None, tls: bool,
                        validate_certs: bool, ca_cert: str | None, query: str, timeout: float, stage: Stage) -> str | None:
        """See `mysql.ask`."""
        from . import mysql

        return await mysql.ask(self.dialer, host, port, user=user, password=password, database=database,
                               tls=self._tls(tls, validate_certs, ca_cert), query=query, timeout=timeout, stage=stage)

    async def inspect_queue(self, host: str, port: int, *, user: str | None, password: str | None, tls: bool, validate_certs: bool,
                            ca_cert: str | None, vhost: str, queue: str | None, stage: Stage) -> tuple[int, int] | None:
        """See `rabbitmq.inspect`."""
        from . import rabbitmq

        return await rabbitmq.inspect(self.dialer, host, port, user=user, password=password, tls=self._tls(tls, validate_certs, ca_cert),
                                      vhost=vhost, queue=queue, stage=stage)

    async def workload(self, kubeconfig: str | None, context: str | None, namespace: str, kind: str, name: str, *,
                       pods_of: Callable[[Any], str | None], timeout: float,
                       stage: Stage) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        """See `kubernetes_workloads.read`."""
        from . import kubernetes_workloads

        return await kubernetes_workloads.read(kubeconfig, context, namespace, kind, name, pods_of=pods_of, timeout=timeout, stage=stage)


def _import_clients(kinds: Collection[str]) -> None:
    """Those that are missing are told by the probe itself."""
    if "grpc" in kinds:
        from . import grpc_health  # noqa: F401
        with contextlib.suppress(ImportError):
            import h2.connection
            import h2.events  # noqa: F401
    if "prometheus" in kinds:
        from . import metrics_page  # noqa: F401
        with contextlib.suppress(ImportError):
            import prometheus_client.openmetrics.parser  # noqa: F401
    if "websocket" in kinds:
        from . import websocket  # noqa: F401
        with contextlib.suppress(ImportError):
            import websockets.client  # noqa: F401
    if "smtp" in kinds:
        from . import mail_server  # noqa: F401
        with contextlib.suppress(ImportError):
            import aiosmtplib  # noqa: F401
    if "ldap" in kinds:
        from . import directory  # noqa: F401
        with contextlib.suppress(ImportError):
            import ldap3.operation.extended
            import ldap3.operation.search  # noqa: F401
    if "ssh" in kinds:
        from . import shell_offer  # noqa: F401
        with contextlib.suppress(ImportError):
            import asyncssh  # noqa: F401
    if "mysql" in kinds:
        from . import mysql  # noqa: F401
        with contextlib.suppress(ImportError):
            import pymysql.cursors  # noqa: F401
    if "rabbitmq" in kinds:
        from . import rabbitmq  # noqa: F401
        with contextlib.suppress(ImportError):
            import pamqp.frame  # noqa: F401
    if "kubernetes" in kinds:
        from . import kubernetes_workloads  # noqa: F401
        with contextlib.suppress(ImportError):
            import kubernetes.dynamic  # noqa: F401
