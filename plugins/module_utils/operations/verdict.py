# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""From findings to one word, and from findings to a gate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status


@dataclass(frozen=True)
class VerdictPolicy:
    """Share of checks in percent from which a run is ``healthy``, and from which it is at least ``degraded``.

    Skafu's daily report (SK-18) has 95 and 80.
    """

    healthy: float = 95
    degraded: float = 80

    def __post_init__(self) -> None:
        """:raises InvalidOption: unless 0 <= degraded <= healthy <= 100"""
        if not 0 <= self.degraded <= self.healthy <= 100:
            raise InvalidOption(f"healthy {self.healthy} and degraded {self.degraded} are no limits of a verdict",
                                hint="Both are percentages, degraded the smaller one")


@dataclass(frozen=True)
class Verdict:
    """``word`` is healthy, degraded or unhealthy; ``share`` the percentage of checks that pass or warn."""

    word: str
    share: float
    good: int
    total: int


def judge_run(findings: Sequence[Finding], policy: VerdictPolicy) -> Verdict:
    """A warning is inside its failure limit and counts as good; unknown never does. No findings are ``unhealthy``."""
    good = sum(finding.status in (Status.PASS, Status.WARN) for finding in findings)
    share = 100 * good / len(findings) if findings else 0.0
    word = "healthy" if findings and share >= policy.healthy else "degraded" if findings and share >= policy.degraded \
        else "unhealthy"
    # Rounded down, so that 94.96 does not read as the 95 that it is short of.
    return Verdict(word, math.floor(share * 10) / 10, good, len(findings))


def stopped_by(findings: Iterable[Finding], fail_on: Sequence[str]) -> list[Finding]:
    """The findings that a gate does not let through, worst first.

    :raises InvalidOption: for a word that is no status, or ``pass``
    """
    unknown = [word for word in fail_on if word not in ("warn", "fail", "unknown")]
    if unknown:
        raise InvalidOption(f"fail_on: {unknown[0]!r} is none of warn, fail, unknown",
                            hint="List the statuses that are to end the procedure, such as [fail, unknown]")
    return sorted((finding for finding in findings if finding.status.value in fail_on),
                  key=lambda finding: -finding.status.rank)
