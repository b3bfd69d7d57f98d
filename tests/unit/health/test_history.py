# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs say of each target."""

from __future__ import annotations

from datetime import timedelta

import pytest
import yaml
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status
from ansible_collections.evenkeel.ops.plugins.module_utils.health.history import ReviewPolicy, change_percent, flaps, review
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT

DEFAULTS = yaml.safe_load((ROOT / "roles/health/defaults/main.yml").read_text(encoding="utf-8"))["health_review"]
POLICY = ReviewPolicy.from_options(DEFAULTS)


def row(name="shop", status="pass", *, samples=5, failed=0, latency=10.0, **more):
    return {"name": name, "status": status, "samples": samples, "failed": failed, "latency_ms": latency, **more}


def reviewed(clock, daily, **options):
    """``daily`` has the rows of each day's run, the last of an hour ago."""
    now = clock.now()
    runs = [(now - timedelta(days=len(daily) - 1 - day, hours=1), {"targets": rows}) for day, rows in enumerate(daily)]
    rows, findings = review(runs, now, ReviewPolicy.from_options({**DEFAULTS, **options}))
    return {one["name"]: one for one in rows}, {(one.check, one.subject): one for one in findings}


def test_a_quiet_month_passes(clock):
    rows, found = reviewed(clock, [[row()]] * 30)
    assert {one.status for one in found.values()} == {Status.PASS} and set(found) == {
        ("health.history", "all targets"), ("health.flapping", "shop"), ("health.trend", "shop")}
    assert rows["shop"]["first_seen"] == "2025-12-17T11:00:00.000Z" and rows["shop"]["last_failure"] is None and rows["shop"]["looks"] == 30
    assert (rows["shop"]["looks_recent"], rows["shop"]["looks_before"], rows["shop"]["availability"]) == (7, 23, 100.0)


def test_without_any_run_nothing_is_known(clock):
    _rows, found = reviewed(clock, [])
    assert found["health.history", "all targets"].status is Status.UNKNOWN and found["health.history", "all targets"].hint


def test_a_history_that_ended_is_unknown(clock):
    now = clock.now()
    _rows, [history, *_rest] = review([(now - timedelta(days=day), {"targets": [row()]}) for day in range(30, 2, -1)], now, POLICY)
    assert history.status is Status.UNKNOWN and "3d old" in history.message


def test_too_little_history_is_said_and_no_pass(clock):
    _rows, found = reviewed(clock, [[row(), row("new one")]] * 3)
    assert set(found) == {("health.history", "all targets")} and found["health.history", "all targets"].status is Status.WARN
    assert "too little history of shop, new one" in found["health.history", "all targets"].message


def test_what_comes_and_goes_flaps(clock):
    daily = [[row(status="fail" if day % 2 else "pass", failed=5 * (day % 2))] for day in range(30)]
    rows, found = reviewed(clock, daily)
    flapping = found["health.flapping", "shop"]
    assert flapping.status is Status.WARN and "15 of 30 looks in 35d failed" in flapping.message
    assert rows["shop"]["changes"] == 29 and rows["shop"]["change_percent"] == 100 and rows["shop"]["flapping"]


def test_one_outage_is_no_flapping_and_its_last_day_is_told(clock):
    rows, found = reviewed(clock, [[row(status="fail" if day in (20, 21) else "pass", failed=5 * (day in (20, 21)))] for day in range(30)])
    assert found["health.flapping", "shop"].status is Status.PASS and rows["shop"]["changes"] == 2
    assert rows["shop"]["last_failure"] == "2026-01-07T11:00:00.000Z"


def test_flapping_begins_at_the_high_limit_and_ends_below_the_low_one():
    wild = [True, False] * 10
    assert flaps(wild, POLICY) and flaps([*wild, *[False] * 15], POLICY), "still above the low limit"
    assert not flaps([*wild, *[False] * 21], POLICY) and not flaps([False] * 100, POLICY) and not flaps([], POLICY)


@given(st.lists(st.booleans(), max_size=60), st.integers(3, 30))
def test_the_change_is_a_percentage_and_of_the_last_looks_only(states, looks):
    percent = change_percent(states, looks)
    assert -1e-9 <= percent <= 100 + 1e-9 and percent == change_percent(states[-looks:], looks)
    assert (percent == 0) == (len(set(states[-looks:])) < 2)


