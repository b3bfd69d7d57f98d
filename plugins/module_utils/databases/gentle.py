# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far maintenance stays out of the way of others: the policy, what is looked at for it, and the judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status
from ..core.policy import duration, number, percentage, read_policy, size
from ..core.quantities import format_duration, format_size
from .host import ServerHost
from .room import unknown_room
from .session import Session

# The largest that the server takes (PostgreSQL documentation, Cost-based Vacuum Delay).
_MOST_DELAY, _MOST_COST = 0.1, 10_000
# What the policy may limit of the host's own load: how it is said, what comes after the figure, and where to look.
HOST_LIMITS = {
    "io_pressure": ("the host's tasks waited for its disks in {:.0f}% of the time", "%", "iotop -oPa"),
    "cpu_pressure": ("the host's tasks waited for a processor in {:.0f}% of the time", "%", "top"),
    "load_per_core": ("the host's load was {:.2f} for each processor", "", "top, iotop -oPa"),
}


@dataclass(frozen=True)
class Gentle:
    """What maintenance does for the sake of others; None is not asked for.

    Before each piece of work it waits while a standby is further behind than ``replication_lag`` (seconds) or
    ``replication_lag_size`` (bytes), while more than ``active_sessions`` others run a statement, or more than
    ``blocked_sessions`` wait for a lock; for ``patience`` seconds in the whole run. While it works, a statement that keeps
    another session waiting for ``give_way`` seconds is cancelled and left for the next run. ``cost_delay`` (seconds) and
    ``cost_limit`` are the server's own brake on VACUUM and ANALYZE. Work that is urgent has no brake, waits for nobody and gives way to
    nobody.

    The same holds while the server's host is busier than ``io_pressure`` or ``cpu_pressure`` (percent of the time in which some task
    waited) or ``load_per_core`` (load average by processor): known where we run on that host, which is found out unless ``on_host`` says
    it. ``unknown_load``: what is done where it is not known, of `room.UNKNOWN_ROOM`.

    What has no brake (rebuilds, rewrites) is cancelled when one of these limits, in the database or on its host, has been exceeded for
    ``cancel_after`` seconds while it runs.

    ``end_idle_transactions``: a session that has been idle in a transaction for so many seconds, and keeps our statement
    waiting for a lock, is ended. Without it no session but our own is ever touched.
    """

    cost_delay: float | None = None
    cost_limit: float | None = None
    replication_lag: float | None = None
    replication_lag_size: int | None = None
    active_sessions: float | None = None
    blocked_sessions: float | None = None
    give_way: float | None = None
    patience: float | None = None
    end_idle_transactions: float | None = None
    io_pressure: float | None = None
    cpu_pressure: float | None = None
    load_per_core: float | None = None
    on_host: bool | None = None
    unknown_load: str = "warn"
    cancel_after: float | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any] | None) -> Gentle:
        """Read the option ``gentle``; every key may be left out.

        :raises InvalidOption: for an unknown key, or a value that cannot be used
        """
        readers = {
            "cost_delay": _delay, "cost_limit": _cost, "replication_lag": duration, "replication_lag_size": size,
            "active_sessions": number, "blocked_sessions": number, "give_way": _some_time, "patience": duration,
            "end_idle_transactions": _some_time, "io_pressure": percentage, "cpu_pressure": percentage, "load_per_core": number,
            "on_host": _truth, "unknown_load": unknown_room, "cancel_after": _some_time,
        }
        return cls(**read_policy(options, readers, option="gentle"))

    @property
    def waits(self) -> bool:
        """Whether anything has to be looked at before a piece of work."""
        return bool(self.host_limits) or any(limit is not None for limit in (
            self.replication_lag, self.replication_lag_size, self.active_sessions, self.blocked_sessions))

    @property
    def host_limits(self) -> dict[str, float]:
        """Those of `HOST_LIMITS` that are set."""
        return {word: limit for word in HOST_LIMITS if (limit := getattr(self, word)) is not None}

    @property
    def watches(self) -> bool:
        """Whether the server has to be asked anything while any work is done."""
        return self.give_way is not None or self.end_idle_transactions is not None

    @property
    def cancels(self) -> bool:
        """Whether the server has to be asked while what has no brake is done, which is ended when others need the server more."""
        return self.cancel_after is not None and self.waits

    def settings(self, *, urgent: bool) -> dict[str, str]:
        """Settings of a session that vacuums."""
        found = {}
        if self.cost_delay is not None:
            found["vacuum_cost_delay"] = "0" if urgent else f"{self.cost_delay * 1000:g}ms"
        if self.cost_limit is not None:
            found["vacuum_cost_limit"] = f"{self.cost_limit:g}"
        return found


