# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objectives in PromQL: which queries are asked, and what their answers mean.

Counters are added up by the label that tells errors, in one query: so that a service without any error is told from one whose label
is misspelt, and so that no series of errors is needed before the first error. Whether there is data at all is asked at `_LOOKS`
instants of the window, the last of which is now; a server answers an instant with what it saw at most five minutes before (its
--query.lookback-delta).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from .objectives import Objective
from .readings import Coverage, Reading, bucket_quantile, counted, gap, told

_LOOKS = 60
Labels = Mapping[str, str]


class PrometheusServer(Protocol):
    """What is wanted of the server. Errors are OpsErrors."""

    def query(self, expression: str, at: float) -> Sequence[tuple[Labels, float]]:
        """An instant vector (a scalar is a vector of one without labels) at a Unix time."""

    def query_range(self, expression: str, start: float, end: float, step: float) -> Sequence[tuple[Labels, Sequence[tuple[float, float]]]]:
        """A matrix."""


@dataclass(frozen=True)
class FromPrometheus:
    """A `Source` of a Prometheus server."""

    server: PrometheusServer

    def read(self, objective: Objective, windows: Collection[float], now: datetime, least: float) -> dict[str, dict[float, Reading]]:
        """By endpoint where the objective is split by labels."""
        at, by = now.timestamp(), objective.settings.get("by") or []
        found: dict[str, dict[float, Reading]] = {}
        for window in windows:
            coverages = self._coverage(objective, by, window, at)
            readings = _readings(objective, window, self.server.query(expression(objective, window), at))
            for endpoint in sorted({*coverages, *readings}):
                coverage = coverages.get(endpoint, Coverage(0, _LOOKS, False))
                reading = readings.get(endpoint, Reading(reason="the answer is empty"))
                why = gap(coverage, least)
                found.setdefault(endpoint, {})[window] = Reading(reason=why, coverage=coverage.percent) if why else Reading(
                    reading.value, reading.reason, reading.at_least, reading.total, reading.wrong, coverage.percent)
        return found

    def _coverage(self, objective: Objective, by: Sequence[str], window: float, at: float) -> dict[str, Coverage]:
        step = window / _LOOKS
        present = f"count by ({', '.join(by)}) ({objective.settings['series']})"
        matrix = self.server.query_range(present, at - step * (_LOOKS - 1), at, step)
        return {_endpoint(labels, by): Coverage(len(points), _LOOKS, any(abs(when - at) < step / 2 for when, _count in points))
                for labels, points in matrix}


def expression(objective: Objective, window: float) -> str:
    """The PromQL of an objective over a window (seconds)."""
    settings, span = objective.settings, f"{math.ceil(window)}s"
    if objective.source == "expression":
        return str(settings["query"]).replace("$window", span)
    split = [*settings["by"], "le"] if objective.source == "histogram" else \
        [*settings["by"], *([settings["label"]] if "label" in settings else [])]
    return f"sum by ({', '.join(split)}) (increase({settings['series']}[{span}]))"


def _readings(objective: Objective, window: float, vector: Sequence[tuple[Labels, float]]) -> dict[str, Reading]:
    if objective.source == "expression":
        return _of_expression(objective, vector)
    by = objective.settings["by"]
    grouped: dict[str, list[tuple[Labels, float]]] = {}
    for labels, value in vector:
        grouped.setdefault(_endpoint(labels, by), []).append((labels, value))
    judge = _of_histogram if objective.source == "histogram" else _of_counter
    return {endpoint: judge(objective, window, group) for endpoint, group in grouped.items()}


def _of_expression(objective: Objective, vector: Sequence[tuple[Labels, float]]) -> dict[str, Reading]:
    scale = 1000 if objective.measure == "latency" else 1
    if len(vector) == 1:
        return {"": told(objective.measure, vector[0][1] * scale)}
    return {"": Reading(reason=f"the query gives {len(vector)} series instead of one" if vector else "the answer is empty")}


def _of_counter(objective: Objective, window: float, group: Sequence[tuple[Labels, float]]) -> Reading:
    label, total = objective.settings.get("label"), sum(value for _labels, value in group)
    if objective.measure == "throughput":
        return counted("throughput", total, None, window)
    if any(not labels.get(label) for labels, _value in group):
        return Reading(reason=f"a series has no label {label}, so its errors cannot be told")
    wrong = sum(value for labels, value in group if re.fullmatch(objective.settings["errors"], labels[label]))
    return counted(objective.measure, total, wrong, window)


def _of_histogram(objective: Objective, window: float, group: Sequence[tuple[Labels, float]]) -> Reading:
    buckets: dict[float, float] = {}
    for labels, value in group:
        try:
            bound = float(labels.get("le", ""))
        except ValueError:
            return Reading(reason="a series has no label le: it is no histogram's bucket")
        buckets[bound] = buckets.get(bound, 0.0) + value
    found = bucket_quantile(buckets, objective.settings["quantile"])
    return found if found.value is None else Reading(1000 * found.value, "", found.at_least, found.total)


def _endpoint(labels: Labels, by: Sequence[str]) -> str:
    return " ".join(labels.get(name) or f"(no {name})" for name in by)
