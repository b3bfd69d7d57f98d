# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection audit: who is connected from where, by which application, and whether that is expected."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status
from ..core.policy import read_policy, words
from .figures import most, most_seconds, shortened

SOCKET = "socket"
CLIENTS = """
SELECT a.usename AS user, coalesce(a.application_name, '') AS application, coalesce(host(a.client_addr), 'socket') AS address,
       a.datname AS database, coalesce(a.state, '') AS state, count(*) AS sessions,
       coalesce(bool_and(s.ssl OR g.encrypted), false) AS encrypted,
       max(extract(epoch FROM clock_timestamp() - a.state_change))::float8 AS seconds
  FROM pg_stat_activity a LEFT JOIN pg_stat_ssl s ON s.pid = a.pid LEFT JOIN pg_stat_gssapi g ON g.pid = a.pid
 WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
 GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC, 1, 2, 3, 4, 5
"""


@dataclass(frozen=True)
class Expected:
    """Who may be connected: patterns of users, applications and databases, networks of addresses; None is anybody."""

    users: tuple[str, ...] | None = None
    applications: tuple[str, ...] | None = None
    databases: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None

    @classmethod
    def from_options(cls, options: Any, option: str) -> Expected:
        """Read ``{users: [app, "report_*"], addresses: [10.0.0.0/8, socket]}``.

        :raises InvalidOption: for an unknown key, or an address that is none
        """
        if not isinstance(options, Mapping):
            raise InvalidOption(f"{option}: {options!r} is not a dictionary",
                                hint="Write it as {users: [app], addresses: [10.0.0.0/8, socket]}")
        expected = cls(**read_policy(options, dict.fromkeys(("users", "applications", "databases", "addresses"), words), option=option))
        for address in expected.addresses or ():
            if address != SOCKET:
                _network(address, option)
        return expected

    def surprises(self, client: Mapping[str, Any]) -> list[str]:
        """What of a group of sessions is not expected, as words."""
        found = [f"the {word} is not expected" for word, patterns, value in (
            ("user", self.users, client["user"]), ("application", self.applications, client["application"]),
            ("database", self.databases, client["database"]))
            if patterns is not None and not any(fnmatchcase(value or "", pattern) for pattern in patterns)]
        if self.addresses is not None and not any(_within(client["address"], one) for one in self.addresses):
            found.append("the address is not expected")
        return found


def _network(text: str, option: str) -> Any:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise InvalidOption(f"{option}: {text!r} is not a network", hint=f"Write 10.0.0.0/8, an address, or {SOCKET}") from error


def _within(address: str, network: str) -> bool:
    if SOCKET in (address, network):
        return address == network
    return ipaddress.ip_address(address.partition("%")[0]) in _network(network, "clients")


def judge_clients(facts: Mapping[str, Any], limits: Any) -> list[Finding]:
    """Findings of the sections ``clients`` and ``sessions`` of `observe.observe_database`; ``limits`` are `DatabaseLimits`."""
    seen, places = facts["clients"], facts["sessions"]["maximum"] - facts["sessions"]["reserved"] \
        if "maximum" in facts["sessions"] else 0
    findings: list[Finding] = []
    for key, check in (("user", "user_connections"), ("application", "application_connections"), ("address", "address_connections")):
        counts: Counter[str] = Counter()
        for client in seen:
            counts[client[key] or "unnamed"] += client["sessions"]
        [(name, number)] = counts.most_common(1) or [("nobody", 0)]
        findings += most(check, name, round(100 * number / places, 1) if places > 0 else None, limits.of(f"{key}_connections_percent"),
                         unit="%", what=f"the share of all connections that one {key} has ({number} sessions)",
                         hint="Give each application a pool of its own size, or bound it: ALTER ROLE … CONNECTION LIMIT …;")
    idle = [client for client in seen if client["state"] == "idle"]
    longest = max(idle, key=lambda client: client["seconds"] or 0, default=None)
    findings += most_seconds("idle_session", _who(longest) if longest else facts["name"], max(longest["seconds"] or 0, 0) if longest else 0,
                             limits.of("idle_session"), what="the time of the longest idle session",
                             hint="A pool larger than its work, or a leak: shrink it, or set idle_session_timeout for that role")
    bare = [client for client in seen if client["address"] != SOCKET and not client["encrypted"]
            and not ipaddress.ip_address(client["address"].partition("%")[0]).is_loopback]
    findings += most("unencrypted_sessions", _who(bare[0]) if bare else facts["name"], sum(client["sessions"] for client in bare),
                     limits.of("unencrypted_sessions"), what="the number of sessions over the network without TLS",
                     hint="Write hostssl instead of host in pg_hba.conf, and sslmode=verify-full where the client is set up")
    return findings + _unexpected(facts["name"], seen, limits.clients)


def _unexpected(name: str, seen: Any, expected: Mapping[str, Expected]) -> list[Finding]:
    findings: list[Finding] = []
    for client in seen:
        for word in ("fail", "warn"):
            surprises = expected[word].surprises(client) if word in expected else []
            if surprises:
                findings.append(Finding(
                    "database.clients", _who(client), Status(word), f"{client['sessions']} sessions in {client['database']}: "
                    f"{', '.join(surprises)}", client["sessions"], 0, hint="Ask who that is; then take the right to connect away "
                    "(pg_hba.conf, REVOKE CONNECT), or add it to what is expected"))
                break
    if expected and not findings:
        findings.append(Finding("database.clients", name, Status.PASS, "everybody who is connected is expected", 0, 0))
    return shortened("clients", name, findings)


def _who(client: Mapping[str, Any]) -> str:
    return f"{client['user']} from {client['address']}" + (f" ({client['application']})" if client["application"] else "")