@dataclass(frozen=True)
class Standby:
    """One that replicates from the server: seconds and bytes behind. ``hidden``: this user may not see them."""

    name: str
    seconds: float | None
    bytes: int | None
    hidden: bool = False


@dataclass(frozen=True)
class Pressure:
    """What others do on the server just now: how many run a statement, how many wait for a lock, and who replicates.

    ``host``: how busy its host is, by the words of `HOST_LIMITS`; None where that is not known.
    """

    active: int = 0
    blocked: int = 0
    standbys: Sequence[Standby] = ()
    host: Mapping[str, float | None] | None = None


@dataclass(frozen=True)
class Hold:
    """Why nothing is begun just now, and what to do where it stays so. ``lasting``: waiting will not change it. ``ours_too``: what we
    do ourselves counts in it.
    """

    reason: str
    hint: str
    lasting: bool = False
    ours_too: bool = False


_UNKNOWN_LOAD = ("Run this on the server's own host as root or as its account (or say so with on_host); the pressures want a kernel with "
                 "psi=1 and can be replaced by load_per_core; or set unknown_load to ignore")
# Without pg_monitor the state of others is hidden: then whoever is in a transaction (it holds the lock on its own virtual
# transaction id) is taken to be active. A wait counts when it lasts for longer than the server itself lets pass before it looks for a
# deadlock; before PostgreSQL 14 nothing tells how long it lasts.
_SESSIONS = """
SELECT (SELECT count(*) FROM pg_stat_activity a
         WHERE NOT a.pid = ANY(%(ours)s) AND a.datid IS NOT NULL
           AND (a.state = 'active' AND a.backend_type = 'client backend'
                OR a.backend_type IS NULL AND EXISTS (SELECT FROM pg_locks v
                                                       WHERE v.pid = a.pid AND v.locktype = 'virtualxid' AND v.granted))) AS active,
       (SELECT count(DISTINCT l.pid) FROM pg_locks l WHERE NOT l.granted AND NOT l.pid = ANY(%(ours)s) {lasting}) AS blocked
"""
_LASTING = ("AND l.waitstart < clock_timestamp() - (SELECT reset_val::int * interval '1 ms' FROM pg_settings "
            "WHERE name = 'deadlock_timeout')")  # not our own, which is shorter
# replay_lag is null for a standby that has nothing to replay; a base backup is no standby.
_STANDBYS = """
SELECT coalesce(nullif(application_name, ''), client_addr::text, 'process ' || pid) AS name, state IS NULL AS hidden,
       coalesce(extract(epoch FROM replay_lag), 0)::float8 AS seconds,
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::bigint AS bytes
  FROM pg_stat_replication WHERE state IS NULL OR state IN ('streaming', 'catchup')
"""
# Who is ended where ``end_idle_transactions`` says so; {whom} narrows it down to those that are in our way.
_IDLE = """
SELECT a.pid, format('session %%s of %%s (%%s)', a.pid, a.usename, coalesce(nullif(a.application_name, ''), 'no name')) AS who,
       extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS seconds
  FROM pg_stat_activity a
 WHERE a.state IN ('idle in transaction', 'idle in transaction (aborted)') AND a.pid <> pg_backend_pid()
   AND a.backend_type = 'client backend' AND a.state_change < clock_timestamp() - %(seconds)s * interval '1 second' {whom}
"""
_IN_THIS_DATABASE = "AND a.datname = current_database()"
_IN_OUR_WAY = "AND a.pid IN (SELECT unnest(pg_blocking_pids(o)) FROM unnest(%(ours)s::int[]) AS o)"


def observe_pressure(session: Session, gentle: Gentle, ours: Sequence[int], host: ServerHost) -> Pressure:
    """What the policy asks for; ``ours`` are the process ids of our own sessions."""
    active = blocked = 0
    if gentle.active_sessions is not None or gentle.blocked_sessions is not None:
        [row] = session.fetch(_SESSIONS.replace("{lasting}", _LASTING if session.server_version >= 140000 else ""), {"ours": list(ours)})
        active, blocked = row["active"], row["blocked"]
    standbys: list[Standby] = []
    if gentle.replication_lag is not None or gentle.replication_lag_size is not None:
        standbys = [Standby(**row) for row in session.fetch(_STANDBYS)]
    return Pressure(active, blocked, standbys, observe_load(session, gentle, host))


def observe_load(session: Session, gentle: Gentle, host: ServerHost) -> Mapping[str, float | None] | None:
    """How busy the host is, where the policy asks for it; None where it does not, or nobody can tell."""
    return host.load(session, told=gentle.on_host) if gentle.host_limits else None


