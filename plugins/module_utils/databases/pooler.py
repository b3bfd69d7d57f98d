# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pooler as its console shows it, judged by limits: who waits, for how long, and how full its pools are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..core.errors import OpsError, Unreachable
from ..core.finding import Finding, Status
from ..core.policy import Limits, duration, number, pair, percentage, read_policy, status_word
from .figures import most, most_seconds, shortened
from .limits import read_settings

_CONSOLE = "pgbouncer"  # its own database, which has no pool
_PAIRS = {"waiting_clients": number, "max_wait": duration, "pool_percent": percentage, "clients_percent": percentage,
          "connections_percent": percentage, "average_wait": duration, "average_query": duration}


class Console(Protocol):
    """`adapters.pgbouncer.Console` is one."""

    def show(self, what: str) -> list[dict[str, Any]]:
        """The rows of ``SHOW what``."""


@dataclass(frozen=True)
class PoolerLimits:
    """What ``pgbouncer_check`` judges by; ``stopped`` is the status of databases that are paused or disabled."""

    pairs: Mapping[str, Limits] = field(default_factory=dict)
    stopped: str = "ignore"
    settings: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> PoolerLimits:
        """Read ``{waiting_clients: {warn: 1}, max_wait: {fail: 5s}, stopped: fail, settings: {warn: {auth_type: scram-sha-256}}, …}``.

        :raises InvalidOption: for an unknown key or a value of the wrong kind
        """
        read = read_policy(options, {**{key: pair(reader) for key, reader in _PAIRS.items()}, "stopped": status_word,
                                     "settings": read_settings}, option="limits")
        return cls({key: value for key, value in read.items() if key in _PAIRS}, read.get("stopped", "ignore"), read.get("settings", {}))

    def of(self, key: str) -> Limits:
        """The limits of a key; none where the policy is silent."""
        return self.pairs.get(key, Limits())


def observe_pooler(console: Console) -> dict[str, Any]:
    """``{version, pools, databases, clients: {used, maximum}, settings}``; a part that the user may not see is ``{"error": …}``.

    A pool is one database and user: clients and servers by state, ``waited`` (seconds that the first in its queue waits).

    :raises Unreachable: when the pooler is lost on the way
    """
    shown: dict[str, Any] = {}
    for what in ("VERSION", "POOLS", "DATABASES", "STATS", "LISTS", "CONFIG"):
        try:
            shown[what] = console.show(what)
        except Unreachable:
            raise
        except OpsError as error:
            shown[what] = {"error": error.message, "hint": error.hint or "Add the user to stats_users"}
    settings = _each(shown["CONFIG"], lambda rows: {row["key"]: row["value"] or "" for row in rows})
    averages = {row["database"]: row for row in shown["STATS"]} if isinstance(shown["STATS"], list) else {}
    lists = _each(shown["LISTS"], lambda rows: {row["list"]: int(row["items"]) for row in rows})
    return {
        "version": next(iter(shown["VERSION"][0].values())) if isinstance(shown["VERSION"], list) and shown["VERSION"] else "",
        "pools": _each(shown["POOLS"], lambda rows: [_pool(row) for row in rows if row["database"] != _CONSOLE]),
        "databases": _each(shown["DATABASES"], lambda rows: [_database(row, averages.get(row["name"])) for row in rows
                                                             if row["name"] != _CONSOLE]),
        "clients": lists if "error" in lists else {
            "used": lists["used_clients"], "maximum": int(settings["max_client_conn"]) if "max_client_conn" in settings else None},
        "settings": settings,
    }


def _each(rows: Any, read: Any) -> Any:
    return read(rows) if isinstance(rows, list) else rows


def _pool(row: Mapping[str, Any]) -> dict[str, Any]:
    servers = {key: int(row[f"sv_{key}"]) for key in ("active", "idle", "used", "tested", "login")}
    return {"database": row["database"], "user": row["user"], "mode": row["pool_mode"], "active": int(row["cl_active"]),
            "waiting": int(row["cl_waiting"]), "waited": int(row["maxwait"]) + int(row.get("maxwait_us") or 0) / 1e6, "servers": servers}


def _database(row: Mapping[str, Any], average: Mapping[str, Any] | None) -> dict[str, Any]:
    # SHOW STATS counts microseconds, as means of the last stats_period.
    seconds = {key: None if average is None else int(average[f"avg_{key}_time"]) / 1e6 for key in ("wait", "query")}
    return {"name": row["name"], "pool_size": int(row["pool_size"]), "mode": row["pool_mode"],
            "connections": int(row["current_connections"]), "maximum": int(row["max_connections"]),
            "stopped": [word for word in ("paused", "disabled") if int(row.get(word) or 0)],
            "average_wait": seconds["wait"], "average_query": seconds["query"]}


