# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service levels judged from plain values: what is not known is never a pass, whatever the policy."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, Unreachable
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status, worst
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.verdict import stopped_by
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.budget import BurnRule, burn_rate, minutes, read_burn_rules
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.evaluate import FromPoints, Policy, evaluate
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.judge import BudgetLimits, judge
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.objectives import read_objectives
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.outages import judge as judge_outages
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.outages import reliability
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.promql import FromPrometheus
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.readings import (
    Point,
    Reading,
    bucket_quantile,
    counted,
    from_points,
    told,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
DAY = 86400.0
WORKBOOK = [{"long": "1h", "short": "5m", "share": 2, "status": "fail"}, {"long": "6h", "short": "30m", "share": 5, "status": "fail"},
            {"long": "3d", "short": "6h", "share": 10, "status": "warn"}]
COUNTER = {"series": "http_requests_total", "label": "code", "errors": "5.."}
SOURCES = {
    "availability": {"counter": COUNTER}, "error_rate": {"counter": COUNTER},
    "latency": {"histogram": {"series": "latency_bucket", "quantile": 95}}, "throughput": {"counter": {"series": "http_requests_total"}},
}
TARGETS = {"availability": (99.9, 99.5), "error_rate": (1, 2), "latency": ("200ms", "500ms"), "throughput": (1000, 500)}


def objective(measure="availability", window="30d", **more):
    target, alert = TARGETS[measure]
    given = {"service": "api", "measure": measure, "target": target, "alert": alert, **SOURCES[measure], **more}
    [one] = read_objectives([given], tiers={"critical": 99.9}, window=window)
    return one


def status(one, value, **more):
    _row, [finding, *_others] = judge(one, {one.window: Reading(value, **more)}, (), BudgetLimits())
    return finding.status


@pytest.mark.parametrize("measure, good, missed, bad", [
    ("availability", 99.9, 99.899, 99.49), ("error_rate", 1.0, 1.001, 2.1), ("latency", 200.0, 200.1, 500.1),
    ("throughput", 1000.0, 999, 499)])
def test_target_and_alert_are_kept_apart(measure, good, missed, bad):
    """SK-94 to SK-97: missing the target warns, only the alert fails; without an alert missing the target fails."""
    one = objective(measure)
    assert [status(one, value) for value in (good, missed, bad)] == [Status.PASS, Status.WARN, Status.FAIL]
    assert status(objective(measure, alert=None), missed) is Status.FAIL
    row, [finding] = judge(one, {one.window: Reading(missed)}, (), BudgetLimits())
    assert row["target"] == one.target and row["alert"] == one.alert and finding.limit == one.target
    assert "the target is" in finding.message and "the alert" in finding.message


def test_the_factors_are_those_of_the_workbook():
    assert [rule.factor(30 * DAY) for rule in read_burn_rules(WORKBOOK)] == pytest.approx([14.4, 6, 1])
    assert [rule.name for rule in read_burn_rules(WORKBOOK)] == ["1h/5m", "6h/30m", "3d/6h"]


@pytest.mark.parametrize("long, short, expected", [
    (1.5, 1.5, Status.FAIL), (1.5, 0.1, Status.PASS), (0.1, 1.5, Status.PASS), (1.44, 1.44, Status.PASS), (None, 1.5, Status.UNKNOWN),
    (1.5, None, Status.UNKNOWN)])
def test_a_budget_burns_when_both_windows_do(long, short, expected):
    """Percent of requests that failed; the budget is 0.1%, the limit 14.4 times that."""
    one, [rule, *_rest] = objective(alert=None), read_burn_rules(WORKBOOK)
    seen = {window: Reading(reason="empty") if wrong is None else Reading(100 - wrong)
            for window, wrong in ((rule.long, long), (rule.short, short))}
    readings = {one.window: Reading(100.0), **seen}
    _row, findings = judge(one, readings, [rule], BudgetLimits(25, 0))
    assert {finding.check: finding.status for finding in findings}["service_levels.burn_rate"] is expected


def test_no_request_in_a_short_window_spends_nothing_and_in_the_whole_window_says_nothing():
    one = objective()
    quiet = counted("availability", 0.0, 0.0, 300)
    assert burn_rate(one, quiet) == 0 and quiet.value is None
    _row, [finding] = judge(one, {one.window: quiet}, (), BudgetLimits())
    assert finding.status is Status.UNKNOWN and "no request" in finding.message


@pytest.mark.parametrize("sla, allowed", [(99.9, 43.2), (99.5, 216.0), (99.0, 432.0)])
def test_minutes_left_of_a_month(sla, allowed):
    left = minutes(objective(target=sla, alert=None), Reading(sla))
    assert left == {"minutes_allowed": pytest.approx(allowed), "minutes_lost": pytest.approx(allowed), "minutes_left": pytest.approx(0)}
    assert minutes(objective(target=sla, alert=None), Reading(reason="?"))["minutes_left"] is None


def test_a_report_says_the_minutes() -> None:
    """99.95% of a week that may lose 10.08 minutes."""
    one = objective(alert=None).over("weekly", 7 * DAY)
    _row, [finding] = judge(one, {one.window: Reading(99.95)}, (), BudgetLimits())
    assert finding.check == "service_levels.compliance" and "5.04 of 10.08 minutes are left" in finding.message


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf, None])
def test_what_is_no_number_has_a_reason(missing):
    for reading in (told("latency", missing), counted("availability", missing, 0.0, 60), counted("error_rate", 1.0, missing, 60)):
        assert reading.value is None and reading.reason


