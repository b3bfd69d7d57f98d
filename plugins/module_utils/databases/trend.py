# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""This run's reviews beside those of earlier runs: growth and regressions of each database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.finding import Finding
from .growth import GrowthPolicy, growth_of, judge_growth
from .regressions import RegressionPolicy, compare, judge_regressions

# What a module returned in an earlier run, and when.
Run = tuple[datetime, Mapping[str, Any]]


@dataclass(frozen=True)
class Trend:
    """What the comparison gives: findings, and values for the ledger and the report."""

    findings: Sequence[Finding]
    growth: Sequence[dict[str, Any]]
    regressions: Sequence[dict[str, Any]]


def compare_runs(now: datetime, values: Iterable[Mapping[str, Any]], earlier: Sequence[Run], *, growth: GrowthPolicy | None,
                 regressions: RegressionPolicy | None, capacities: Mapping[str, int]) -> Trend:
    """``values`` are what the modules of this run returned, ``earlier`` what those of earlier runs did, oldest first."""
    findings: list[Finding] = []
    grown, changed = [], []
    for one in values:
        sizes, statements = one.get("sizes"), one.get("statements")
        if growth and isinstance(sizes, Mapping) and "bytes" in sizes:
            past = [(at, seen) for at, seen in _of(earlier, "sizes", sizes["target"]) if "bytes" in seen]
            seen = growth_of(now, sizes, past, growth, capacities.get(sizes["target"]))
            findings += judge_growth(seen, growth)
            grown.append(seen.as_value())
        if regressions and isinstance(statements, Mapping) and statements.get("installed"):
            past = [seen for at, seen in _of(earlier, "statements", statements["target"])
                    if seen.get("installed") and (now - at).total_seconds() <= regressions.window]
            changes = compare(statements, past, regressions)
            judged = judge_regressions(statements["target"], changes, regressions, history=bool(changes) or not statements["top"])
            findings += judged
            named = {finding.subject for finding in judged}
            changed += [change.as_value() for change in changes
                        if change.replanned or f"{change.target}: query {change.queryid}" in named]
    return Trend(findings, grown, changed)


def _of(earlier: Sequence[Run], key: str, target: str) -> Iterator[tuple[datetime, Mapping[str, Any]]]:
    for at, values in earlier:
        seen = values.get(key)
        if isinstance(seen, Mapping) and seen.get("target") == target:
            yield at, seen
