# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of maintenance may take, and how the server itself is made to keep to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..core.errors import InvalidOption
from ..core.options import OptionGroup
from ..core.quantities import parse_duration
from .gentle import Gentle
from .session import Session

# Seconds. A server on a busy machine was seen to take a tenth of a second until a cancelled statement had ended.
_LEAST_RESERVE, _MOST_RESERVE = 0.25, 5.0

BUDGET = OptionGroup(
    fragment="maintenance",
    options={
        "time_budget": {"type": "str", "default": "30m"},
        "connection_budget": {"type": "int", "default": 2},
        "lock_timeout": {"type": "str", "default": "5s"},
        "gentle": {"type": "dict", "default": {}},
    },
)


@dataclass(frozen=True)
class Budget:
    """What a run may take: sessions at once, seconds in all, seconds of waiting for one lock; and what it does for others."""

    connections: int
    seconds: float
    lock_timeout: float
    gentle: Gentle = field(default_factory=Gentle)

    def __post_init__(self) -> None:
        """:raises InvalidOption: for less than one connection, or no time to wait for a lock"""
        if self.connections < 1:
            raise InvalidOption(f"connection_budget: {self.connections} sessions can do nothing", hint="Give 1 or more")
        if self.lock_timeout <= 0:
            raise InvalidOption("lock_timeout: 0 would wait without end for a lock", hint="Give a positive duration such as 5s")

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Budget:
        """The budget that the options of `BUDGET` describe.

        :raises InvalidOption: for durations that are none, and budgets that allow nothing
        """
        return cls(options["connection_budget"], parse_duration(options["time_budget"], option="time_budget"),
                   parse_duration(options["lock_timeout"], option="lock_timeout"), Gentle.from_options(options.get("gentle")))

    def until(self, end: datetime | None, now: datetime, *, share: int = 1) -> Budget:
        """The same budget, over by ``end`` at the latest; where ``share`` targets are still to come, with that part of what is left.

        :raises InvalidOption: for a share of less than one target
        """
        if share < 1:
            raise InvalidOption(f"share: {share} targets cannot share a window", hint="Count the target itself too: 1 or more")
        if end is None:
            return self
        return replace(self, seconds=min(self.seconds, max(0.0, (end - now).total_seconds()) / share))

    @property
    def reserve(self) -> float:
        """Seconds at the end that are kept for clearing up after what had to be cancelled."""
        return min(_MOST_RESERVE, max(_LEAST_RESERVE, 0.05 * self.seconds))


# Well below the server's usual second, and not so short that each ordinary wait for a lock is looked into.
_LOOK_FOR_DEADLOCKS_EARLY = "CASE WHEN {may} THEN set_config('deadlock_timeout', '100ms', false) END"


def set_wait_limits(session: Session, *, lock_timeout: float | None = None, statement_timeout: float | None = None,
                    settings: Mapping[str, str] | None = None) -> None:
    """Bound what the session's statements wait for a lock and run in all, in seconds; and other ``settings`` of it by name.

    Our queries of the catalog are not worth compiling, which can take longer than they do. A commit need not wait for the disk or
    for a standby: what a crash takes back the next run does again, and a commit that removes files is flushed all the same
    (PostgreSQL source, RecordTransactionCommit). From PostgreSQL 14 on the server also looks every few seconds whether we still
    live, and stops working for the dead. Of two sessions that wait for each other the server ends the one that looks first: where the
    user may set ``deadlock_timeout``, that is us, and no statement of an application fails for maintenance.
    """
    wanted: dict[str, Any] = dict(settings or {})
    if lock_timeout is not None:
        wanted |= {"lock_timeout": _milliseconds(lock_timeout), "jit": "off", "synchronous_commit": "off"}
        if session.server_version >= 140000:
            wanted["client_connection_check_interval"] = 2000
    if statement_timeout is not None:
        wanted["statement_timeout"] = _milliseconds(statement_timeout)
    calls = ["set_config(%s, %s, false)"] * len(wanted)
    if lock_timeout is not None:
        calls.append(_LOOK_FOR_DEADLOCKS_EARLY.format(
            may="has_parameter_privilege('deadlock_timeout', 'SET')" if session.server_version >= 150000
            else "current_setting('is_superuser')::bool"))
    session.fetch("SELECT " + ", ".join(calls), [text for name, value in wanted.items() for text in (name, str(value))])


def _milliseconds(seconds: float) -> int:
    return max(1, int(min(seconds, 2_000_000) * 1000))  # 0 would mean no limit; the settings are 32-bit