def judge_pooler(facts: Mapping[str, Any], limits: PoolerLimits, name: str) -> list[Finding]:
    """Findings ``database.pool…`` of one pooler, called ``name``."""
    findings: list[Finding] = []
    for part, wanted, judge in (
            ("clients", limits.of("clients_percent"), _clients),
            ("pools", any(limits.of(key) for key in ("waiting_clients", "max_wait", "pool_percent")), _pools),
            ("databases", limits.stopped != "ignore" or any(limits.of(key) for key in (
                "connections_percent", "average_wait", "average_query")), _databases),
            ("settings", limits.settings, _settings)):
        if wanted and isinstance(facts[part], Mapping) and "error" in facts[part]:
            findings.append(Finding(f"database.pooler_{part}", name, Status.UNKNOWN, f"{part} could not be read: {facts[part]['error']}",
                                    hint=facts[part]["hint"]))
        elif wanted:
            findings += judge(facts, limits, name)
    return findings


def _clients(facts: Mapping[str, Any], limits: PoolerLimits, name: str) -> list[Finding]:
    seen = facts["clients"]
    return most("pooler_clients", name, round(100 * seen["used"] / seen["maximum"], 1) if seen["maximum"] else None,
                limits.of("clients_percent"), unit="%", what=f"the share of the places for clients that is taken ({seen['used']})",
                hint="Raise max_client_conn (and the limit of open files), or see who opens so many: SHOW CLIENTS;")


def _pools(facts: Mapping[str, Any], limits: PoolerLimits, name: str) -> list[Finding]:
    sizes = {one["name"]: one["pool_size"] for one in facts["databases"]} if isinstance(facts["databases"], list) else {}
    findings: list[Finding] = []
    for pool in facts["pools"]:
        subject, size = f"{name}: {pool['database']} as {pool['user']}", sizes.get(pool["database"])
        busy = sum(pool["servers"][key] for key in ("active", "tested", "login"))
        findings += most("pool_waiting", subject, pool["waiting"], limits.of("waiting_clients"), what="the number of clients that wait",
                         hint="Each waits for a connection to the server: see long transactions there (databases.inspect), raise "
                              "pool_size, or use transaction pooling")
        findings += most_seconds("pool_wait", subject, pool["waited"], limits.of("max_wait"), what="the time that the first client waits",
                                 hint="The pool is full and nothing comes back: look for idle transactions, then raise pool_size")
        findings += most("pool_saturation", subject, round(100 * busy / size, 1) if size else None, limits.of("pool_percent"), unit="%",
                         what=f"the share of the pool in use ({busy} of {size})",
                         hint="Raise pool_size as far as the server's max_connections allows, or shorten transactions")
    return _worst_first("pools", name, findings)


def _databases(facts: Mapping[str, Any], limits: PoolerLimits, name: str) -> list[Finding]:
    findings: list[Finding] = []
    for one in facts["databases"]:
        subject = f"{name}: {one['name']}"
        if one["stopped"] and limits.stopped != "ignore":
            findings.append(Finding("database.pool_stopped", subject, Status(limits.stopped), f"it is {' and '.join(one['stopped'])}",
                                    hint=f"When the work is done: RESUME {one['name']}; or ENABLE {one['name']};"))
        if one["maximum"] > 0:
            findings += most("pool_connections", subject, round(100 * one["connections"] / one["maximum"], 1),
                             limits.of("connections_percent"), unit="%", what="the share of its connections to the server in use",
                             hint="Raise max_db_connections, or lower the pools of its users")
        for key, what in (("average_wait", "the mean time of waiting for a connection"), ("average_query", "the mean time of a query")):
            if one[key] is not None:
                findings += most_seconds(f"pool_{key}", subject, one[key], limits.of(key), what=what,
                                         hint="See SHOW POOLS; and the slow statements of the server (databases.inspect)")
    return _worst_first("pools", name, findings)


def _settings(facts: Mapping[str, Any], limits: PoolerLimits, name: str) -> list[Finding]:
    findings = []
    for word, expected in limits.settings.items():
        for key, values in expected.items():
            seen, wanted = facts["settings"].get(key), " or ".join(values)
            status = Status.UNKNOWN if seen is None else Status.PASS if seen in values else Status(word)
            said = f"this pooler has no setting {key}" if seen is None else f"{key} is {seen}"
            findings.append(Finding("database.pooler_settings", f"{name}: {key}", status,
                                    said if status is Status.PASS else f"{said}, and has to be {wanted}", seen, wanted,
                                    hint="" if status is Status.PASS else f"Write {key} = {values[0]} in pgbouncer.ini, then RELOAD;"))
    return findings


def _worst_first(check: str, name: str, findings: Sequence[Finding]) -> list[Finding]:
    return shortened(check, name, sorted(findings, key=lambda finding: -finding.status.rank))
