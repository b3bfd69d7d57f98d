# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a maintenance: its steps, how long the service was away, and whether it kept to its window. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ..core.clock import format_instant
from ..core.errors import InvalidOption
from ..core.finding import Finding, Status
from ..core.quantities import format_duration


@dataclass(frozen=True)
class Step:
    """One step; instants are UTC."""

    name: str
    began: datetime
    ended: datetime
    failed: bool
    reason: str = ""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return round((self.ended - self.began).total_seconds(), 3)


def read_steps(entries: Sequence[Mapping[str, Any]]) -> list[Step]:
    """Entries of name, began, ended (seconds since 1970), failed and reason.

    :raises InvalidOption: for what is no time
    """
    try:
        return [Step(str(entry["name"]), datetime.fromtimestamp(float(entry["began"]), timezone.utc),
                     datetime.fromtimestamp(float(entry["ended"]), timezone.utc), bool(entry["failed"]),
                     str(entry.get("reason") or ""))
                for entry in entries]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InvalidOption(f"steps: an entry cannot be read: {error!r}", hint="Give name, began, ended and failed of each") from error


def away(steps: Sequence[Step]) -> float:
    """Seconds between the first switching on and the last switching off."""
    on = [step.began for step in steps if step.name == "enable"]
    off = [step.ended for step in steps if step.name == "disable"]
    return round((max(off) - min(on)).total_seconds(), 3) if on and off else 0.0


def judge_run(steps: Sequence[Step], change: str, ends_at: datetime | None, now: datetime, *, planned: bool) -> list[Finding]:
    """``maintenance.step`` for each, ``maintenance.left_on`` where the mode was switched on and not off, ``maintenance.overrun`` where
    there is an announced end.
    """
    findings = [_judge_step(step) for step in steps]
    if planned:
        return [*findings, Finding("maintenance.run", change, Status.PASS, "planned; nothing was done")]
    if not steps:
        return [Finding("maintenance.run", change, Status.FAIL, "nothing was begun",
                        hint="See the other findings: something stands against it")]
    on = [step for step in steps if step.name == "enable"]
    off = [step for step in steps if step.name == "disable" and not step.failed]
    if on and not off:
        findings.append(Finding("maintenance.left_on", change, Status.FAIL, "maintenance mode was switched on and not switched off",
                                hint="Run maintenance.disable"))
    if ends_at is not None:
        over = (now - ends_at).total_seconds()
        told = f"ended {format_duration(abs(over)) or '0s'} {'after' if over > 0 else 'before'} {format_instant(ends_at)}"
        status = Status.FAIL if over > 0 else Status.PASS
        findings.append(Finding("maintenance.overrun", change, status, told, round(max(0.0, over)), 0, "s",
                                "Plan a longer maintenance_duration, or do less at once" if over > 0 else ""))
    return findings


def _judge_step(step: Step) -> Finding:
    if step.failed:
        return Finding("maintenance.step", step.name, Status.FAIL, step.reason or "it failed", step.seconds, None, "s",
                       "See its own record in the ledger, and maintenance_rollback")
    return Finding("maintenance.step", step.name, Status.PASS, f"done in {format_duration(step.seconds) or '0s'}", step.seconds, None, "s")


def status_of(steps: Sequence[Step], findings: Sequence[Finding], *, planned: bool) -> str:
    """planned, pass or fail."""
    if planned:
        return "planned"
    return "fail" if any(finding.status is Status.FAIL for finding in findings) or not steps else "pass"
