# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of the checks ``database.…``: nothing where the policy has no limit, figures as people read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..core.finding import Finding, Status, at_least, at_most, worst
from ..core.policy import Limits
from ..core.quantities import format_duration, format_size

_SHOWN = 20


def most(check: str, subject: str, observed: float | None, limits: Limits, **words: Any) -> list[Finding]:
    """`core.finding.at_most` where there is a limit."""
    return [at_most(f"database.{check}", subject, observed, warn=limits.warn, fail=limits.fail, **words)] if limits else []


def least(check: str, subject: str, observed: float | None, limits: Limits, **words: Any) -> list[Finding]:
    """`core.finding.at_least` where there is a limit."""
    return [at_least(f"database.{check}", subject, observed, warn=limits.warn, fail=limits.fail, **words)] if limits else []


def spell(finding: Finding, write: Callable[[float], str], *, word: str = "over") -> Finding:
    """The message with quantities as people read them; observed and limit stay in their unit."""
    if finding.observed is None:
        return finding
    what = finding.message.rpartition(" is ")[0]
    message = f"{what} is {write(finding.observed)}"
    if finding.status is not Status.PASS:
        message += f", {word} the limit of {write(finding.limit)}"
    return replace(finding, message=message)


def write_seconds(value: float) -> str:
    """``80ms``, ``1m1s``."""
    return f"{1000 * value:.3g}ms" if value < 1 else format_duration(value)


def most_seconds(check: str, subject: str, observed: float | None, limits: Limits, *, what: str, hint: str) -> list[Finding]:
    """A duration that should stay below its limits."""
    rounded = None if observed is None else round(observed, 6)
    return [spell(finding, write_seconds) for finding in most(check, subject, rounded, limits, unit="s", what=what, hint=hint)]


def most_bytes(check: str, subject: str, observed: float | None, limits: Limits, *, what: str, hint: str) -> list[Finding]:
    """A size that should stay below its limits."""
    return [spell(finding, format_size) for finding in most(check, subject, observed, limits, unit="bytes", what=what, hint=hint)]


def shortened(check: str, subject: str, findings: Sequence[Finding]) -> list[Finding]:
    """The first of many alike, and one that counts the rest under the worst of their statuses."""
    if len(findings) <= _SHOWN:
        return list(findings)
    rest = findings[_SHOWN:]
    return [*findings[:_SHOWN], Finding(f"database.{check}", subject, worst(rest), f"and {len(rest)} more", len(rest),
                                        hint="Settle the first ones and run it again; the evidence has them all")]
