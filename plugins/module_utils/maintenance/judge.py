# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""May the maintenance begin? The window and its freeze, notice in time, approvals. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..core.clock import format_instant
from ..core.errors import InvalidOption
from ..core.finding import Finding, Status
from ..core.quantities import format_duration
from .records import Approval, Notice
from .windows import Outlook, Slot


@dataclass(frozen=True)
class Approvals:
    """What a change needs: a decision of each of the ``kinds``, none older than ``max_age`` seconds, by at least ``people`` people."""

    kinds: tuple[str, ...]
    max_age: float
    people: int = 1

    def __post_init__(self) -> None:
        """:raises InvalidOption: for fewer people than one, or more than there are kinds"""
        if self.people < 1 or self.people > max(1, len(self.kinds)):
            raise InvalidOption(f"people: {self.people} is no number from 1 to that of the approvals", hint="Give a whole number")


def judge_window(outlook: Outlook, *, required: bool, duration: float) -> list[Finding]:
    """``maintenance.window``, and ``maintenance.freeze`` where one holds or ends the window. What is ``required`` is an open window
    with ``duration`` seconds left; else a closed one passes, for most of the time it is.
    """
    subject = outlook.open.window if outlook.open else outlook.next.window if outlook.next else "windows"
    findings = []
    if outlook.freeze and outlook.frozen:
        told = f"the freeze {outlook.freeze.name} holds until {format_instant(outlook.freeze.ends)}"
        findings.append(Finding("maintenance.freeze", outlook.freeze.name, Status.FAIL if required else Status.PASS, told,
                                hint="Wait for its end, or ask who declared it" if required else ""))
    coming = f"the next, {outlook.next.window}, opens at {format_instant(outlook.next.begins)}" if outlook.next \
        else "none is in sight"
    if outlook.open is None:
        status = Status.FAIL if required else Status.PASS if outlook.next else Status.WARN
        hint = "" if status is Status.PASS else "Run it then, or as an emergency with its approvals" if outlook.next \
            else "See the windows and freezes of the policy: does one take up the other?"
        return [*findings, Finding("maintenance.window", subject, status, f"no window is open; {coming}", 0, duration, "s", hint)]
    left = outlook.remaining
    told = "is open" if left is None else f"is open for {format_duration(left)}, until {format_instant(outlook.open.ends)}"
    if left is not None and left < duration:
        status = Status.FAIL if required else Status.WARN
        return [*findings, Finding("maintenance.window", subject, status, f"{told}; {format_duration(duration)} are asked for", round(left),
                                   duration, "s", f"Do less, or wait: {coming}")]
    return [*findings, Finding("maintenance.window", subject, Status.PASS, told, left if left is None else round(left), duration, "s")]


