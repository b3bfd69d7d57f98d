# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Growth, trends and baselines over many runs. Pure: series in, findings out."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.baseline import BaselinePolicy, Period, review_baseline
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.growth import GrowthPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.history import Point, per_day, risen, thinned
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.regressions import RegressionPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.trend import compare_runs
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 7, 15, 12, tzinfo=timezone.utc)
MIB, GIB, DAY = 2 ** 20, 2 ** 30, 86400
GROWTH = {"window": "30d", "least_span": "20h", "without_history": "unknown", "database": {"warn": "1GiB"}, "relation": {"fail": "512MiB"},
          "room_for": {"warn": "90d", "fail": "30d"}}


def sizes(total, target="shop", **relations):
    return {"target": target, "name": "shop", "bytes": total,
            "relations": [{"relation": name, "bytes": size, "index_bytes": 0} for name, size in relations.items()]}


def grown(now, earlier, capacity=None, **policy):
    trend = compare_runs(NOW, [{"sizes": now}], [(NOW - timedelta(days=days), {"sizes": seen}) for days, seen in earlier],
                         growth=GrowthPolicy.from_options({**GROWTH, **policy}), regressions=None,
                         capacities={} if capacity is None else {"shop": capacity})
    return {finding.check.removeprefix("database."): finding for finding in trend.findings}, trend.growth


def test_growth_and_the_day_on_which_the_room_is_gone():
    found, values = grown(sizes(100 * GIB, big=60 * GIB, small=MIB), [(10, sizes(80 * GIB, big=50 * GIB, small=MIB)),
                                                                      (5, sizes(90 * GIB, big=55 * GIB, small=MIB))], capacity=150 * GIB)
    assert found["growth"].status == "warn" and "most: big, 1.0 GiB) is 2.0 GiB" not in found["growth"].message
    assert found["growth"].observed == 2 * GIB and "most: big, 1.0 GiB is 2.0 GiB, over the limit of 1.0 GiB" in found["growth"].message
    assert found["relation_growth"].status == "fail" and found["relation_growth"].subject == "shop: big"
    assert found["room"].status == "fail" and found["room"].observed == 25 * DAY
    assert "is 25d, under the limit of 30d" in found["room"].message
    assert values[0]["days_left"] == 25.0 and values[0]["relations"][0] == {"relation": "big", "bytes": 60 * GIB, "bytes_per_day": GIB}


def test_room_is_kept_where_nothing_grows():
    found, values = grown(sizes(GIB), [(2, sizes(2 * GIB))], capacity=3 * GIB)
    assert {finding.status for finding in found.values()} == {"pass"} and values[0]["days_left"] is None
    full, _values = grown(sizes(4 * GIB), [(2, sizes(2 * GIB))], capacity=3 * GIB)
    assert full["room"].status == "fail" and full["room"].observed == 0


def test_without_history_the_policy_decides():
    assert grown(sizes(GIB), [])[0]["growth"].status == "unknown"
    assert grown(sizes(GIB), [(0.5, sizes(1))])[0]["growth"].status == "unknown"
    assert grown(sizes(GIB), [(31, sizes(1))])[0]["growth"].status == "unknown"
    assert grown(sizes(GIB), [(2, sizes(1, target="other"))])[0]["growth"].status == "unknown"
    assert grown(sizes(GIB), [], without_history="ignore")[0] == {}


def test_a_section_that_failed_is_passed_over():
    trend = compare_runs(NOW, [{"sizes": {"target": "shop", "error": "no"}}, {"statements": {"target": "shop", "installed": False}}],
                         [(NOW - timedelta(days=2), {"sizes": {"target": "shop", "error": "no"}, "statements": None})],
                         growth=GrowthPolicy.from_options(GROWTH), regressions=RegressionPolicy.from_options(
                             {"window": "30d", "least_calls": 1, "least_rise": "0s", "without_history": "warn"}), capacities={})
    assert list(trend.findings) == []


@given(st.lists(st.integers(0, 10 ** 12), min_size=2, max_size=200), st.integers(1, 10 ** 9))
def test_a_straight_line_has_its_own_slope_whatever_one_outlier_says(values, step):
    points = [Point(NOW + timedelta(days=number), 5.0 + step * number) for number in range(len(values))]
    assert per_day(points, least_span=DAY / 2) == pytest.approx(step)
    if len(points) >= 5:
        points[2] = Point(points[2].at, float(values[0]))
        assert per_day(points, least_span=DAY / 2) == pytest.approx(step, rel=1) and len(thinned(points)) <= 60
        assert thinned(points)[0] == points[0] and thinned(points)[-1] == points[-1]


