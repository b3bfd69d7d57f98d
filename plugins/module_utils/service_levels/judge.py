# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""From readings to findings and to rows of the result. Pure.

A value that meets its target passes, one that misses it and not the alert warns, one that misses both, or the target where there is no
alert, fails. A reading without a value is unknown with its reason, never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status, worst
from ..core.quantities import format_duration
from .budget import BurnRule, budget_left, burn_rate, minutes
from .objectives import UNITS, Objective, shown_limit, worse
from .readings import Reading

_HINTS = {
    "availability": "See which requests fail, since when, and what was changed then",
    "error_rate": "See which requests fail, since when, and what was changed then",
    "latency": "See what slows it down: load, its database, the network between",
    "throughput": "See whether less is asked for, or less is answered: compare with the load balancer",
}
_BLIND = "See that it is measured: the target is scraped, the series has this name, the source answers"


@dataclass(frozen=True)
class BudgetLimits:
    """Percent of the error budget left, below which a finding warns or fails; None is not judged."""

    warn: float | None = None
    fail: float | None = None

    @classmethod
    def from_options(cls, given: Mapping[str, Any]) -> BudgetLimits:
        """Read ``{warn: 25, fail: 0}``.

        :raises InvalidOption: for an unknown key, a value that is no percentage, or warn below fail
        """
        read: dict[str, float | None] = {"warn": None, "fail": None}
        for key, value in given.items():
            if key not in read:
                raise InvalidOption(f"budget: unknown key {key!r}", hint="Known are warn and fail")
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100):
                raise InvalidOption(f"budget.{key}: {value!r} is no percentage", hint="Give a number from 0 to 100")
            read[key] = value
        if read["warn"] is not None and read["fail"] is not None and read["warn"] < read["fail"]:
            raise InvalidOption(f"budget: warn ({read['warn']}) is met after fail ({read['fail']})", hint="Swap them")
        return cls(**read)


def judge(objective: Objective, readings: Mapping[float, Reading], rules: Sequence[BurnRule],
          limits: BudgetLimits) -> tuple[dict[str, Any], list[Finding]]:
    """The row of one objective, or of one endpoint of it, and its findings; ``readings`` by their window in seconds."""
    reading = readings.get(objective.window, Reading(reason="it was not read"))
    findings = [judge_objective(objective, reading)]
    left = budget_left(objective, reading)
    if objective.budget is not None and not objective.period:
        findings += _judge_budget(objective, left, reading, limits)
        findings += [_judge_burn(objective, rule, readings) for rule in rules if answers(objective, rule)]
    row = {
        "service": objective.service, "endpoint": objective.endpoint, "measure": objective.measure, "tier": objective.tier,
        "source": objective.source, "period": objective.period, "window_seconds": objective.window,
        "value": _rounded(reading.value), "at_least": reading.at_least, "target": objective.target, "alert": objective.alert,
        "unit": UNITS[objective.measure], "requests": _rounded(reading.total), "failed": _rounded(reading.wrong),
        "coverage_percent": reading.coverage, "budget_left_percent": _rounded(left),
        "burn_rates": {format_duration(window): _rounded(burn_rate(objective, one)) for window, one in sorted(readings.items())
                       if objective.budget and window != objective.window},
        **(minutes(objective, reading) if objective.measure == "availability" else {}),
        "status": worst(findings).value, "reason": reading.reason,
    }
    return row, findings