def judge_notice(slot: Slot | None, notices: Sequence[Notice], now: datetime) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Was notice of this window given in time? ``status``: not_required, given, late, missing (and too late now), due (still in time)."""
    if slot is None:
        return None, []
    mine = [one for one in notices if (one.window, one.begins) == (slot.window, slot.announced)]
    first = min(mine, key=lambda one: one.announced_at, default=None)
    latest = slot.announced - timedelta(seconds=slot.notice)
    value = {"window": slot.window, "begins_at": format_instant(slot.announced), "required_seconds": round(slot.notice),
             "latest_at": format_instant(latest), "announced_at": first and format_instant(first.announced_at),
             "told": list(dict.fromkeys(name for one in mine for name in one.told))}

    def result(word: str, status: Status, message: str, hint: str = "") -> tuple[dict[str, Any], list[Finding]]:
        seen = first and round((slot.announced - first.announced_at).total_seconds())
        return {**value, "status": word}, [Finding("maintenance.notice", slot.window, status, message, seen, round(slot.notice), "s", hint)]

    if not slot.notice:
        return result("not_required", Status.PASS, "no notice is asked for")
    asked = f"{format_duration(slot.notice)} before it begins at {format_instant(slot.announced)}"
    if first and first.announced_at <= latest:
        return result("given", Status.PASS, f"told {format_instant(first.announced_at)}, at least {asked}")
    if first:
        return result("late", Status.FAIL, f"told {format_instant(first.announced_at)}, and not {asked}",
                      "Take the next window that can still be announced in time, or run it as an emergency with its approvals")
    if now <= latest:
        return result("due", Status.WARN, f"nobody was told yet; notice is due {asked}", "Announce it (maintenance.announce)")
    return result("missing", Status.FAIL, f"nobody was told {asked}",
                  "Announce the next window in time (maintenance.announce), or run it as an emergency with its approvals")


def judge_approvals(change: str, approvals: Sequence[Approval], policy: Approvals, now: datetime) -> list[Finding]:
    """``maintenance.approval`` for each kind, and ``maintenance.approvers`` where several people are asked for. The newest decision of
    a kind counts, of two at one instant the one recorded last. Names are compared without regard to case and blanks.
    """
    check, findings, people = "maintenance.approval", [], set()
    for kind in policy.kinds:
        own = [one for one in approvals if one.change == change and one.kind.casefold() == kind.casefold()]
        hint = f"Have it decided, then record it (maintenance.approve) for the change {change}"
        if not own:
            findings.append(Finding(check, kind, Status.FAIL, f"there is none for {change}", hint=hint))
            continue
        newest = max(enumerate(own), key=lambda pair: (pair[1].at, pair[0]))[1]
        age = (now - newest.at).total_seconds()
        told = f"{newest.decision} by {newest.by} {format_instant(newest.at)}"
        if newest.decision != "approved":
            findings.append(Finding(check, kind, Status.FAIL, told, hint=f"See why: {newest.notes or 'no notes were kept'}"))
        elif age > policy.max_age:
            findings.append(Finding(check, kind, Status.FAIL, f"{told}, longer ago than {format_duration(policy.max_age)}", round(age),
                                    policy.max_age, "s", hint))
        else:
            people.add(" ".join(newest.by.split()).casefold())
            findings.append(Finding(check, kind, Status.PASS, told, round(age), policy.max_age, "s"))
    if policy.people > 1:
        few = len(people) < policy.people
        findings.append(Finding("maintenance.approvers", change, Status.FAIL if few else Status.PASS,
                                f"{len(people)} people approved", len(people), policy.people, "",
                                f"Have at least {policy.people} different people decide" if few else ""))
    return findings


def judge_rollback(change: str, rollback: str, *, required: bool) -> list[Finding]:
    """``maintenance.rollback``: a way back is written down."""
    if rollback.strip():
        return [Finding("maintenance.rollback", change, Status.PASS, f"the way back: {rollback.strip()[:200]}")]
    return [Finding("maintenance.rollback", change, Status.FAIL, "no way back is written down",
                    hint="Say in maintenance_rollback how to go back, or where that is written")] if required else []


def judge_unreadable(count: int) -> list[Finding]:
    """``maintenance.record`` where the ledger has entries that cannot be read."""
    return [Finding("maintenance.record", "ledger", Status.UNKNOWN, f"{count} recorded notices or approvals cannot be read", count, 0, "",
                    "A newer version may have written them: run with that one")] if count else []


def judge_announcement(notice: Notice, required: float) -> Finding:
    """``maintenance.notice`` of one notice: too late is a warning, for it was given all the same."""
    ahead = (notice.begins - notice.announced_at).total_seconds()
    told = f"{', '.join(notice.told)} told {format_duration(ahead) if ahead > 0 else '0s'} before it begins"
    late = ahead < required
    return Finding("maintenance.notice", notice.window, Status.WARN if late else Status.PASS,
                   f"{told}; {format_duration(required)} are asked for" if late else told, round(ahead), round(required), "s",
                   "Announce a later window, or run this one as an emergency with its approvals" if late else "")


def judge_decision(approval: Approval) -> Finding:
    """``maintenance.approval`` of one decision."""
    rejected = approval.decision != "approved"
    return Finding("maintenance.approval", approval.kind, Status.WARN if rejected else Status.PASS,
                   f"{approval.decision} by {approval.by}", hint=approval.notes if rejected else "")
