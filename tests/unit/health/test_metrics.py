# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of a page: selectors, comparisons, and what is no measurement."""

from __future__ import annotations

import math

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.metrics_page import series
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, Unreachable
from ansible_collections.evenkeel.ops.plugins.module_utils.health.metrics import complaints_of_metrics, read_metrics, read_selector
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_000_000.0
PAGE = (("up", {"job": "x", "instance": "1"}, 1.0, None), ("up", {"job": "x", "instance": "2"}, 0.0, None),
        ("up", {"job": "y"}, math.nan, None), ("lag", {}, 2.5, NOW - 301), ("fresh", {}, 3.0, NOW - 299))


def said(metrics, page=PAGE):
    return [one.message for one in complaints_of_metrics(read_metrics(metrics, option="metrics"), page, now=NOW, max_age=300)]


def test_all_series_that_are_selected_must_meet_the_comparison():
    assert said({'up{instance="1"}': 1, "fresh": {"gt": 2, "le": 3}}) == []
    assert said({'up{job="x"}': 1}) == ['up{instance="2",job="x"} is 0, expected 1']


def test_what_is_not_there_not_measured_or_old_is_never_well():
    assert said({"down": {"ge": 0}}) == ["there is no metric down"]
    assert said({'up{job="y"}': {"ne": 5}}) == ['up{job="y"} is NaN: nothing was measured']
    assert said({"lag": {"lt": 10}}) == ["lag was measured 5m1s ago, longer than 5m"]
    assert said({"down": {"exists": False}}) == []


@given(st.floats(), st.one_of(st.none(), st.floats(0, 2 * NOW)))
def test_a_value_that_is_no_number_or_too_old_never_passes(value, at):
    page = [("x", {}, value, at)]
    if math.isnan(value) or (at is not None and NOW - at > 300):
        assert said({"x": {"ne": "no value is like this"}}, page)


@pytest.mark.parametrize("text, name, labels", [
    ("up", "up", {}), ('up{}', "up", {}), (' up { a = "1" , b="2", } ', "up", {"a": "1", "b": "2"}),
    (r'a:b{x="q\"\\\n,}"}', "a:b", {"x": 'q"\\\n,}'}),
])
def test_selectors(text, name, labels):
    selector = read_selector(text)
    assert (selector.name, dict(selector.labels)) == (name, labels)


@pytest.mark.parametrize("text", ["", "{}", "up{", "up}", 'up{a}', 'up{a=1}', 'up{a="1}', "1up", "up-down", 'up{a="1"b="2"}', "-rf", "ü",
                                  'a"b'])
def test_what_is_no_selector_is_refused(text):
    with pytest.raises(InvalidOption) as error:
        read_selector(text)
    assert error.value.hint


@given(st.text())
def test_no_text_breaks_the_reading_of_a_selector(text):
    try:
        read_selector(text)
    except InvalidOption:
        return


def test_a_page_is_read_with_names_as_it_has_them():
    page = '# HELP c it\n# TYPE c counter\nc{a="b c"} 3\nd 4 1395066363000\ne NaN\n'
    found = {name: (labels, value, at) for name, labels, value, at in series(page, openmetrics=False)}
    assert found["c"] == ({"a": "b c"}, 3.0, None) and found["d"] == ({}, 4.0, 1395066363.0) and math.isnan(found["e"][1])
    strict = series('# TYPE c counter\nc_total{a="x # {"} 3 1.5 # {trace="1"} 1\n# EOF\n', openmetrics=True)
    assert strict == [("c_total", {"a": "x # {"}, 3.0, 1.5)]


@pytest.mark.parametrize("page", ["<html></html>", "a{b=c} 1", "a one", 'a{b="c} 1', '{"status": "UP"}'])
def test_what_is_no_page_is_told(page):
    with pytest.raises(Unreachable, match="no page of metrics"):
        series(page, openmetrics=False)