def test_a_counter_that_begins_again():
    assert risen([5, 7, 1, 4]) == 2 + 1 + 3 and risen([]) == risen([9]) == 0


@pytest.mark.parametrize("length, instant, start, end, name", [
    ("quarter", NOW, (2026, 4, 1), (2026, 7, 1), "2026-Q2"), ("quarter", datetime(2026, 1, 1, tzinfo=timezone.utc), (2025, 10, 1),
                                                              (2026, 1, 1), "2025-Q4"),
    ("month", datetime(2026, 1, 31, tzinfo=timezone.utc), (2025, 12, 1), (2026, 1, 1), "2025-12"),
    ("week", NOW, (2026, 7, 6), (2026, 7, 13), "2026-W28")])
def test_periods_of_the_calendar(length, instant, start, end, name):
    period = Period.last_before(instant, length)
    assert (period.start, period.end, period.name) == (datetime(*start, tzinfo=timezone.utc), datetime(*end, tzinfo=timezone.utc), name)


def inspected(at, *, calls, milliseconds, hit, read, used, deadlocks=0, total=GIB):
    return (at, {"database": {"target": "shop", "metrics": {
        "sessions": {"used": used}, "statistics": {"hit": hit, "read": read, "deadlocks": deadlocks},
        "statements": [{"p95_seconds": 0.1}]}}}), \
        (at, {"statements": {"target": "shop", "installed": True, "calls": calls, "milliseconds": milliseconds}}), \
        (at, {"sizes": {"target": "shop", "bytes": total}})


def quarters():
    runs = []
    for number in range(180):
        second = number >= 90
        at = datetime(2026, 1, 1, 6, tzinfo=timezone.utc) + timedelta(days=number)
        runs += inspected(at, calls=1000 * number, milliseconds=5000.0 * number + (5000.0 * (number - 90) if second else 0),
                          hit=900 * number, read=100 * number, used=20 + 30 * second, total=GIB + number * MIB)
    return runs


BASELINE = {"period": "quarter", "least_runs": 60, "without_history": "unknown",
            "worse_percent": {"query_mean": {"warn": 20, "fail": 90}, "connections": {"warn": 50}, "cache_miss": {"warn": 10},
                              "growth": {"warn": 10}}}


def test_a_quarter_beside_the_one_before():
    values, findings = review_baseline(quarters(), NOW, BaselinePolicy.from_options(BASELINE))
    [baseline] = values
    assert (baseline["before"], baseline["after"], baseline["runs_before"], baseline["runs_after"]) == ("2026-Q1", "2026-Q2", 90, 90)
    figures = {figure["name"]: figure for figure in baseline["figures"]}
    assert figures["query_mean"]["before"] == 5.0 and figures["query_mean"]["change_percent"] == 100.0
    assert figures["cache_miss"]["before"] == figures["cache_miss"]["after"] == 10.0
    assert figures["growth"]["before"] == pytest.approx(MIB) and figures["query_p95"]["after"] == 100.0
    found = {finding.subject.removeprefix("shop: "): finding for finding in findings}
    assert found["query_mean"].status == "fail" and "5 ms in 2026-Q1 and 10 ms in 2026-Q2: 100% worse, over the limit of 90%" in \
        found["query_mean"].message
    assert (found["connections"].status, found["cache_miss"].status, found["growth"].status) == ("warn", "pass", "pass")


def test_too_few_runs_are_not_compared():
    policy = BaselinePolicy.from_options(BASELINE)
    [finding] = review_baseline(quarters()[:300], NOW, policy)[1]
    assert finding.status == "unknown" and "90 runs of 2026-Q1 and 10 of 2026-Q2" in finding.message
    [finding] = review_baseline([], NOW, policy)[1]
    assert finding.status == "unknown" and "no run" in finding.message


@pytest.mark.parametrize("change", [{"period": "year"}, {"worse_percent": {"speed": {"warn": 1}}}, {"least_runs": -1}])
def test_what_cannot_be_meant_is_refused(change):
    with pytest.raises(InvalidOption):
        BaselinePolicy.from_options({**BASELINE, **change})
