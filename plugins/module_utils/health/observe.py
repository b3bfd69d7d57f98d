# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One attempt at one target: ask it through the network that is handed in, and compare the answer with what is expected."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Protocol

from ..core.errors import Refused
from .addresses import forbidden_address
from .expectations import Complaint, shown
from .targets import Target
from .web import REDIRECTS, next_hop

Stage = Callable[[str], None]
Guard = Callable[[str], "str | None"]


class HttpAnswer(Protocol):
    """``headers`` are pairs with names in lower case; ``cut`` says that the body is longer than was read."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    cut: bool


class Network(Protocol):
    """What a probe wants of the network. Every method may be cancelled at any moment and leaves nothing open then.

    ``stage`` is told what is being waited for, so that a timeout can say it; ``guard`` says of a resolved address why
    it must not be connected to. Errors are OpsErrors.
    """

    async def exchange(self, host: str, port: int, payload: bytes, *, tls: bool, validate_certs: bool, ca_cert: str | None,
                       bodyless: bool, max_body: int, guard: Guard | None, stage: Stage) -> HttpAnswer:
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


async def observe(target: Target, network: Network, stage: Stage) -> list[Complaint]:
    """Probe once; an empty list is a good answer.

    :raises OpsError: where there is no answer to be judged
    """
    return await _OBSERVERS[target.kind](target, network, stage)


async def _web(target: Target, network: Network, stage: Stage) -> list[Complaint]:
    request = target.request
    for hop in range(target.follow_redirects + 1):
        answer = await network.exchange(
            request.url.host, request.url.port, request.encoded(), tls=request.url.secure,
            validate_certs=target.validate_certs, ca_cert=target.ca_cert, bodyless=request.method == "HEAD",
            max_body=target.max_body, guard=forbidden_address if hop else None, stage=stage)
        location = next((value for name, value in answer.headers if name == "location"), None)
        if not target.follow_redirects or answer.status not in REDIRECTS or location is None:
            return _web_complaints(target, answer, location)
        request = next_hop(request, answer.status, location)
    raise Refused(f"{target.address} redirects more than {target.follow_redirects} times, last to {shown(request.url.shown)}",
                  hint="A loop, or raise follow_redirects")


def _web_complaints(target: Target, answer: HttpAnswer, location: str | None) -> list[Complaint]:
    content = target.content
    complaints = []
    if answer.status not in target.statuses:
        moved = answer.status in REDIRECTS and location is not None
        complaints.append(Complaint(
            f"HTTP status is {answer.status}" + (f" (to {shown(location.partition('?')[0])})" if moved else "")
            + f", expected {target.statuses.words}", answer.status, target.statuses.words,
            "Set follow_redirects, or probe the new address" if moved else _STATUS_HINTS.get(
                answer.status, _STATUS_HINTS.get(answer.status // 100 * 100, "See the service's log"))))
    complaints += content.complaints_of_headers(answer.headers)
    if content.contains is not None or content.matches is not None or content.json:
        text, cut = _text(answer, target.max_body)
        complaints += content.complaints_of_text(text, what="body", cut=cut)
        complaints += content.complaints_of_json(text, cut=cut)
    return complaints


_STATUS_HINTS = {
    401: "Check user and password, or the header Authorization", 403: "Check the rights of the account that probes",
    404: "Check the path; was the service deployed there?", 429: "Probe less often, or lower concurrency",
    502: "The proxy answers and what is behind it does not: look there",
    503: "The service says that it is unavailable: see its log and what it depends on",
    504: "The proxy answers and what is behind it is too slow: look there",
    400: "Check method, headers and body of the probe", 500: "See the service's log",
}


def _text(answer: HttpAnswer, most: int) -> tuple[str, bool]:
    """The body as text in its own charset, UTF-8 by default; unzipped, up to ``most`` bytes, where it comes zipped unasked."""
    headers = dict(answer.headers)
    body, cut = answer.body, answer.cut
    if headers.get("content-encoding", "").lower() in ("gzip", "x-gzip", "deflate"):
        unzip = zlib.decompressobj(47)  # zlib and gzip headers both
        try:
            body, cut = unzip.decompress(body, most), cut or bool(unzip.unconsumed_tail)
        except zlib.error:
            cut = True
    charset = headers.get("content-type", "").lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    try:
        return body.decode(charset or "utf-8", "replace"), cut
    except (LookupError, ValueError):
        return body.decode("utf-8", "replace"), cut


async def _tcp(target: Target, network: Network, stage: Stage) -> list[Complaint]:
    def complaints(banner: bytes) -> list[Complaint]:
        return target.content.complaints_of_text(banner.decode("utf-8", "replace"), what="banner", cut=False)

    expects = target.content.contains is not None or target.content.matches is not None
    banner = await network.greet(
        target.host, target.port, tls=target.tls, validate_certs=target.validate_certs, ca_cert=target.ca_cert,
        enough=(lambda read: not complaints(read)) if expects else None, stage=stage)
    return complaints(banner) if expects else []


async def _dns(target: Target, network: Network, stage: Stage) -> list[Complaint]:
    records = await network.look_up(target.host, target.record, resolver=target.resolver, timeout=target.timeout, stage=stage)
    if target.expected is None:
        return []
    have = {_plain_record(record) for record in records}
    missing = [record for record in target.expected if _plain_record(record) not in have]
    if not missing:
        return []
    listed = ", ".join(shown(record) for record in sorted(records)[:10]) or "nothing"
    return [Complaint(f"{target.record} of {target.host} is {listed}; {', '.join(shown(one) for one in missing)} is missing",
                      sorted(records)[:10], list(target.expected), "Compare with the zone; a cache may be stale")]


def _plain_record(record: str) -> str:
    """Names without case and the root's dot, TXT without quotes."""
    return record.strip().strip('"').rstrip(".").lower()


async def _postgresql(target: Target, network: Network, stage: Stage) -> list[Complaint]:
    value = await network.ask_postgres(
        target.host, target.port, user=target.user, password=target.password, database=target.database,
        ssl_mode=target.ssl_mode, ca_cert=target.ca_cert, query=target.query, timeout=target.timeout, stage=stage)
    if target.expected is None or value in target.expected:
        return []
    said = "no row" if value is None else shown(value)
    words = " or ".join(shown(one) for one in target.expected)
    return [Complaint(f"the query gives {said}, expected {words}", None if value is None else shown(value), words,
                      "Run the query by hand (psql) and see why")]


async def _redis(target: Target, network: Network, stage: Stage) -> list[Complaint]:
    await network.ping_redis(target.host, target.port, user=target.user, password=target.password, tls=target.tls,
                             validate_certs=target.validate_certs, ca_cert=target.ca_cert, stage=stage)
    return []


_OBSERVERS = {"http": _web, "https": _web, "tcp": _tcp, "dns": _dns, "postgresql": _postgresql, "redis": _redis}