def judge_objective(objective: Objective, reading: Reading) -> Finding:
    """``service_levels.objective``, or ``service_levels.compliance`` where it is looked at over a period of a report."""
    check = f"service_levels.{'compliance' if objective.period else 'objective'}"
    subject, unit = objective.subject, UNITS[objective.measure]
    over = format_duration(objective.window)
    if reading.value is None:
        return Finding(check, subject, Status.UNKNOWN, f"{_name(objective)} over {over} is not known: {reading.reason}", None,
                       objective.target, unit, _BLIND)
    value = reading.value
    missed = worse(objective.measure, value, objective.target)
    failing = objective.alert if objective.alert is not None else objective.target
    status = Status.FAIL if worse(objective.measure, value, failing) else Status.WARN if missed else Status.PASS
    shown = f"{'at least ' if reading.at_least else ''}{_figure(objective, value, objective.target if missed else None)}"
    if reading.at_least and status is not Status.FAIL:  # the largest bucket ends before the limit: nobody can tell
        return Finding(check, subject, Status.UNKNOWN, f"{_name(objective)} over {over} is {shown}, beyond the largest bucket", value,
                       objective.target, unit, "Give the histogram a bucket at the target and one at the alert")
    words = f"{_name(objective)} over {over} is {shown}, the target is {shown_limit(objective.measure, objective.target)}"
    if objective.alert is not None:
        words += f", the alert {shown_limit(objective.measure, objective.alert)}"
    if objective.period and objective.measure == "availability":
        spent = minutes(objective, reading)
        words += f"; {spent['minutes_left']:g} of {spent['minutes_allowed']:g} minutes are left"
    return Finding(check, subject, status, words, _rounded(value), objective.target, unit,
                   "" if status is Status.PASS else _HINTS[objective.measure])


def answers(objective: Objective, rule: BurnRule) -> bool:
    """Whether a rule says something of an objective: its long window is no longer than the objective's own, and the source can tell the
    short one, which takes two points. Prometheus is asked for any.
    """
    return rule.long <= objective.window and rule.short >= 2 * objective.every


def _judge_budget(objective: Objective, left: float | None, reading: Reading, limits: BudgetLimits) -> list[Finding]:
    if limits.warn is None and limits.fail is None:
        return []
    check, limit = "service_levels.budget", limits.fail if limits.fail is not None else limits.warn
    if left is None:
        why = reading.reason or "the target of 100% leaves none"
        return [Finding(check, objective.subject, Status.UNKNOWN, f"what is left of the error budget is not known: {why}", None, limit, "%",
                        _BLIND if reading.reason else "Give a target below 100%: nothing is right always")]
    hit = next((status for status, bound in ((Status.FAIL, limits.fail), (Status.WARN, limits.warn))
                if bound is not None and left < bound), Status.PASS)
    return [Finding(check, objective.subject, hit, f"{left:.1f}% of the error budget of {format_duration(objective.window)} is left",
                    _rounded(left), limits.fail if hit is Status.FAIL else limit, "%",
                    "" if hit is Status.PASS else "Release less and mend more until there is budget again")]


def _judge_burn(objective: Objective, rule: BurnRule, readings: Mapping[float, Reading]) -> Finding:
    check, subject = "service_levels.burn_rate", f"{objective.subject} {rule.name}"
    factor, rates = rule.factor(objective.window), []
    for window in (rule.long, rule.short):
        reading = readings.get(window, Reading(reason="it was not read"))
        rate = burn_rate(objective, reading)
        if rate is None:
            why = reading.reason or "the target of 100% leaves no budget"
            return Finding(check, subject, Status.UNKNOWN, f"how fast the budget burns over {format_duration(window)} is not known: {why}",
                           None, round(factor, 3), "x", _BLIND)
        rates.append(rate)
    burning = all(rate > factor for rate in rates)
    words = (f"the burn rate is {rates[0]:.3g} over {format_duration(rule.long)} and {rates[1]:.3g} over {format_duration(rule.short)}")
    if not burning:
        return Finding(check, subject, Status.PASS, f"{words}; it is too fast where both are over {factor:.3g}", _rounded(min(rates)),
                       round(factor, 3), "x")
    gone = format_duration(objective.window / min(rates))
    return Finding(check, subject, rule.status, f"{words}, both over {factor:.3g}: a whole budget is gone in {gone}",
                   _rounded(min(rates)), round(factor, 3), "x", _HINTS[objective.measure])


def _name(objective: Objective) -> str:
    quantile = objective.settings.get("quantile")
    return f"P{quantile:g} of the latency" if objective.measure == "latency" and quantile is not None \
        else objective.measure.replace("_", " ")


def _figure(objective: Objective, value: float, missed: float | None) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    if missed is not None and float(text) == missed:  # 99.8999 misses 99.9: the figure must show it
        text = f"{value:.12g}"
    unit = UNITS[objective.measure]
    return f"{text} ms" if unit == "ms" else f"{text}{unit}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
