# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups are there, and is there a good and young one of each plan? Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status
from ..core.quantities import format_duration
from .repository import Backup

STATUSES = ("created", "verified", "proven", "failed")
# What is at least as good: a proven copy was verified, a verified one was created.
_RANKS = {"created": 0, "verified": 1, "proven": 2}


@dataclass(frozen=True)
class Filter:
    """Empty fields let everything through; ``tags`` must all be there; ages are in seconds."""

    statuses: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    younger_than: float | None = None
    older_than: float | None = None

    def __post_init__(self) -> None:
        for status in self.statuses:
            if status not in STATUSES:
                raise InvalidOption(f"status: {status!r} is unknown", hint=f"Known are {', '.join(STATUSES)}")

    def select(self, backups: Sequence[Backup], now: datetime) -> list[Backup]:
        """Those that pass, newest first."""
        def passes(backup: Backup) -> bool:
            age = (now - backup.created_at).total_seconds()
            return ((not self.statuses or backup.status in self.statuses)
                    and (not self.plans or backup.plan in self.plans)
                    and set(self.tags) <= set(backup.manifest.tags)
                    and (self.younger_than is None or age <= self.younger_than)
                    and (self.older_than is None or age >= self.older_than))

        return sorted(filter(passes, backups), key=lambda backup: (backup.created_at, backup.id), reverse=True)


def judge_ages(backups: Sequence[Backup], limits: Mapping[str, float], now: datetime, *, at_least: str = "created") -> list[Finding]:
    """For each plan of ``limits`` (seconds): is its newest copy that is ``at_least`` so good younger than that?

    :raises InvalidOption: for an ``at_least`` that is no rank
    """
    if at_least not in _RANKS:
        raise InvalidOption(f"at_least: {at_least!r} is unknown", hint=f"Known are {', '.join(_RANKS)}")
    return [_judge_age(plan, backups, limit, now, at_least) for plan, limit in limits.items()]


def _judge_age(plan: str, backups: Sequence[Backup], limit: float, now: datetime, at_least: str) -> Finding:
    good = [backup for backup in backups if backup.plan == plan and _RANKS.get(backup.status, -1) >= _RANKS[at_least]]
    word = "usable" if at_least == "created" else at_least
    hint = f"Run backups.create{'' if at_least == 'created' else ' and backups.verify'} for plan {plan} and see why it did not run"
    if not good:
        return Finding("backup.age", plan, Status.FAIL, f"there is no {word} backup", None, limit, "s", hint)
    newest = max(good, key=lambda backup: backup.created_at)
    age = (now - newest.created_at).total_seconds()
    if age < 0:
        return Finding("backup.age", plan, Status.UNKNOWN, f"{newest.id} is from the future: a clock is wrong", age, limit, "s",
                       "Set the clock of this host or of the one that made it (chronyc tracking)")
    told = f"the newest {word} backup, {newest.id}, is {format_duration(age)} old"
    if age > limit:
        return Finding("backup.age", plan, Status.FAIL, f"{told}, over the limit of {format_duration(limit)}", age, limit, "s", hint)
    return Finding("backup.age", plan, Status.PASS, told, age, limit, "s")
