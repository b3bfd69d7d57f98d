# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked in the protocols that want more than host and port, read from options into frozen values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..core.errors import InvalidOption
from ..core.quantities import parse_duration
from .expectations import Comparison, read_comparison, shown
from .metrics import Selector, read_metrics
from .workloads import Workload, read_workload

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?", re.ASCII)


@dataclass(frozen=True)
class GrpcCheck:
    """``service`` as grpc.health.v1 names it; the empty one is the server as a whole."""

    service: str


@dataclass(frozen=True)
class PageCheck:
    """Metrics that a page must have, with values no older than ``max_age`` seconds where the page dates them."""

    metrics: tuple[tuple[Selector, Comparison], ...]
    max_age: float


@dataclass(frozen=True)
class ConversationCheck:
    """What is said to a WebSocket, if anything."""

    message: str | None


@dataclass(frozen=True)
class MailCheck:
    """Whether TLS is to be begun, and the extensions that EHLO must then list, in capitals."""

    starttls: bool
    extensions: tuple[str, ...]


@dataclass(frozen=True)
class DirectoryCheck:
    """The entry that must be there, by its name and a filter that it passes (RFC 4515)."""

    base: str
    filter: str
    starttls: bool


@dataclass(frozen=True)
class ShellCheck:
    """Algorithms that an SSH server must and must not offer, and the fingerprint of one of its host keys."""

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]
    fingerprint: str | None


@dataclass(frozen=True)
class QueueCheck:
    """A virtual host, and a queue in it with how many messages are ready and how many consumers listen."""

    vhost: str
    queue: str | None
    messages: Comparison | None
    consumers: Comparison | None


Check: TypeAlias = "GrpcCheck | PageCheck | ConversationCheck | MailCheck | DirectoryCheck | ShellCheck | QueueCheck | Workload"


def read_check(kind: str, options: Mapping[str, Any], where: str) -> Check:
    """What is asked of a target of this kind, which is none of `options.PLAIN`.

    :raises InvalidOption: for values that cannot be used
    """
    return _READERS[kind](options, where)


def _words(options: Mapping[str, Any], option: str, where: str) -> tuple[str, ...]:
    words = tuple(str(one).strip() for one in options.get(option) or ())
    for word in words:
        if not word or not word.isprintable():
            raise InvalidOption(f"{where}.{option}: {shown(word)!r} is no name", hint="Give printable letters on one line")
    return words


def _line(options: Mapping[str, Any], option: str, where: str) -> str:
    text = str(options[option])
    if text and not text.isprintable():
        raise InvalidOption(f"{where}.{option}: {shown(text)!r} has a line break or control character", hint="Give one line of text")
    return text


def _compared(options: Mapping[str, Any], option: str, where: str) -> Comparison | None:
    return read_comparison(options[option], option=f"{where}.{option}") if option in options else None


def _grpc(options: Mapping[str, Any], where: str) -> GrpcCheck:
    return GrpcCheck(_line(options, "grpc_service", where))


def _prometheus(options: Mapping[str, Any], where: str) -> PageCheck:
    return PageCheck(read_metrics(options.get("metrics"), option=f"{where}.metrics"),
                     parse_duration(options["max_age"], option=f"{where}.max_age"))


def _websocket(options: Mapping[str, Any], where: str) -> ConversationCheck:
    del where
    return ConversationCheck(options.get("say"))


def _one_tls(options: Mapping[str, Any], where: str) -> bool:
    if options["tls"] and options["starttls"]:
        raise InvalidOption(f"{where}: tls and starttls contradict each other",
                            hint="tls speaks it from the first byte, starttls begins it in the course; keep one")
    return bool(options["starttls"])


def _smtp(options: Mapping[str, Any], where: str) -> MailCheck:
    if ("user" in options) != ("password" in options):
        raise InvalidOption(f"{where}: user and password go together", hint="Give both to log in, or neither")
    return MailCheck(_one_tls(options, where), tuple(word.upper() for word in _words(options, "expected", where)))


def _ldap(options: Mapping[str, Any], where: str) -> DirectoryCheck:
    if bool(options.get("user")) != bool(options.get("password")):
        raise InvalidOption(f"{where}: user and password go together",
                            hint="A name without a password binds as nobody and would seem to succeed (RFC 4513, 5.1.2)")
    return DirectoryCheck(_line(options, "base", where), _line(options, "filter", where), _one_tls(options, where))


def _ssh(options: Mapping[str, Any], where: str) -> ShellCheck:
    fingerprint = options.get("fingerprint")
    if fingerprint is not None and not _FINGERPRINT.fullmatch(str(fingerprint)):
        raise InvalidOption(f"{where}.fingerprint: {shown(str(fingerprint))!r} is no fingerprint",
                            hint="Write it as ssh-keygen -l does: SHA256:… (43 letters)")
    return ShellCheck(_words(options, "expected", where), _words(options, "unwanted", where),
                      str(fingerprint).rstrip("=") if fingerprint is not None else None)


def _rabbitmq(options: Mapping[str, Any], where: str) -> QueueCheck:
    if "queue" not in options and ("messages" in options or "consumers" in options):
        raise InvalidOption(f"{where}: messages and consumers are those of a queue", hint="Name it as queue")
    queue = _line(options, "queue", where) if "queue" in options else None
    if queue is not None and not 1 <= len(queue.encode()) <= 255:  # a short string of AMQP 0-9-1
        raise InvalidOption(f"{where}.queue: {shown(queue)!r} is no name of a queue", hint="Give 1 to 255 bytes")
    vhost = _line(options, "vhost", where)
    if not 1 <= len(vhost.encode()) <= 255:
        raise InvalidOption(f"{where}.vhost: {shown(vhost)!r} is no virtual host", hint="The usual one is /")
    return QueueCheck(vhost, queue, _compared(options, "messages", where), _compared(options, "consumers", where))


def _kubernetes(options: Mapping[str, Any], where: str) -> Workload:
    return read_workload(options, _compared(options, "restarts", where), where)


_READERS = {"grpc": _grpc, "prometheus": _prometheus, "websocket": _websocket, "smtp": _smtp, "ldap": _ldap, "ssh": _ssh,
            "rabbitmq": _rabbitmq, "kubernetes": _kubernetes}
