# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots: a gap is a gap, a limit is a line, and no name becomes markup."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.plots import description, line_plot, scale_of
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.series import build_series, with_silences
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operations import days


def entry(values: list[float | None], *, unit: str = "ms", limit: float | None = None, subject: str = "api", **more: Any) -> dict[str, Any]:
    points = [[days.instant(len(values) - index), value] for index, value in enumerate(values)]
    known = [value for value in values if value is not None]
    return {"title": "Latency", "subject": subject, "on": "a", "unit": unit, "at_least": False, "limit": limit, "lines": {"P95": points},
            "last": values[-1], "least": min(known), "most": max(known), "runs": len(values), "unknown": values.count(None), **more}


def strokes(svg: str) -> list[str]:
    """The lines that are drawn, as their paths."""
    return [path.get("d", "") for path in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path")
            if "line reactive" in (path.get("class") or "")]


def test_a_missing_value_interrupts_the_line():
    whole, broken = line_plot(entry([1.0, 2.0, 3.0, 4.0])), line_plot(entry([1.0, 2.0, None, 3.0, 4.0]))
    assert (len(strokes(whole)), len(strokes(broken))) == (1, 2)


def test_a_value_between_two_gaps_is_a_dot():
    assert "<circle" in line_plot(entry([1.0, None, 2.0, None, 3.0, 4.0]))
    assert "<circle" not in line_plot(entry([1.0, 2.0, 3.0]))


def test_a_limit_is_one_straight_line_more():
    svg = line_plot(entry([1.0, 2.0], limit=5.0))
    assert "serie-limit" in svg and len(strokes(svg)) == 2
    heights = re.findall(r"[ML]?[\d.]+ ([\d.]+)", strokes(svg)[1])
    assert len(set(heights)) == 1


def test_a_plot_says_in_words_what_it_shows():
    told = description(entry([10.0, None, 30.0], limit=20.0))
    assert told == "Latency api: P95 now 30 ms, between 10 ms and 30 ms in 3 looks, of which 1 could not tell; the limit is 20 ms"


@pytest.mark.parametrize(("unit", "top", "scale"), [
    ("bytes", 5 * 2 ** 30, (2.0 ** 30, "GiB")), ("bytes", 100, (1.0, "B")), ("s", 10800, (3600, "h")), ("ms", 90.0, (1.0, "ms")),
    ("ms", 4000.0, (1000.0, "s")), ("%", 50.0, (1.0, "%"))])
def test_scales_have_short_numbers(unit, top, scale):
    assert scale_of(entry([1.0, float(top)], unit=unit)) == scale


@pytest.mark.parametrize("name", days.HOSTILE)
def test_no_name_becomes_markup_and_nothing_is_fetched_or_run(name):
    for literal in (False, True):
        svg = line_plot(entry([1.0, 2.0], subject=name), literal=literal)
        assert "<script" not in svg and "<image" not in svg and "href" not in svg and "@import" not in svg and "url(" not in svg
        svg.encode("utf-8", "replace")


@settings(deadline=None, max_examples=40)
@given(st.lists(st.one_of(st.none(), st.floats(0, 1e15)), min_size=2, max_size=40).filter(lambda values: values.count(None) < len(values)),
       st.sampled_from(["ms", "%", "s", "bytes"]), st.one_of(st.none(), st.floats(0, 1e15)))
def test_any_values_can_be_drawn(values, unit, limit):
    if unit == "%":
        values, limit = [value and value % 100 for value in values], limit and limit % 100
    svg = line_plot(entry(values, unit=unit, limit=limit))
    assert "nan" not in svg.lower() and "inf" not in re.sub(r"aria-label=\"[^\"]*\"", "", svg).lower()


def test_all_of_a_month_is_drawn_from_what_the_ledger_has():
    found = build_series(days.earlier(), [])
    assert {name for name, entries in found.items() if entries} == set(found)
    for entries in found.values():
        for one in entries:
            assert len(strokes(line_plot(one))) >= 2, "the days without a run are a gap"
    assert len(with_silences([])) == 0