def test_more_failures_than_requests_are_no_availability():
    assert counted("availability", 3.0, 4.0, 60).value is None
    assert told("availability", 100.5).value is None and told("latency", -1.0).value is None


def test_a_quantile_beyond_the_largest_bucket_is_not_the_largest_bucket():
    """histogram_quantile answers 0.5 here, which passes a limit of 500 ms although nobody knows."""
    found = bucket_quantile({0.1: 10.0, 0.5: 50.0, math.inf: 100.0}, 95)
    assert (found.value, found.at_least) == (0.5, True)
    assert status(objective("latency"), 500.0, at_least=True) is Status.UNKNOWN
    assert status(objective("latency", alert=None), 500.0, at_least=True) is Status.FAIL
    assert bucket_quantile({0.1: 0.0, math.inf: 0.0}, 95).value is None
    assert bucket_quantile({0.1: 5.0}, 95).value is None


@given(st.lists(st.floats(0, 10, allow_nan=False), min_size=1, max_size=200), st.floats(1, 99))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(latencies, percent):
    bounds = [0.1, 0.5, 1.0, 5.0, math.inf]
    found = bucket_quantile({bound: float(sum(value <= bound for value in latencies)) for bound in bounds}, percent)
    true = sorted(latencies)[max(0, math.ceil(percent / 100 * len(latencies)) - 1)]
    upper = next(bound for bound in bounds if true <= bound)
    if math.isinf(upper):
        assert found.at_least and found.value == 5.0 < true
    else:
        lower = ([0.0, *bounds])[bounds.index(upper)]
        assert lower - 1e-9 <= found.value <= upper + 1e-9 and not found.at_least


def points(hours, *, every=1, total=100.0, wrong=0.0):
    return [Point(NOW - timedelta(hours=hour), total, wrong) for hour in range(0, hours, every)]


def history(measure="availability", **more):
    target, alert = TARGETS[measure]
    [one] = read_objectives([{"service": "api", "measure": measure, "target": target, "alert": alert, "window": "1d",
                              "history": {"every": "1h", "quantile": 95}, **more}], tiers={}, window="30d")
    return one


def test_points_are_read_only_where_they_are_whole_and_fresh():
    one = history()
    whole = from_points(one, points(24), NOW, DAY, 90)
    assert whole.value == 100 and whole.coverage == 100 and whole.total == 2400
    assert "50%" in from_points(one, points(12), NOW, DAY, 90).reason
    assert "stale" in from_points(one, [Point(NOW - timedelta(hours=hour), 1.0, 0.0) for hour in range(3, 24)], NOW, DAY, 50).reason
    assert "no data at all" in from_points(one, [], NOW, DAY, 90).reason
    assert "future" in from_points(one, [Point(NOW + timedelta(hours=2), 1.0, 0.0)], NOW, DAY, 90).reason
    assert "does not say" in from_points(one, [*points(23), Point(NOW - timedelta(hours=23), 5.0, None)], NOW, DAY, 90).reason