def test_newer_changes_weigh_more_and_all_changes_are_the_whole():
    assert change_percent([True, False] * 11, 21) == pytest.approx(100)
    assert change_percent([False] * 20 + [True], 21) == pytest.approx(100 * 1.25 / 20)
    assert change_percent([True] + [False] * 20, 21) == pytest.approx(100 * 0.75 / 20)


def test_availability_and_latency_are_compared_with_the_weeks_before(clock):
    rows, found = reviewed(clock, [[row(samples=100, failed=int(day > 22), latency=100.0 if day < 23 else 160.0)] for day in range(30)],
                           availability={"warn": 0.5, "fail": 2}, p95={"warn": 50, "fail": 100})
    trend = found["health.trend", "shop"]
    assert trend.status is Status.WARN and (rows["shop"]["availability_before"], rows["shop"]["availability"]) == (100.0, 99.0)
    assert (rows["shop"]["p95_ms_before"], rows["shop"]["p95_ms"]) == (100.0, 160.0)


def test_one_slow_run_is_no_trend_and_growth_below_the_floor_is_none(clock):
    _rows, found = reviewed(clock, [[row(latency=500.0 if day == 29 else 100.0)] for day in range(30)])
    assert found["health.trend", "shop"].status is Status.PASS
    _rows, found = reviewed(clock, [[row(latency=1.0 if day < 23 else 9.0)] for day in range(30)])
    assert found["health.trend", "shop"].status is Status.PASS
    _rows, found = reviewed(clock, [[row(latency=50.0 if day < 23 else 150.0)] for day in range(30)])
    assert found["health.trend", "shop"].status is Status.FAIL and "50.0 ms before, 150.0 ms now" in found["health.trend", "shop"].message


def test_what_is_not_probed_any_more_is_told_unless_it_was_retired(clock):
    daily = [[row(), row("old")]] * 20 + [[row()]] * 5
    rows, found = reviewed(clock, daily)
    assert rows["old"]["gone"] and found["health.gone", "old"].status is Status.WARN
    assert "until 2026-01-10T11:00:00.000Z" in found["health.gone", "old"].message and ("health.flapping", "old") not in found
    _rows, found = reviewed(clock, daily, retired=["old"])
    assert ("health.gone", "old") not in found


def test_news_are_of_since_yesterday(clock):
    rows, _found = reviewed(clock, [*[[row("a"), row("b", "fail", failed=5), row("d", "fail", failed=5)]] * 10,
                                    [row("a", "fail", failed=5), row("b"), row("c"), row("d", "fail", failed=5)]])
    assert {name: one["news"] for name, one in rows.items()} == {"a": "fails", "b": "well again", "c": "new", "d": ""}


def test_unknown_looks_tell_nothing_and_followers_were_down(clock):
    daily = [[row(status="unknown", samples=0), row("follower", "warn", failed=5, follows=["db"]), row("optional", "warn", failed=5)]] * 10
    rows, _found = reviewed(clock, daily)
    assert rows["shop"]["looks"] == 0 and rows["shop"]["down"] is None and rows["shop"]["availability"] is None
    assert rows["follower"]["failures"] == rows["optional"]["failures"] == 10
    rows, _found = reviewed(clock, [[row("follower", "unknown", failed=5, follows=["db"])]] * 10)
    assert rows["follower"]["failures"] == 10, "the status is policy's, the failure is not"


def test_records_of_before_samples_were_counted_are_read(clock):
    rows, _found = reviewed(clock, [[{"name": "shop", "status": "fail" if day < 3 else "pass", "latency_ms": 5.0}] for day in range(30)])
    assert rows["shop"]["failures"] == 3 and rows["shop"]["availability_before"] == pytest.approx(100 * 20 / 23, abs=0.001)


@pytest.mark.parametrize("options, said", [
    ({"windows": 3}, "unknown key 'windows'"), ({"period": None}, "period is missing"), ({"recent": "40d"}, "lies not within"),
    ({"period": "-1d"}, "not a duration"), ({"fewest": 1}, "tell nothing"), ({"looks": 2}, "tell nothing"), ({"low": 30}, "would end"),
    ({"high": "much"}, "not a percentage"), ({"p95": {"fail": -1}}, "no number"), ({"availability": {"best": 1}}, "unknown key"),
])
def test_a_policy_that_makes_no_sense_is_refused_with_a_hint(options, said):
    with pytest.raises(InvalidOption) as error:
        ReviewPolicy.from_options({**DEFAULTS, **options})
    assert said in error.value.message and error.value.hint
