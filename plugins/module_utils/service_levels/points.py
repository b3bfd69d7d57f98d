# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources that have points: CloudWatch, a JSON document, and what our own probes left in the ledger."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from ..core.clock import parse_instant
from ..core.errors import Damaged, InvalidOption
from .objectives import RATIOS, Objective
from .readings import Point

_KEYS = {"at", "total", "errors", "value"}


class MetricStore(Protocol):
    """CloudWatch, as far as it is wanted."""

    def values(self, metric: Mapping[str, Any], name: str, statistic: str, since: datetime, until: datetime) -> dict[datetime, float]:
        """The values of a metric by the beginning of their period."""


@dataclass(frozen=True)
class FromMetrics:
    """A `PointSource` of CloudWatch. A period counts when it is over: the one that goes on is not asked for."""

    store: MetricStore

    def points(self, objective: Objective, since: datetime, now: datetime) -> list[Point]:
        """One point for each period, at its end."""
        settings, every = objective.settings, timedelta(seconds=objective.every)
        names, statistic = settings["metric"], str(settings["statistic"])
        until = datetime.fromtimestamp(math.floor(now.timestamp() / objective.every) * objective.every, tz=now.tzinfo)
        seen = self.store.values(settings, names, statistic, since, until)
        if objective.measure in RATIOS:
            wrong = self.store.values(settings, str(settings["errors"]), statistic, since, until)
            absent = 0.0 if settings.get("no_errors_is_zero") else None
            return [Point(at + every, total, wrong.get(at, absent)) for at, total in seen.items()]
        if objective.measure == "throughput" and statistic == "Sum":
            return [Point(at + every, total) for at, total in seen.items()]
        scale = float(settings.get("scale") or 1)
        return [Point(at + every, values=(value * scale,)) for at, value in seen.items()]


@dataclass(frozen=True)
class FromDocument:
    """A `PointSource` of a JSON document: a list of ``{at, total, errors}`` or of ``{at, value}`` (percent, milliseconds, requests
    per second), or a dictionary with such a list as ``points``. ``load`` reads the text of a file or a URL.
    """

    load: Callable[[Mapping[str, Any]], str]

    def points(self, objective: Objective, since: datetime, now: datetime) -> list[Point]:
        """All of them.

        :raises Damaged: for a document that is not as described
        """
        try:
            document = json.loads(self.load(objective.settings))
            listed = document["points"] if isinstance(document, Mapping) else document
            return [_point(entry) for entry in listed]
        except (ValueError, KeyError, TypeError, InvalidOption) as error:
            raise Damaged(f"the document is not a list of points: {error}",
                          hint='Write [{"at": "2026-01-02T03:04:05Z", "total": 100, "errors": 1}]') from error


@dataclass(frozen=True)
class FromHistory:
    """A `PointSource` of the runs of health.check: ``runs`` are their instants and the values that they recorded, oldest first."""

    runs: Sequence[tuple[datetime, Mapping[str, Any]]]

    def points(self, objective: Objective, since: datetime, now: datetime) -> list[Point]:
        """One for each run that probed the service: its samples, or the latencies of its targets."""
        service, found = str(objective.settings.get("service") or objective.service), []
        for at, values in self.runs:
            if at <= since:
                continue
            if objective.measure == "latency":
                latencies = tuple(float(row["latency_ms"]) for row in values.get("targets") or []
                                  if row.get("service") == service and row.get("latency_ms") is not None)
                found += [Point(at, values=latencies)] if latencies else []
                continue
            found += [Point(at, float(row["total"]), float(row["failed"])) for row in values.get("services") or []
                      if row.get("service") == service and row.get("total")]
        return found


def _point(entry: Any) -> Point:
    if not isinstance(entry, Mapping) or set(entry) - _KEYS or "at" not in entry or ("value" in entry) == ("total" in entry):
        raise InvalidOption(f"{str(entry)[:100]} is no point")
    at = parse_instant(entry["at"])
    if "value" in entry:
        return Point(at, values=(_number(entry["value"]),))
    return Point(at, _number(entry["total"]), _number(entry["errors"]) if "errors" in entry else None)


def _number(value: Any) -> float:
    """Null and words that are no number become NaN, which is then said of the reading."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