class Server:
    """Answers as it is told to."""

    def __init__(self, vector, matrix):
        self.vector, self.matrix = vector, matrix

    def query(self, expression, at):
        return self.vector

    def query_range(self, expression, start, end, step):
        return [({}, [(end - step * index, 1.0) for index in range(60) if index in self.matrix])] if self.matrix else []


POLICY = {"tiers": {}, "window": "30d", "periods": {}, "burn_rates": WORKBOOK, "budget": {"warn": 25, "fail": 0}, "coverage": 90}


def decided(measure, vector, matrix):
    """The findings, and whether a promotion would go through its gate."""
    target, alert = TARGETS[measure]
    options = {**POLICY, "objectives": [{"service": "api", "measure": measure, "target": target, "alert": alert, **SOURCES[measure]}]}
    _rows, findings = evaluate(Policy.from_options(options), {"prometheus": FromPrometheus(Server(vector, matrix))}, NOW)
    return findings, not stopped_by(findings, ["fail", "unknown"])


_SOUND = frozenset(range(60))
_BROKEN_VALUE = st.sampled_from([math.nan, math.inf, -math.inf, -1.0])
_LABELS = st.fixed_dictionaries({}, optional={"code": st.sampled_from(["200", "500", ""]),
                                              "le": st.sampled_from(["0.1", "1", "+Inf", "x"])})
_MISSING = st.one_of(
    st.tuples(st.just([]), st.just(_SOUND)),  # empty
    st.tuples(st.lists(st.tuples(_LABELS, st.floats(0, 1e6)), max_size=4), st.frozensets(st.integers(1, 59))),  # stale: now is missing
    st.tuples(st.lists(st.tuples(_LABELS, st.floats(0, 1e6)), max_size=4), st.frozensets(st.integers(0, 50), max_size=51)),  # gaps
    st.tuples(st.lists(st.tuples(_LABELS, _BROKEN_VALUE), min_size=1, max_size=4), st.just(_SOUND)),  # no number
    st.tuples(st.lists(st.tuples(st.just({"le": "x"}), st.floats(0, 1e6)), min_size=1, max_size=4), st.just(_SOUND)),  # other labels
)


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(["availability", "error_rate", "latency"]), _MISSING)
@example("availability", ([({"code": "200"}, math.nan)], _SOUND))
def test_no_promotion_is_decided_on_missing_data(measure, answer):
    findings, goes_through = decided(measure, *answer)
    assert findings and worst(findings) is not Status.PASS
    assert not goes_through, findings


def test_a_sound_answer_goes_through():
    """So that the test above can fail."""
    findings, goes_through = decided("availability", [({"code": "200"}, 1000.0)], _SOUND)
    assert goes_through and {finding.status for finding in findings} == {Status.PASS} and len(findings) == 5


def test_a_service_without_any_error_has_none_and_a_misspelt_label_is_told():
    _findings, well = decided("error_rate", [({"code": "200"}, 1000.0)], _SOUND)
    findings, misspelt = decided("error_rate", [({}, 1000.0)], _SOUND)
    assert well and not misspelt and "has no label code" in findings[0].message


def test_a_server_that_is_silent_is_waited_for_once_and_nothing_passes():
    class Silent:
        asked = 0

        def query_range(self, *_arguments):
            Silent.asked += 1
            raise Unreachable("Prometheus does not answer")

    options = {**POLICY, "objectives": [{"service": name, "measure": "availability", "target": 99.9, "counter": COUNTER} for name in "abc"]}
    rows, findings = evaluate(Policy.from_options(options), {"prometheus": FromPrometheus(Silent())}, NOW)
    assert Silent.asked == 1 and len(rows) == 3 and {finding.status for finding in findings} == {Status.UNKNOWN}


def test_without_objectives_nothing_is_known():
    _rows, [finding] = evaluate(Policy.from_options({**POLICY, "objectives": []}), {}, NOW)
    assert finding.status is Status.UNKNOWN


def test_history_is_not_asked_for_windows_shorter_than_its_probes():
    class Kept:
        def points(self, objective, since, now):
            return points(24 * 31)

    options = {**POLICY, "objectives": [{"service": "api", "measure": "availability", "target": 99.9, "history": {"every": "1h"}}]}
    _rows, findings = evaluate(Policy.from_options(options), {"history": FromPoints(Kept())}, NOW)
    assert [finding.subject.split()[-1] for finding in findings if finding.check == "service_levels.burn_rate"] == ["3d/6h"]
    assert {finding.status for finding in findings} == {Status.PASS}