def observe_idle(session: Session, gentle: Gentle, ours: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """Sessions of others (pid, who, seconds) that have been idle in a transaction for longer than the policy bears: those that keep
    ``ours`` waiting for a lock, or without that all of this database.
    """
    query = _IDLE.replace("{whom}", _IN_THIS_DATABASE if ours is None else _IN_OUR_WAY)
    return session.fetch(query, {"seconds": gentle.end_idle_transactions, "ours": list(ours or ())})


def hold(pressure: Pressure, gentle: Gentle) -> Hold | None:
    """Why nothing is to be begun, None where all is calm. What is hidden is not calm."""
    asked = gentle.replication_lag is not None or gentle.replication_lag_size is not None
    for standby in pressure.standbys if asked else ():
        if standby.hidden:
            return Hold(f"how far standby {standby.name} is behind is hidden from this user, and the policy waits for standbys",
                        "GRANT pg_monitor to it, or leave replication_lag and replication_lag_size out of the policy", lasting=True)
        if gentle.replication_lag is not None and (standby.seconds or 0) > gentle.replication_lag:
            return Hold(f"standby {standby.name} is {format_duration(standby.seconds)} behind, over the limit of "
                        f"{format_duration(gentle.replication_lag)}", "See why it does not keep up; databases.inspect shows each")
        if gentle.replication_lag_size is not None and (standby.bytes or 0) > gentle.replication_lag_size:
            return Hold(f"standby {standby.name} is {format_size(standby.bytes)} behind, over the limit of "
                        f"{format_size(gentle.replication_lag_size)}", "See why it does not keep up; databases.inspect shows each")
    if gentle.active_sessions is not None and pressure.active > gentle.active_sessions:
        return Hold(f"{pressure.active} sessions were running a statement, over the limit of {gentle.active_sessions:g}",
                    "Choose a quieter time, or raise active_sessions")
    if gentle.blocked_sessions is not None and pressure.blocked > gentle.blocked_sessions:
        return Hold(f"{pressure.blocked} sessions were waiting for a lock, over the limit of {gentle.blocked_sessions:g}",
                    "See who holds it: SELECT pid, pg_blocking_pids(pid), query FROM pg_stat_activity WHERE wait_event_type = 'Lock';")
    return _hold_of_host(pressure.host or {}, gentle)


def _hold_of_host(load: Mapping[str, float | None], gentle: Gentle) -> Hold | None:
    for word, limit in gentle.host_limits.items():
        figure, (said, unit, look) = load.get(word), HOST_LIMITS[word]
        if figure is None:
            if gentle.unknown_load == "refuse":
                return Hold(f"{word} of the server's host is not known, and the policy has nothing done without it", _UNKNOWN_LOAD,
                            lasting=True)
        elif figure > limit:
            return Hold(f"{said.format(figure)}, over the limit of {limit:g}{unit} ({word}; maintenance itself counts in it)",
                        f"See on the host what keeps it busy ({look}), choose a quieter time, or raise {word}", ours_too=True)
    return None


def load_unknown(load: Mapping[str, float | None] | None, gentle: Gentle, subject: str) -> list[Finding]:
    """One finding for the limits of the host's load that cannot be kept to."""
    missing = [word for word in gentle.host_limits if (load or {}).get(word) is None]
    if not missing or gentle.unknown_load != "warn":
        return []
    return [Finding("database.load", subject, Status.WARN, f"How busy the server's host is cannot be told ({', '.join(missing)}): "
                    "maintenance does not wait for it", hint=_UNKNOWN_LOAD)]


def would_end(session: Session, gentle: Gentle) -> list[str]:
    """For check mode: a warning for each session that would be ended if it kept maintenance waiting."""
    if gentle.end_idle_transactions is None:
        return []
    return [f"{row['who']}, idle in a transaction for {format_duration(row['seconds'])}, would be ended if it kept maintenance waiting"
            for row in observe_idle(session, gentle)]


def _delay(value: Any, option: str) -> float:
    seconds = duration(value, option)
    if seconds > _MOST_DELAY:
        raise InvalidOption(f"{option}: {value} is longer than the server takes", hint="Give 100ms or less; 2ms is a gentle brake")
    return seconds


def _cost(value: Any, option: str) -> float:
    cost = number(value, option)
    if not 1 <= cost <= _MOST_COST or cost != int(cost):
        raise InvalidOption(f"{option}: {value} is no limit that the server takes",
                            hint="Give a whole number from 1 to 10000; 200 is its default")
    return cost


def _truth(value: Any, option: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidOption(f"{option}: {value!r} is neither true nor false", hint="Give true or false; without it this is found out")
    return value


def _some_time(value: Any, option: str) -> float:
    seconds = duration(value, option)
    if seconds <= 0:
        raise InvalidOption(f"{option}: {value} leaves no time at all", hint="Give a positive duration such as 5s, or leave it out")
    return seconds
