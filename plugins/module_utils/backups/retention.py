# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups may go. A pure plan: it never gives up the last verified or the last proven copy, nor what a kept one rests on.

Age is counted back from the newest usable backup of the plan, not from the clock: a clock that runs ahead makes nothing old,
and a plan whose backups have stopped loses none.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.errors import InvalidOption
from ..core.quantities import format_duration, parse_duration
from .repository import Backup

# Grandfather, father, son: the newest backup of each calendar period (UTC) stands for it.
_PERIODS: dict[str, Callable[[datetime], str]] = {
    "daily": lambda instant: f"{instant:%Y-%m-%d}",
    "weekly": lambda instant: f"{instant:%G-W%V}",
    "monthly": lambda instant: f"{instant:%Y-%m}",
    "yearly": lambda instant: f"{instant:%Y}",
}
_COUNTS = ("keep_last", "keep_verified", "keep_proven", *_PERIODS)


@dataclass(frozen=True)
class RetentionPolicy:
    """A backup is kept by any rule that keeps it; what no rule keeps may go.

    ``keep_for`` seconds of age, None where age keeps nothing; the newest ``keep_last``; the newest ``keep_verified`` and
    ``keep_proven`` at any age, at least one each; the newest of each of so many days, weeks (ISO 8601), months, years that have
    one. With ``archived``, only what has a verified copy in the second repository may go at all.
    """

    keep_for: float | None = None
    keep_last: int = 1
    keep_verified: int = 1
    keep_proven: int = 1
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    archived: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> RetentionPolicy:
        """Read ``{keep_for: 30d, keep_last: 3, keep_verified: 1, keep_proven: 1, daily: 7, …}``.

        :raises InvalidOption: for an unknown key, an unreadable or negative value, and a policy that limits nothing
        """
        known = ("keep_for", *_COUNTS, "archived")
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise InvalidOption(f"retention: unknown key {unknown[0]!r}", hint=f"Known are {', '.join(known)}")
        values: dict[str, Any] = {}
        for name in _COUNTS:
            if options.get(name) is None:
                continue
            count, least = options[name], 0 if name in _PERIODS else 1
            if isinstance(count, bool) or not isinstance(count, int) or count < least:
                raise InvalidOption(f"retention.{name}: {count!r} will not do", hint=f"Give a whole number, {least} or more")
            values[name] = count
        if options.get("archived") is not None:
            if not isinstance(options["archived"], bool):
                raise InvalidOption(f"retention.archived: {options['archived']!r} will not do", hint="Give true or false")
            values["archived"] = options["archived"]
        if options.get("keep_for") is not None:
            values["keep_for"] = parse_duration(options["keep_for"], option="retention.keep_for")
        elif not any(options.get(name) is not None for name in ("keep_last", *_PERIODS)):
            raise InvalidOption("retention: nothing says what may be deleted",
                                hint="Give keep_for (30d), keep_last, or daily, weekly, monthly, yearly")
        return cls(**values)


@dataclass(frozen=True)
class Decision:
    """What is to become of a backup, and why."""

    backup: Backup
    keep: bool
    reason: str


def plan_retention(backups: Sequence[Backup], policy: RetentionPolicy, now: datetime, *,
                   archived: Container[str] | None = None) -> list[Decision]:
    """A decision for each backup of one plan, newest first. ``archived`` are the ids with a verified copy in the second repository.

    A backup from the future means that a clock is wrong: then all are kept, since ages mean nothing. Failed backups count
    for no rule but age: they are kept no longer than others and never stand for a period.
    """
    newest_first = sorted(backups, key=lambda backup: (backup.created_at, backup.id), reverse=True)
    ahead = [backup for backup in newest_first if backup.created_at > now]
    if ahead:
        return [Decision(backup, True, f"kept: {ahead[0].id} is from the future, so a clock is wrong") for backup in newest_first]
    reasons = _reasons(newest_first, policy)
    if policy.archived:
        for backup in newest_first:
            if backup.usable and backup.id not in (archived or ()):
                reasons.setdefault(backup.id, "there is no verified copy of it in the second repository yet")
    _keep_links(newest_first, reasons)
    why = f"older than {format_duration(policy.keep_for)}" if policy.keep_for is not None else "no rule keeps it"
    return [Decision(backup, backup.id in reasons, reasons.get(backup.id, why)) for backup in newest_first]


def _reasons(newest_first: Sequence[Backup], policy: RetentionPolicy) -> dict[str, str]:
    """Why each is kept that a rule keeps, by id."""
    reasons: dict[str, str] = {}

    def keep(chosen: Sequence[Backup], reason: str) -> None:
        for backup in chosen:
            reasons.setdefault(backup.id, reason)

    usable = [backup for backup in newest_first if backup.usable]
    proven = [backup for backup in usable if backup.proven_at]
    verified = [backup for backup in usable if backup.verified_at]
    if policy.keep_for is not None and newest_first:
        reference = (usable or newest_first)[0].created_at
        keep([backup for backup in newest_first if (reference - backup.created_at).total_seconds() <= policy.keep_for],
             f"younger than {format_duration(policy.keep_for)}")
    keep(usable[:policy.keep_last], f"one of the last {policy.keep_last}")
    keep(verified[:policy.keep_verified], f"one of the last {policy.keep_verified} verified")
    keep(proven[:policy.keep_proven], f"one of the last {policy.keep_proven} proven")
    for word, period in _PERIODS.items():
        standing: dict[str, Backup] = {}
        for backup in usable:
            standing.setdefault(period(backup.created_at), backup)
        keep(list(standing.values())[:getattr(policy, word)], f"the {word} one of {getattr(policy, word)}")
    if not usable:
        keep(newest_first[:1], "the only kind left: no backup of the plan is usable")
    return reasons


def _keep_links(newest_first: Sequence[Backup], reasons: dict[str, str]) -> None:
    """Whatever a kept backup rests on is kept too, down to the full one."""
    parents = {backup.id: backup.manifest.parent for backup in newest_first}
    for backup in newest_first:
        if backup.id not in reasons:
            continue
        child, parent = backup.id, parents[backup.id]
        while parent in parents and parent not in reasons:
            reasons[parent] = f"{child} rests on it"
            child, parent = parent, parents[parent]