@pytest.mark.parametrize("change, word", [
    ({"service": ""}, "service"), ({"measure": "speed"}, "unknown"), ({"target": 101}, "percentage"), ({"target": -1}, "percentage"),
    ({"target": True}, "percentage"), ({"alert": 99.95}, "met before"), ({"window": "-1d"}, "duration"), ({"window": "0s"}, "too short"),
    ({"tier": "gold"}, "tiers"), ({"colour": "red"}, "unknown key 'colour'"), ({"counter": None}, "nothing"),
    ({"history": {"every": "1h"}}, "counter and history"), ({"counter": {**COUNTER, "by": ["a b"]}}, "label"),
    ({"counter": {**COUNTER, "errors": "5("}}, "regular expression"), ({"counter": {"series": "x"}}, "what an error is"),
    ({"counter": {**COUNTER, "job": 1}}, "unknown key 'job'"), ({"counter": "x"}, "dictionary"), ({"target": None}, "target"),
    ({"counter": None, "expression": {"query": "up", "series": "up"}}, "$window")])
def test_what_cannot_be_read_is_refused(change, word):
    given = {"service": "api", "measure": "availability", "target": 99.9, "alert": 99.5, "counter": COUNTER, **change}
    with pytest.raises(InvalidOption) as refused:
        read_objectives([given], tiers={"critical": 99.9}, window="30d")
    assert word in str(refused.value) and refused.value.hint


@pytest.mark.parametrize("rule", [{"long": "1h"}, {"long": "5m", "short": "1h", "share": 2, "status": "fail"},
                                  {"long": "1h", "short": "5m", "share": 0, "status": "fail"},
                                  {"long": "1h", "short": "5m", "share": 2, "status": "pass"}, "x"])
def test_burn_rules_are_read_strictly(rule):
    with pytest.raises(InvalidOption):
        read_burn_rules([rule])


def test_a_tier_gives_the_target_and_two_of_one_name_are_refused():
    given = {"service": "api", "measure": "availability", "tier": "critical", "counter": COUNTER}
    [one] = read_objectives([given], tiers={"critical": 99.9}, window="30d")
    assert one.target == 99.9
    with pytest.raises(InvalidOption, match="twice"):
        read_objectives([given, given], tiers={"critical": 99.9}, window="30d")


def runs(*statuses):
    """One run an hour, the last one now."""
    return [(NOW - timedelta(hours=len(statuses) - 1 - index), {"services": [{"service": "api", "status": word}]})
            for index, word in enumerate(statuses)]


def test_outages_are_counted_from_the_runs():
    [found] = reliability(runs("pass", "fail", "fail", "warn", "pass", "fail", "pass"), NOW - timedelta(days=1), NOW, 7200)
    assert (len(found.outages), found.mttr, found.mtbf) == (2, 1.5 * 3600, 1.5 * 3600)
    [open_one] = reliability(runs("pass", "fail", "unknown"), NOW - timedelta(days=1), NOW, 7200)
    assert open_one.mttr is None and open_one.outages[0].ended is None
    assert judge_outages([open_one], NOW - timedelta(days=1), NOW)[0].status is Status.WARN
    [never] = reliability(runs("pass", "pass"), NOW - timedelta(days=1), NOW, 7200)
    assert (never.mttr, never.mtbf) == (None, None)
    [always] = reliability(runs("fail", "fail"), NOW - timedelta(days=1), NOW, 7200)
    assert always.mtbf is None
    assert ", never seen up; it is down since" in judge_outages([always], NOW - timedelta(days=1), NOW)[0].message


def test_time_in_which_nobody_looked_is_neither_up_nor_down():
    looks = [(NOW - timedelta(days=3), {"services": [{"service": "api", "status": "pass"}]})]
    [found] = reliability(looks, NOW - timedelta(days=7), NOW, 7200)
    assert (found.up, found.down, found.unseen) == (0, 0, 3 * DAY)
    assert judge_outages([found], NOW - timedelta(days=7), NOW)[0].status is Status.UNKNOWN
    assert judge_outages([], NOW - timedelta(days=7), NOW)[0].status is Status.UNKNOWN


def test_the_rule_is_a_value():
    assert BurnRule(3600, 300, 2, Status.FAIL).factor(28 * DAY) == pytest.approx(13.44)
