# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every objective asked of its source and judged. A source that cannot be asked makes its objectives unknown, and is asked once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from ..core.errors import InvalidOption, OpsError, TimedOut, Unreachable
from ..core.finding import Finding, Status
from .budget import BurnRule, read_burn_rules
from .judge import BudgetLimits, answers, judge
from .objectives import IN_PROMETHEUS, Objective, read_objectives, read_periods
from .readings import Point, Reading, from_points

# endpoint ("" for the whole service) -> window in seconds -> reading
Readings = Mapping[str, Mapping[float, Reading]]


class Source(Protocol):
    """Where objectives are measured."""

    def read(self, objective: Objective, windows: Collection[float], now: datetime, least: float) -> Readings:
        """The readings of windows that end now; ``least`` is the coverage in percent below which there is none.

        :raises OpsError: where it cannot be asked
        """


class PointSource(Protocol):
    """What has points: our own probes, CloudWatch, a document."""

    def points(self, objective: Objective, since: datetime, now: datetime) -> Sequence[Point]:
        """What was seen since then.

        :raises OpsError: where it cannot be read
        """


@dataclass(frozen=True)
class FromPoints:
    """A `Source` of what has points."""

    kept: PointSource

    def read(self, objective: Objective, windows: Collection[float], now: datetime, least: float) -> Readings:
        """The points are read once and counted for each window."""
        points = self.kept.points(objective, now - timedelta(seconds=max(windows)), now)
        return {"": {window: from_points(objective, points, now, window, least) for window in windows}}


@dataclass(frozen=True)
class Policy:
    """What an evaluation is asked for; without periods each objective is judged over its own window, with its budget and burn rates."""

    objectives: tuple[Objective, ...]
    rules: tuple[BurnRule, ...]
    limits: BudgetLimits
    coverage: float

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Policy:
        """Read objectives, tiers, window, periods, burn_rates, budget and coverage.

        :raises InvalidOption: for what cannot be read
        """
        if not 0 < options["coverage"] <= 100:
            raise InvalidOption(f"coverage: {options['coverage']} is no share of a window", hint="Give percent, above 0 and up to 100")
        objectives = read_objectives(options["objectives"], tiers=options["tiers"], window=options["window"])
        periods = read_periods(options["periods"])
        if periods:
            objectives = [one.over(name, seconds) for one in objectives for name, seconds in periods.items()]
        return cls(tuple(objectives), read_burn_rules(options["burn_rates"]), BudgetLimits.from_options(options["budget"]),
                   float(options["coverage"]))

    def of(self, sources: Collection[str]) -> Policy:
        """The part that these sources measure."""
        return replace(self, objectives=tuple(one for one in self.objectives if one.source in sources))


def evaluate(policy: Policy, sources: Mapping[str, Source], now: datetime) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Rows (see docs/architecture.md) and findings, in the order of the objectives."""
    rows: list[dict[str, Any]] = []
    findings: list[Finding] = []
    silent: dict[str, OpsError] = {}
    if not policy.objectives:
        return [], [Finding("service_levels.objective", "objectives", Status.UNKNOWN, "there is no objective to look at",
                            hint="Write down what is promised: service_levels_objectives")]
    for objective in policy.objectives:
        for endpoint, readings in sorted(_read(policy, objective, sources, now, silent).items()):
            named = replace(objective, endpoint=" ".join(part for part in (objective.endpoint, endpoint) if part))
            row, found = judge(named, readings, policy.rules, policy.limits)
            rows.append(row)
            findings += found
    return rows, findings


def _read(policy: Policy, objective: Objective, sources: Mapping[str, Source], now: datetime, silent: dict[str, OpsError]) -> Readings:
    windows = {objective.window}
    if objective.budget is not None and not objective.period:
        windows |= {window for rule in policy.rules if answers(objective, rule) for window in (rule.long, rule.short)}
    place = "prometheus" if objective.source in IN_PROMETHEUS else objective.source
    try:
        if place in silent:
            raise silent[place]
        found = sources[place].read(objective, sorted(windows), now, policy.coverage)
        return found or {"": {window: Reading(reason="the answer is empty") for window in windows}}
    except InvalidOption:
        raise
    except OpsError as error:
        if isinstance(error, (Unreachable, TimedOut)) and place == "prometheus":  # one server: not waited for again
            silent[place] = error
        return {"": {window: Reading(reason=error.message) for window in windows}}
