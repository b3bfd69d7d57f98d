# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service promises (target), what wakes somebody (alert), over which window, and where it is measured."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import InvalidOption
from ..core.quantities import format_duration, parse_duration

MEASURES = ("availability", "error_rate", "latency", "throughput")
HIGHER_IS_BETTER = frozenset({"availability", "throughput"})
RATIOS = frozenset({"availability", "error_rate"})
UNITS = {"availability": "%", "error_rate": "%", "latency": "ms", "throughput": "/s"}
# Which keys a source has; those that it cannot do without come first.
SOURCES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "counter": (("series",), ("label", "errors", "by")),
    "histogram": (("series", "quantile"), ("by",)),
    "expression": (("query", "series"), ()),
    "history": (("every",), ("service", "quantile")),
    "cloudwatch": (("namespace", "metric", "statistic", "every"), ("dimensions", "errors", "no_errors_is_zero", "scale")),
    "json": (("every",), ("url", "file")),
}
IN_PROMETHEUS = frozenset({"counter", "histogram", "expression"})
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_OWN = ("service", "endpoint", "measure", "tier", "target", "alert", "window")


@dataclass(frozen=True)
class Objective:
    """One service level objective. ``target`` and ``alert`` are in the measure's unit: percent, milliseconds, requests per
    second; ``alert`` is at least as bad as the target. ``window`` is in seconds; ``settings`` are those of its source.
    """

    service: str
    measure: str
    target: float
    alert: float | None
    window: float
    source: str
    settings: Mapping[str, Any]
    endpoint: str = ""
    tier: str = ""
    period: str = ""

    @property
    def subject(self) -> str:
        """What findings call it: ``api /search: latency (weekly)``."""
        place = f"{self.service} {self.endpoint}".strip()
        return f"{place}: {self.measure}" + (f" ({self.period})" if self.period else "")

    @property
    def budget(self) -> float | None:
        """The share of requests (0 to 1) that may go wrong; None for what has no error budget."""
        if self.measure == "availability":
            return round((100 - self.target) / 100, 12)  # 100 - 99.9 is not 0.1 in binary
        return self.target / 100 if self.measure == "error_rate" else None

    @property
    def every(self) -> float:
        """Seconds between the points of a source of points; 0 for Prometheus, which is asked for any window."""
        return float(self.settings.get("every") or 0)

    def over(self, period: str, seconds: float) -> Objective:
        """The same objective over another window."""
        return replace(self, period=period, window=seconds)


def read_objectives(given: Sequence[Mapping[str, Any]], *, tiers: Mapping[str, Any], window: str) -> list[Objective]:
    """Read objectives as they stand in a role's variables; ``tiers`` has the availability of each tier in percent, which is the
    target of an objective of availability that gives none; ``window`` is that of objectives that give none.

    :raises InvalidOption: for an unknown key, a value that is none, a source that cannot give the measure, or two of one name
    """
    table = {str(name): _number(value, f"tiers.{name}", percent=True) for name, value in tiers.items()}
    found = [_read(entry, f"objectives[{index}]", table, window) for index, entry in enumerate(given)]
    subjects = [one.subject for one in found]
    for subject in subjects:
        if subjects.count(subject) > 1:
            raise InvalidOption(f"objectives: {subject} is there twice", hint="Give each its own endpoint")
    return found


def read_periods(periods: Mapping[str, Any]) -> dict[str, float]:
    """``{weekly: 7d}`` in seconds.

    :raises InvalidOption: for what is no duration
    """
    return {str(name): _window(value, f"periods.{name}") for name, value in periods.items()}


def _read(entry: Any, where: str, tiers: Mapping[str, float], window: str) -> Objective:
    if not isinstance(entry, Mapping):
        raise InvalidOption(f"{where} is no dictionary", hint="Write {service: api, measure: availability, target: 99.9, …}")
    given = {key: value for key, value in entry.items() if value is not None}
    _known(given, (*_OWN, *SOURCES), where)
    sources = [name for name in SOURCES if name in given]
    if len(sources) != 1:
        raise InvalidOption(f"{where}: it is measured by {' and '.join(sources) or 'nothing'}",
                            hint=f"Give exactly one of {', '.join(SOURCES)}")
    service, measure = str(given.get("service") or "").strip(), given.get("measure")
    if not service:
        raise InvalidOption(f"{where} names no service", hint="Give service")
    if measure not in MEASURES:
        raise InvalidOption(f"{where}.measure: {measure!r} is unknown", hint=f"Known are {', '.join(MEASURES)}")
    tier = str(given.get("tier") or "")
    if tier and tier not in tiers:
        raise InvalidOption(f"{where}.tier: {tier!r} is not in the table of tiers", hint=f"It has {', '.join(tiers) or 'none'}")
    target = given.get("target", tiers.get(tier) if measure == "availability" else None)
    if target is None:
        raise InvalidOption(f"{where} has no target", hint="Give target, or for availability a tier")
    read = _limit(measure, target, f"{where}.target")
    alert = _limit(measure, given["alert"], f"{where}.alert") if "alert" in given else None
    if alert is not None and worse(measure, read, alert):
        raise InvalidOption(f"{where}: the alert ({given['alert']}) is met before the target ({target})",
                            hint="The alert is the worse of both; leave it out where missing the target alone is to fail")
    source = sources[0]
    settings = _settings(source, given[source], measure, f"{where}.{source}")
    return Objective(service, measure, read, alert, _window(given.get("window", window), f"{where}.window"), source, settings,
                     str(given.get("endpoint") or "").strip(), tier)


