# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a window left undone, and when PostgreSQL will do it by itself, unasked: a forecast, and a finding for each.

An anti-wraparound vacuum is forced on a table whose oldest transaction is ``autovacuum_freeze_max_age`` back, or whose oldest multixact is
``autovacuum_multixact_freeze_max_age`` back; a table may have both lower for itself (PostgreSQL documentation, Preventing Transaction
ID Wraparound Failures). Where members of multixacts fill up their space, the server acts earlier still, which is not foreseen here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.errors import OpsError, Unreachable
from ..core.quantities import format_duration
from .maintenance_history import History
from .plan import Step, Waiting
from .session import Session
from .work import Skip

# pg_snapshot_xmax() is the next transaction id with its epoch, and asking for it uses none up. Multixacts have 32 bits and no epoch; the
# age of the first is signed.
_SERVER = """
SELECT current_database() AS database, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS transactions,
       (mxid_age('1')::bigint + 1 + 4294967296) % 4294967296 AS multixacts
"""
_FORCED = """
SELECT c.oid::bigint AS oid,
       least(current_setting('autovacuum_freeze_max_age')::bigint,
             substring(o.options FROM 'autovacuum_freeze_max_age=([0-9]+)')::bigint) - age(c.relfrozenxid)::bigint AS transactions,
       least(current_setting('autovacuum_multixact_freeze_max_age')::bigint,
             substring(o.options FROM 'autovacuum_multixact_freeze_max_age=([0-9]+)')::bigint)
           - mxid_age(c.relminmxid)::bigint AS multixacts
  FROM pg_class c CROSS JOIN LATERAL (SELECT array_to_string(c.reloptions, ' ') AS options) o
 WHERE c.oid = ANY(%s::oid[]) AND c.relfrozenxid <> '0'
"""
# What is counted up to a forced vacuum.
_UNITS = ("transactions", "multixacts")


@dataclass(frozen=True)
class Server:
    """What history is kept under, and the server's next transaction id (64 bits) and multixact (32 bits). ``key``: see
    `maintenance_history.gather`.
    """

    identifier: str
    database: str
    transactions: int
    multixacts: int = 0

    @property
    def key(self) -> str:
        """Of its history."""
        return f"{self.identifier}/{self.database}"


def observe_server(session: Session) -> Server:
    """Who the server is: its system identifier, which standbys share, or its address where this user may not ask for that."""
    [row] = session.fetch(_SERVER)
    try:
        [named] = session.fetch("SELECT system_identifier::text AS identifier FROM pg_control_system()")
    except Unreachable:
        raise
    except OpsError:
        [named] = session.fetch("SELECT coalesce(host(inet_server_addr()), 'local') || ':' || current_setting('port') AS identifier")
    return Server(named["identifier"], **row)


def observe_forced(session: Session, oids: Sequence[int]) -> dict[int, dict[str, int]]:
    """How many ``transactions`` and ``multixacts`` are left until an anti-wraparound vacuum is forced on each table, 0 where it is
    already.
    """
    rows = session.fetch(_FORCED, (list(oids),)) if oids else []
    return {row["oid"]: {unit: max(0, row[unit]) for unit in _UNITS} for row in rows}


@dataclass(frozen=True)
class Debt:
    """One work that was due and is left. ``forced_seconds``: until an anti-wraparound vacuum is forced on its table, None where that
    is not known or nothing is to be feared; ``forced`` says it in words.
    """

    step: Step
    reason: str
    hint: str
    waiting: Waiting
    forced_seconds: float | None
    forced: str

    def as_dict(self) -> dict[str, Any]:
        """The entry of ``debt``."""
        return {"relation": self.step.work.relation, "action": self.step.work.action, "reason": self.reason,
                "predicted_seconds": round(self.step.prediction.seconds, 3), "runs": self.waiting.runs, "since": self.waiting.since,
                "tried_seconds": round(self.waiting.tried_seconds, 3),
                "forced_seconds": None if self.forced_seconds is None else round(self.forced_seconds), "forced": self.forced}

    def as_skip(self, *, forced_within: float) -> Skip:
        """What the finding is made from."""
        near = self.forced_seconds is not None and self.forced_seconds < forced_within
        again = f"; left {self.waiting.runs} runs in a row, since {self.waiting.since}" if self.waiting.runs > 1 else ""
        told = f"; {self.forced}" if self.forced else ""
        return Skip(self.step.work.relation, f"{self.step.work.action} is left ({self.step.work.reason}): {self.reason}{again}{told}",
                    self.hint, self.step.work.urgent or near, "database.debt")


def forecast_forced(left: Mapping[str, int], rates: Mapping[str, tuple[float, float] | None]) -> tuple[float | None, str]:
    """Seconds until an anti-wraparound vacuum is forced, and the sentence for it: of transactions and multixacts, whichever is first.

    ``left``: as `observe_forced` has it, empty where nothing is to be feared; ``rates``: by the same words, as `History.rate` has it.
    """
    told = [_forecast(unit, left[unit], rates.get(unit)) for unit in _UNITS if unit in left]
    return min(told, key=lambda one: float("inf") if one[0] is None else one[0], default=(None, ""))


def _forecast(unit: str, left: int, rate: tuple[float, float] | None) -> tuple[float | None, str]:
    if left == 0:
        return 0.0, "an anti-wraparound vacuum is forced on it by now"
    if rate is None:
        return None, f"an anti-wraparound vacuum is forced on it in {left} {unit}; when that is, two runs will tell"
    per_second, seconds = rate
    if per_second <= 0:
        return None, (f"an anti-wraparound vacuum is forced on it in {left} {unit}; "
                      f"there was none in the last {format_duration(seconds)}")
    return left / per_second, (f"at the rate of {unit} in the last {format_duration(seconds)} it forces an anti-wraparound vacuum in "
                               f"{format_duration(left / per_second)}")


def incur(step: Step, reason: str, hint: str, history: History, *, at: str, now: datetime, server: Server, left: Mapping[str, int],
          tried_seconds: float = 0.0) -> Debt:
    """The debt of one step that this run leaves; ``left``: see `observe_forced`."""
    before = step.waiting
    waiting = Waiting(before.runs + 1, before.since or at, max(before.tried_seconds, tried_seconds))
    seconds, words = forecast_forced(left, {unit: history.rate(now, getattr(server, unit), of=unit) for unit in left})
    return Debt(step, reason, hint, waiting, seconds, words)
