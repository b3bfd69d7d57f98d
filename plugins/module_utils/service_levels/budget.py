# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Error budgets and how fast they burn: the multiwindow, multi-burn-rate alerts of "The Site Reliability Workbook" (Beyer and others,
O'Reilly 2018), chapter 5, "Alerting on SLOs", section 6.

The budget is the share of requests that may go wrong in the objective's window. A burn rate of 1 spends just all of it in one window.
A rule says how much of the budget (in percent) may be spent within its long window; the burn rate at which that happens is

    factor = share * window / long

so 2% within 1h of 30 days is 14.4, 5% within 6h is 6, 10% within 3d is 1, as the workbook has them. The short window, a twelfth of the
long one there, lets an alert end soon after the errors do: both must burn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Status
from ..core.quantities import format_duration, parse_duration
from .objectives import Objective
from .readings import Reading

_KEYS = ("long", "short", "share", "status")


@dataclass(frozen=True)
class BurnRule:
    """``long`` and ``short`` in seconds, ``share`` of the budget in percent, and the ``status`` of a finding where both burn."""

    long: float
    short: float
    share: float
    status: Status

    def factor(self, window: float) -> float:
        """The burn rate from which it holds for an objective of this window (seconds)."""
        return self.share / 100 * window / self.long

    @property
    def name(self) -> str:
        """``1h/5m``."""
        return f"{format_duration(self.long)}/{format_duration(self.short)}"


def read_burn_rules(given: Sequence[Mapping[str, Any]]) -> tuple[BurnRule, ...]:
    """Read ``[{long: 1h, short: 5m, share: 2, status: fail}]``.

    :raises InvalidOption: for an unknown or missing key, a value that is none, or a short window that is not shorter
    """
    rules = []
    for index, entry in enumerate(given):
        where = f"burn_rates[{index}]"
        if not isinstance(entry, Mapping) or set(entry) != set(_KEYS):
            raise InvalidOption(f"{where} is no rule",
                                hint=f"Give just {', '.join(_KEYS)}: {{long: 1h, short: 5m, share: 2, status: fail}}")
        long, short = (parse_duration(entry[key], option=f"{where}.{key}") for key in ("long", "short"))
        if not 1 <= short < long:
            raise InvalidOption(f"{where}: the short window ({entry['short']}) is not shorter than the long one ({entry['long']})",
                                hint="The workbook takes a twelfth of the long one")
        try:
            share = float(entry["share"])
        except (TypeError, ValueError):
            share = 0.0
        if not 0 < share <= 100:
            raise InvalidOption(f"{where}.share: {entry['share']!r} is no share of a budget", hint="Give percent, above 0 and up to 100")
        if entry["status"] not in (Status.WARN.value, Status.FAIL.value):
            raise InvalidOption(f"{where}.status: {entry['status']!r} is unknown", hint="Known are warn and fail")
        rules.append(BurnRule(long, short, share, Status(entry["status"])))
    return tuple(rules)


def error_share(objective: Objective, reading: Reading) -> float | None:
    """The share of requests (0 to 1) that went wrong. A window without any request spent nothing: it is 0, where that was seen."""
    if reading.value is None:
        return 0.0 if reading.total == 0 else None
    return round((100 - reading.value if objective.measure == "availability" else reading.value) / 100, 12)


def burn_rate(objective: Objective, reading: Reading) -> float | None:
    """How many times faster than allowed the budget is spent; None where it is not known or there is no budget."""
    share = error_share(objective, reading)
    return None if share is None or not objective.budget else round(share / objective.budget, 9)


def budget_left(objective: Objective, reading: Reading) -> float | None:
    """Percent of the budget that is left at the end of the window; negative where more was spent than there is."""
    spent = burn_rate(objective, reading)
    return None if spent is None or reading.value is None else 100 * (1 - spent)


def minutes(objective: Objective, reading: Reading) -> dict[str, float | None]:
    """An availability as time: how many minutes of the window may be lost, were, and are left. What was lost is the share of
    requests that failed, as if all of them had come evenly.
    """
    whole = objective.window / 60
    allowed = whole * (100 - objective.target) / 100
    lost = None if reading.value is None else whole * (100 - reading.value) / 100
    return {"minutes_allowed": round(allowed, 2), "minutes_lost": None if lost is None else round(lost, 2),
            "minutes_left": None if lost is None else round(allowed - lost, 2)}
