# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of a page in Prometheus' text format, named by ``name{label="value"}`` and compared. Pure; the page is read elsewhere.

A selector names every series that has these labels, and all of them must meet the comparison. No such series, NaN, and a
timestamp older than ``max_age`` never meet one: a figure that nobody measures is no figure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from ..core.quantities import format_duration
from .expectations import MISSING, Comparison, Complaint, read_comparison, shown

# Name, labels, value, seconds since the epoch where the page says so.
Series = tuple[str, Mapping[str, str], float, "float | None"]
# Prometheus, "Data model": names of metrics and of labels.
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\[\\"n])*)"\s*(,|$)', re.ASCII)
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_TOLD = 3


@dataclass(frozen=True)
class Selector:
    """A metric's name and the labels that its series must have; others may be there too."""

    name: str
    labels: Mapping[str, str]
    words: str

    def selects(self, series: Series) -> bool:
        """Whether it means this one."""
        name, labels, _value, _at = series
        return name == self.name and all(labels.get(label) == value for label, value in self.labels.items())


def read_selector(text: str, *, option: str = "metrics") -> Selector:
    """Read ``up``, ``up{job="x",instance="y"}``.

    :raises InvalidOption: for what is neither
    """
    name, brace, rest = text.strip().partition("{")
    labels, inside = {}, rest.rstrip()[:-1]
    fine = bool(_NAME.fullmatch(name.strip())) and (not brace or rest.rstrip().endswith("}"))
    while fine and brace and inside.strip():
        label = _LABEL.match(inside)
        if not label:
            fine = False
            break
        labels[label[1]] = re.sub(r"\\.", lambda escape: _ESCAPES[escape[0]], label[2])
        inside = inside[label.end():]
    if not fine:
        raise InvalidOption(f"{option}: {shown(text)!r} is no metric", hint='Write up, or up{job="shop"}')
    return Selector(name.strip(), labels, text.strip())


def read_metrics(metrics: Any, *, option: str) -> tuple[tuple[Selector, Comparison], ...]:
    """Read ``{'up{job="x"}': 1, queue_length: {lt: 100}}``.

    :raises InvalidOption: for an empty dictionary, and what `read_selector` and `read_comparison` refuse
    """
    if not metrics:
        raise InvalidOption(f"{option}: no metric is named", hint="Name at least one: {'up{job=\"shop\"}': 1}")
    return tuple((read_selector(str(name), option=option), read_comparison(expected, option=option))
                 for name, expected in metrics.items())


def complaints_of_metrics(expected: Sequence[tuple[Selector, Comparison]], page: Sequence[Series], *, now: float,
                          max_age: float | None) -> list[Complaint]:
    """What is missing, unmeasured, old or other than expected; ``now`` in seconds since the epoch."""
    complaints = []
    for selector, comparison in expected:
        series = [one for one in page if selector.selects(one)]
        if not series and not comparison.holds(MISSING):
            complaints.append(Complaint(f"there is no metric {shown(selector.words)}", None, comparison.words,
                                        "See that the exporter runs and still calls it so; a label may have changed"))
        bad = [(one, said) for one in series if (said := _unmet(one, comparison, now, max_age))]
        for (name, labels, value, _at), said in bad[:_TOLD]:
            listed = ",".join(f'{label}="{worth}"' for label, worth in sorted(labels.items()))
            complaints.append(Complaint(
                f"{shown(name + ('{' + listed + '}' if listed else ''))} {said}", None if math.isnan(value) else _plain(value),
                comparison.words, "See the service that measures it"))
        if len(bad) > _TOLD:
            complaints.append(Complaint(f"{len(bad) - _TOLD} more series of {shown(selector.words)} are not as expected", len(bad), 0,
                                        "See the page of metrics itself"))
    return complaints


def _unmet(series: Series, comparison: Comparison, now: float, max_age: float | None) -> str:
    _name, _labels, value, at = series
    if math.isnan(value):
        return "is NaN: nothing was measured"
    if at is not None and max_age is not None and now - at > max_age:
        return f"was measured {format_duration(round(now - at))} ago, longer than {format_duration(max_age)}"
    return "" if comparison.holds(_plain(value)) else f"is {value:g}, expected {comparison.words}"


def _plain(value: float) -> int | float:
    """1 and not 1.0, so that it reads and compares as people write it."""
    return int(value) if math.isfinite(value) and value == int(value) else value
