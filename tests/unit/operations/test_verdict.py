# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One word for a run, and a gate."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding, Status
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.verdict import VerdictPolicy, judge_run, stopped_by
from hypothesis import given
from hypothesis import strategies as st


def findings(**numbers):
    return [Finding("a.b", str(one), Status(status), "m") for status, number in numbers.items() for one in range(number)]


def found(**numbers):
    return findings(**{"pass": numbers.pop("good", 0)}, **numbers)


@pytest.mark.parametrize("numbers, word, share", [
    ({"good": 95, "fail": 5}, "healthy", 95.0), ({"good": 94, "warn": 1, "fail": 5}, "healthy", 95.0),
    ({"good": 94, "fail": 6}, "degraded", 94.0), ({"good": 80, "unknown": 20}, "degraded", 80.0),
    ({"good": 79, "unknown": 21}, "unhealthy", 79.0), ({}, "unhealthy", 0.0), ({"unknown": 1}, "unhealthy", 0.0),
])
def test_the_limits_of_the_words(numbers, word, share):
    verdict = judge_run(found(**numbers), VerdictPolicy())
    assert (verdict.word, verdict.share) == (word, share)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_the_share_that_is_told_never_belies_the_word(good, warn, fail, unknown):
    verdict = judge_run(found(good=good, warn=warn, fail=fail, unknown=unknown), VerdictPolicy())
    assert (verdict.share >= 95) == (verdict.word == "healthy") and (verdict.share < 80) == (verdict.word == "unhealthy")
    assert verdict.good == good + warn and verdict.total == good + warn + fail + unknown


@pytest.mark.parametrize("healthy, degraded", [(80, 95), (101, 80), (95, -1), (float("nan"), 80)])
def test_limits_that_make_no_sense_are_refused(healthy, degraded):
    with pytest.raises(InvalidOption):
        VerdictPolicy(healthy, degraded)


def test_a_gate_stops_what_it_was_told_to_worst_first():
    seen = found(good=1, warn=1, unknown=1, fail=1)
    assert [f.status.value for f in stopped_by(seen, ["fail", "unknown"])] == ["fail", "unknown"]
    assert [f.status.value for f in stopped_by(seen, ["unknown", "warn", "fail"])] == ["fail", "unknown", "warn"]
    assert stopped_by(seen, []) == []


@pytest.mark.parametrize("word", ["pass", "error", "Fail", ""])
def test_a_word_that_is_no_status_is_refused_rather_than_never_matched(word):
    with pytest.raises(InvalidOption) as error:
        stopped_by([], ["fail", word])
    assert error.value.hint
