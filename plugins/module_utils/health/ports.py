# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network as probes want it: what an adapter has to be able to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from .metrics import Series
from .workloads import Object

Stage = Callable[[str], None]


class HttpAnswer(Protocol):
    """``headers`` are pairs with names in lower case; ``cut`` says that the body is longer than was read."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    cut: bool


class ShellOffer(Protocol):
    """What an SSH server says before anyone logs in; ``fingerprints`` as ``SHA256:…``, where they were asked for."""

    banner: str
    algorithms: Sequence[str]
    fingerprints: Sequence[str]


class MailOffer(Protocol):
    """The greeting of a mail server without its code, and its extensions in capitals."""

    greeting: str
    extensions: Sequence[str]


class Network(Protocol):
    """What a probe wants of the network. Every method may be cancelled at any moment and leaves nothing open then.

    ``stage`` is told what is being waited for, so that a timeout can say it; ``foreign`` says that a host is the word of an
    answer, so that its number is judged too, as every name is (`core.addresses`). Errors are OpsErrors. Where a host is a name,
    TLS and what is said are the name's.
    """

    async def addresses(self, host: str, port: int, *, stage: Stage) -> list[str]:
        """The numeric addresses of a name, each once."""

    def only(self, host: str, address: str) -> Network:
        """The same network, in which this name has this one address."""

    async def exchange(self, host: str, port: int, payload: bytes, *, tls: bool, validate_certs: bool, ca_cert: str | None,
                       bodyless: bool, max_body: int, foreign: bool, stage: Stage) -> HttpAnswer:
        """Connect, send, read one HTTP answer."""

    async def greet(self, host: str, port: int, *, tls: bool, validate_certs: bool, ca_cert: str | None,
                    enough: Callable[[bytes], bool] | None, stage: Stage) -> bytes:
        """Connect; where ``enough`` is given, read until it is content or the peer hangs up."""

    async def look_up(self, name: str, record: str, *, resolver: tuple[str, int] | None, timeout: float,
                      stage: Stage) -> list[str]:
        """The records of a name as text."""

    async def ask_postgres(self, host: str, port: int, *, user: str | None, password: str | None, database: str,
                           ssl_mode: str, ca_cert: str | None, query: str, timeout: float, stage: Stage) -> str | None:
        """Connect, run a query in a read-only transaction; the first column of the first row as text."""

    async def ping_redis(self, host: str, port: int, *, user: str | None, password: str | None, tls: bool,
                         validate_certs: bool, ca_cert: str | None, stage: Stage) -> None:
        """Log in where a password is given, PING, hear PONG."""

    async def check_grpc(self, host: str, port: int, *, tls: bool, validate_certs: bool, ca_cert: str | None, service: str,
                         timeout: float, stage: Stage) -> str:
        """The serving status of a service by grpc.health.v1, such as ``SERVING``."""

    def series(self, page: str, *, openmetrics: bool) -> list[Series]:
        """The series of a page of metrics."""

    async def converse(self, host: str, port: int, target: str, *, tls: bool, validate_certs: bool, ca_cert: str | None,
                       headers: Mapping[str, str], message: str | None, enough: Callable[[str], bool] | None, max_message: int,
                       stage: Stage) -> str | None:
        """Open a WebSocket, say ``message``; where ``enough`` is given, read messages until one is, or the peer closes. The last one."""

    async def meet_mail_server(self, host: str, port: int, *, tls: bool, starttls: bool, validate_certs: bool, ca_cert: str | None,
                               user: str | None, password: str | None, timeout: float, stage: Stage) -> MailOffer:
        """Greeting, EHLO, STARTTLS and login where asked for; no mail."""

    async def find_entry(self, host: str, port: int, *, tls: bool, starttls: bool, validate_certs: bool, ca_cert: str | None,
                         user: str | None, password: str | None, base: str, search_filter: str, stage: Stage) -> bool:
        """Bind to an LDAP server; whether the entry is there and passes the filter."""

    async def meet_shell(self, host: str, port: int, *, with_keys: bool, stage: Stage) -> ShellOffer:
        """Read what an SSH server offers; nobody logs in."""

    async def ask_mysql(self, host: str, port: int, *, user: str | None, password: str | None, database: str | None, tls: bool,
                        validate_certs: bool, ca_cert: str | None, query: str, timeout: float, stage: Stage) -> str | None:
        """Connect, run a query in a read-only transaction; the first column of the first row as text."""

    async def inspect_queue(self, host: str, port: int, *, user: str | None, password: str | None, tls: bool, validate_certs: bool,
                            ca_cert: str | None, vhost: str, queue: str | None, stage: Stage) -> tuple[int, int] | None:
        """Open a virtual host; messages ready and consumers of the queue, where one is named."""

    async def workload(self, kubeconfig: str | None, context: str | None, namespace: str, kind: str, name: str, *,
                       pods_of: Callable[[Object | None], str | None], timeout: float,
                       stage: Stage) -> tuple[Object | None, list[Object]]:
        """The object, None for kind Pod, and the pods of the label selector ``pods_of(object)``; none where that is None."""