def worse(measure: str, value: float, limit: float) -> bool:
    """Whether a value misses a limit of this measure; meeting it exactly is no miss."""
    return value < limit if measure in HIGHER_IS_BETTER else value > limit


def _settings(source: str, given: Any, measure: str, where: str) -> dict[str, Any]:
    needed, more = SOURCES[source]
    if not isinstance(given, Mapping):
        raise InvalidOption(f"{where} is no dictionary", hint=f"It has {', '.join(needed + more)}")
    settings = {key: value for key, value in given.items() if value is not None}
    _known(settings, needed + more, where)
    for key in needed:
        if settings.get(key) in ("", None):
            raise InvalidOption(f"{where} has no {key}", hint=f"Give {', '.join(needed)}")
    if "every" in settings:
        settings["every"] = _window(settings["every"], f"{where}.every")
    if "quantile" in settings:
        settings["quantile"] = _number(settings["quantile"], f"{where}.quantile", percent=True)
    settings["by"] = [str(label) for label in settings.get("by") or []]
    for label in [*settings["by"], *([settings["label"]] if "label" in settings else [])]:
        if not _LABEL.fullmatch(str(label)):
            raise InvalidOption(f"{where}: {label!r} is no name of a label", hint="Letters, digits and _, beginning with no digit")
    _fits(source, settings, measure, where)
    return settings


def _fits(source: str, settings: dict[str, Any], measure: str, where: str) -> None:
    """Whether this source can give this measure."""
    latency = measure == "latency"
    fits = {"counter": not latency, "histogram": latency, "history": measure != "throughput"}.get(source, True)
    if not fits:
        raise InvalidOption(f"{where} cannot give {measure}", hint="counter counts, histogram has latencies, expression gives anything")
    if source == "counter" and measure in RATIOS:
        if not settings.get("label") or not settings.get("errors"):
            raise InvalidOption(f"{where} does not say what an error is", hint="Give label and errors: {label: code, errors: '5..'}")
        try:
            re.compile(str(settings["errors"]))
        except re.error as error:
            raise InvalidOption(f"{where}.errors is no regular expression: {error}",
                                hint="Write '5..', which is matched in full") from error
    if source == "history" and latency and "quantile" not in settings:
        raise InvalidOption(f"{where} has no quantile", hint="Give quantile: 95")
    if source == "cloudwatch" and measure in RATIOS and not settings.get("errors"):
        raise InvalidOption(f"{where} does not say what an error is", hint="Give the name of the metric that counts errors as errors")
    if source == "json" and ("url" in settings) == ("file" in settings):
        raise InvalidOption(f"{where} wants one of url and file", hint="Say where the points are read")
    if source == "expression" and "$window" not in str(settings["query"]):
        raise InvalidOption(f"{where}.query has no $window", hint="Write $window where the range belongs: avg_over_time(up[$window])")


def _limit(measure: str, value: Any, where: str) -> float:
    if measure == "latency":
        return 1000 * parse_duration(value, option=where)
    return _number(value, where, percent=measure in RATIOS)


def _number(value: Any, where: str, *, percent: bool = False) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= (100 if percent else math.inf) or math.isinf(number):
        raise InvalidOption(f"{where}: {value!r} is no {'percentage' if percent else 'number'}",
                            hint="Give a number from 0 to 100" if percent else "Give a number that is not negative")
    return number


def _window(value: Any, where: str) -> float:
    seconds = parse_duration(value, option=where)
    if seconds < 1:
        raise InvalidOption(f"{where}: {value} is too short", hint="Give at least 1s")
    return seconds


def _known(given: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in given:
        if key not in known:
            raise InvalidOption(f"{where}: unknown key {key!r}", hint=f"Known are {', '.join(known)}")


def shown_limit(measure: str, value: float) -> str:
    """A limit as people write it."""
    return format_duration(value / 1000) if measure == "latency" else f"{value:g}{UNITS[measure]}"
