# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of maintenance mode: which web server is switched, what is asked for proof, and where it is written down."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..adapters.command import Commands
from ..adapters.haproxy_map import HaproxySwitch
from ..adapters.kubernetes import open_cluster
from ..adapters.kubernetes_service import ServiceSwitch
from ..adapters.maintenance_page import PageProbe, StateFile, page
from ..adapters.nginx_page import NginxSwitch
from ..core.clock import format_instant, parse_instant
from ..core.errors import InvalidOption
from ..core.quantities import parse_duration
from ..maintenance.mode import Record, Seen, Store, Switch


@dataclass(frozen=True)
class ModePolicy:
    """What would be on record, how many seconds the page may take to come or to go, and the lock of the process that ends it."""

    record: Record
    patience: float
    lock: str


def policy_of(options: Mapping[str, Any], now: datetime) -> ModePolicy:
    """:raises InvalidOption: for what is no duration or instant, and for an announced end that has passed"""
    until = parse_instant(options["until"]) if options.get("until") else None
    if options["state"] == "enabled" and until is not None and until <= now:
        raise InvalidOption(f"until: {options['until']} has passed", hint="Give an end that is still to come")
    by = str(options.get("by") or "").strip()
    if options["state"] == "enabled" and not by:
        raise InvalidOption("by: nobody is named", hint="Say who switches it on")
    lock = f"{options['state_dir'].rstrip('/')}/{options['name']}.lock"
    since, until = _as_kept(now), _as_kept(until) if until else None
    return ModePolicy(Record(since, by, options["change"], until), parse_duration(options["patience"], option="patience"), lock)


def _as_kept(instant: datetime) -> datetime:
    """In the milliseconds of the record, so that the same instant is the same."""
    return parse_instant(format_instant(instant))


def switch_of(options: Mapping[str, Any]) -> tuple[Switch, Store]:
    """The web server or Service that is switched, and what says by whom: a file, or the Service itself.

    :raises InvalidOption: for a name or path that a configuration could not hold, and for what is no duration
    """
    name, folder = options["name"], options["state_dir"].rstrip("/")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name, re.ASCII):
        raise InvalidOption(f"name: {name!r} has other characters than letters, digits, - and _", hint="Choose a plain name")
    timeout = parse_duration(options["timeout"], option="timeout")
    retry_after = max(1, round(parse_duration(options["retry_after"], option="retry_after")))
    if given := options.get("kubernetes"):
        service = ServiceSwitch(lambda: open_cluster({**given, "request_timeout": options["timeout"]}), name=name,
                                namespace=given["namespace"], service=given["service"], page=given["page"])
        return service, service
    store = StateFile(f"{folder}/{name}.json")
    if options.get("haproxy"):
        return HaproxySwitch(name=name, socket_path=options["haproxy"]["socket"], map_path=options["haproxy"]["map"],
                             retry_after=retry_after, timeout=timeout), store
    given = options["nginx"]
    return NginxSwitch(Commands(), name=name, include=given["include"], folder=folder, html=page(options["text"]),
                       retry_after=retry_after, config=given.get("config") or "", program=given.get("program") or "",
                       timeout=timeout), store


def page_of(options: Mapping[str, Any]) -> Callable[[], Seen]:
    """Asks the URL, each time it is called.

    :raises InvalidOption: for what is no URL, and for authorities that cannot be read
    """
    probe = PageProbe(options["url"], name=options["name"], host=options["host"], validate_certs=options["validate_certs"],
                      ca_cert=options.get("ca_cert"), timeout=parse_duration(options["timeout"], option="timeout"))
    return lambda: Seen(**vars(probe()))
