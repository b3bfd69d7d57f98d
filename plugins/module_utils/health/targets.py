# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets: what is probed, how, and what is expected. Read from options into frozen values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..core.errors import InvalidOption
from ..core.quantities import parse_duration, parse_size
from .expectations import Content, Statuses, read_statuses, shown
from .options import BUILT_IN, BY_URL, KINDS, ONLY_FOR, PAGES, PLAIN, PORTS, TARGET_OPTIONS, TLS_PORTS, WEB
from .requests import read_content, read_request
from .web import Url, WebRequest, ascii_host, read_url

if TYPE_CHECKING:
    from .protocols import Check
    from .steps import Step

_SCHEMES = {"http": ("http",), "https": ("https",), "prometheus": ("http", "https"), "websocket": ("ws", "wss")}
_BY_SCHEME = {"http": "http", "https": "https", "ws": "websocket", "wss": "websocket"}
_DATABASES = {"postgresql": "postgres"}
# What defaults cannot say.
_OF_ONE = {"name", "url", "steps", "secrets"}
# A step says these for itself.
_OF_A_STEP = ("method", "body", "status", "contains", "matches", "json", "header")


@dataclass(frozen=True)
class Target:
    """One thing to be probed. Durations are seconds; ``address`` is how results call the place."""

    name: str
    service: str
    kind: str
    host: str
    port: int
    address: str
    timeout: float
    retries: int = 0
    retry_delay: float = 0.2
    latency_warn: float | None = None
    latency_fail: float | None = None
    critical: bool = True
    tls: bool = False
    validate_certs: bool = True
    ca_cert: str | None = None
    request: WebRequest | None = None
    statuses: Statuses | None = None
    content: Content = field(default_factory=Content)
    follow_redirects: int = 0
    max_body: int = 2**20
    record: str = "A"
    resolver: tuple[str, int] | None = None
    expected: tuple[str, ...] | None = None
    query: str = "SELECT 1"
    database: str | None = "postgres"
    ssl_mode: str = "prefer"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    every_address: bool = False
    check: Check | None = None
    steps: tuple[Step, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    depends_on: tuple[str, ...] = ()
    layer: str | None = None


def read_targets(targets: Sequence[Mapping[str, Any]], defaults: Mapping[str, Any] | None = None) -> list[Target]:
    """Lay each target over ``defaults`` and read it; a value of None counts as not given.

    A default that says nothing to a target's kind is passed over, so that one ``defaults`` serves mixed targets.

    :raises InvalidOption: for no target at all, an unknown key or kind, a name given twice, and values that cannot be used
    """
    known = {*_OF_ONE, *TARGET_OPTIONS}
    general = _given(defaults or {})
    _refuse_unknown(general, known - _OF_ONE, "defaults")
    if not targets:
        raise InvalidOption("targets: there is nothing to probe", hint="List at least one target, or leave the procedure out")
    read, seen = [], set()
    for number, target in enumerate(targets):
        options = _given(target)
        where = f"targets[{number}]"
        _refuse_unknown(options, known, where)
        name = str(options.get("name", "")).strip()
        if not name or not name.isprintable() or len(name) > 200:
            raise InvalidOption(f"{where}.name: {shown(name)!r} is no name", hint="Give 1 to 200 printable letters on one line")
        if name in seen:
            raise InvalidOption(f"{where}.name: two targets are called {shown(name)!r}", hint="Results are told apart by name")
        seen.add(name)
        read.append(_read(name, options, general, f"target {shown(name)!r}"))
    return read


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _refuse_unknown(options: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(str(key) for key in options if key not in known)
    if unknown:
        raise InvalidOption(f"{where}: unknown key {shown(unknown[0])!r}", hint=f"Known are {', '.join(sorted(known))}")


def _read(name: str, own: Mapping[str, Any], general: Mapping[str, Any], where: str) -> Target:
    kind = _kind(own, general, where)
    for option in own:
        if kind not in ONLY_FOR.get(option, KINDS):
            raise InvalidOption(f"{where}: {option} says nothing to kind {kind}",
                                hint=f"It is for {', '.join(sorted(ONLY_FOR[option]))}; leave it out or change the kind")
    fitting = {key: value for key, value in general.items() if kind in ONLY_FOR.get(key, KINDS)}
    if "url" in own:
        for option in ("host", "port"):
            fitting.pop(option, None)
            if option in own:
                raise InvalidOption(f"{where}: url and {option} contradict each other", hint="Keep one of them")
    options = {**BUILT_IN, **fitting, **own}
    url = _url(kind, options, where) if kind in BY_URL else None
    check = _check(kind, options, where)
    secrets, steps = _critical_path(url, own, options, where)
    host, port = (url.host, url.port) if url else ("", 0) if kind == "kubernetes" else _place(kind, options, where)
    latency = {word: _duration(options, word, where) for word in ("latency_warn", "latency_fail")}
    if None not in latency.values() and latency["latency_warn"] > latency["latency_fail"]:
        raise InvalidOption(
            f"{where}: latency_warn ({options['latency_warn']}) is above latency_fail ({options['latency_fail']})",
            hint="Swap them, or leave one out")
    timeout = _duration(options, "timeout", where)
    if not timeout:
        raise InvalidOption(f"{where}.timeout: {options['timeout']!r} leaves no time", hint="Give a duration such as 5s")
    service = str(options.get("service", name)).strip()
    if not service or not service.isprintable():
        raise InvalidOption(f"{where}.service: {shown(service)!r} is no name", hint="Give printable letters on one line")
    if kind == "redis" and "user" in options and "password" not in options:
        raise InvalidOption(f"{where}: user without password", hint="Redis takes both, or a password alone")
    expected = options.get("expected")
    return Target(
        name=name, service=service, kind=kind, host=host, port=port, timeout=timeout,
        address=check.words if kind == "kubernetes" else _address(kind, url, host, port, options),
        retries=_count(options, "retries", where, highest=100), retry_delay=_duration(options, "retry_delay", where) or 0.0,
        latency_warn=latency["latency_warn"], latency_fail=latency["latency_fail"], critical=bool(options["critical"]),
        tls=url.secure if url else kind in ONLY_FOR["tls"] and bool(options["tls"]),
        validate_certs=bool(options["validate_certs"]), ca_cert=options.get("ca_cert"),
        request=read_request(kind, url, options, where) if url else None,
        statuses=read_statuses(options["status"], option=f"{where}.status") if kind in PAGES else None,
        content=read_content(options, where), follow_redirects=_count(options, "follow_redirects", where, highest=20),
        max_body=parse_size(options["max_body"], option=f"{where}.max_body"),
        record=_record(options, where), resolver=_resolver(options, where),
        expected=tuple(str(one) for one in expected) if expected is not None else None,
        query=options["query"], database=options.get("database", _DATABASES.get(kind)), ssl_mode=options["ssl_mode"],
        user=options.get("user"), password=options.get("password"), every_address=options["addresses"] == "all", check=check,
        steps=steps, secrets=secrets,
        depends_on=tuple(str(one) for one in options.get("depends_on") or ()), layer=options.get("layer"),
    )


def _kind(own: Mapping[str, Any], general: Mapping[str, Any], where: str) -> str:
    """The kind that is given, else what the scheme of the URL means, else that of ``defaults``."""
    scheme = str(own.get("url", "")).partition("://")[0].lower()
    kind = own.get("kind") or _BY_SCHEME.get(scheme) or general.get("kind") or ("http" if "url" in own else None)
    if kind is None:
        raise InvalidOption(f"{where}: neither kind nor url is given", hint=f"Give a kind of {', '.join(KINDS)}")
    if kind not in KINDS:
        raise InvalidOption(f"{where}.kind: {shown(str(kind))!r} is no kind", hint=f"Known are {', '.join(KINDS)}")
    return str(kind)


def _url(kind: str, options: Mapping[str, Any], where: str) -> Url:
    if "url" not in options:
        if kind not in WEB:
            raise InvalidOption(f"{where}: url is missing", hint=f"Give it as {_SCHEMES[kind][-1]}://host:port/path")
        host, port = _place(kind, options, where)
        return Url(kind, host, port, "/")
    schemes = ("http", "https") if kind in PAGES else _SCHEMES[kind]
    url = read_url(str(options["url"]), option=f"{where}.url", schemes=schemes)
    if url.scheme not in _SCHEMES[kind]:
        raise InvalidOption(f"{where}: kind {kind} and a URL of {url.scheme} contradict each other",
                            hint="Leave kind out: the URL says it")
    return url


def _check(kind: str, options: Mapping[str, Any], where: str) -> Check | None:
    """What is asked beyond host and port; imported where it is, since most runs probe nothing else than HTTP."""
    if kind in PLAIN:
        return None
    from .protocols import read_check

    return read_check(kind, options, where)


def _critical_path(url: Url | None, own: Mapping[str, Any], options: Mapping[str, Any],
                   where: str) -> tuple[dict[str, str], tuple[Step, ...]]:
    """Secrets and steps, imported as above."""
    if not url or not own.keys() & {"steps", "secrets"}:
        return {}, ()
    from .steps import read_secrets, read_steps

    secrets = read_secrets(own, where)
    for option in _OF_A_STEP:
        if option in own:
            raise InvalidOption(f"{where}: {option} beside steps", hint="Each step says it for itself")
    shared = {key: options[key] for key in ("headers", "public_headers", "user", "password") if key in options}
    return secrets, read_steps(own["steps"], url, shared, secrets, where)


def _place(kind: str, options: Mapping[str, Any], where: str) -> tuple[str, int]:
    if "host" not in options:
        raise InvalidOption(f"{where}: host is missing", hint="Give host and port" + (", or url" if kind in WEB else ""))
    port = options.get("port", TLS_PORTS.get(kind, PORTS.get(kind)) if options["tls"] else PORTS.get(kind))
    if port is None:
        raise InvalidOption(f"{where}: port is missing", hint=f"A target of kind {kind} has no usual port: name it")
    return ascii_host(str(options["host"]), option=f"{where}.host"), _port(port, f"{where}.port")


def _port(value: Any, option: str) -> int:
    try:
        port = int(value)
    except (TypeError, ValueError):
        port = 0
    if isinstance(value, bool) or not 1 <= port <= 65535:
        raise InvalidOption(f"{option}: {shown(str(value))!r} is no port", hint="Give a number from 1 to 65535")
    return port


def _address(kind: str, url: Url | None, host: str, port: int, options: Mapping[str, Any]) -> str:
    if url:
        return url.shown
    if kind == "dns":
        asked = f" at {options['resolver']}" if "resolver" in options else ""
        return f"{host} {str(options['record']).upper()}{asked}"
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    database = options.get("database", _DATABASES.get(kind))
    return f"{shown(str(database))} on {place}" if database else place


def _duration(options: Mapping[str, Any], key: str, where: str) -> float | None:
    return parse_duration(options[key], option=f"{where}.{key}") if key in options else None


def _count(options: Mapping[str, Any], key: str, where: str, *, highest: int) -> int:
    value = options[key]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
        raise InvalidOption(f"{where}.{key}: {shown(str(value))!r} is no number from 0 to {highest}", hint="Give a whole number")
    return value


def _record(options: Mapping[str, Any], where: str) -> str:
    record = str(options["record"]).upper()
    if not re.fullmatch(r"[A-Z][A-Z0-9-]{0,15}", record, re.ASCII):
        raise InvalidOption(f"{where}.record: {shown(record)!r} is no record type",
                            hint="Give A, AAAA, CNAME, MX, TXT, SRV or another")
    return record


def _resolver(options: Mapping[str, Any], where: str) -> tuple[str, int] | None:
    """``10.0.0.2``, ``10.0.0.2:5353``, ``[fd00::2]:5353``."""
    if "resolver" not in options:
        return None
    text = str(options["resolver"])
    match = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?|([^:]+)(?::(\d+))?|([0-9a-fA-F:]+)", text)
    if not match:
        raise InvalidOption(f"{where}.resolver: {shown(text)!r} is no address",
                            hint="Write 10.0.0.2, 10.0.0.2:53 or [fd00::2]:53")
    host = ascii_host(match[1] or match[3] or match[5], option=f"{where}.resolver")
    return host, _port(match[2] or match[4] or 53, f"{where}.resolver")
