# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""From samples to figures and findings."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status
from ansible_collections.evenkeel.ops.plugins.module_utils.health.expectations import Complaint
from ansible_collections.evenkeel.ops.plugins.module_utils.health.judge import (
    ServiceLimits,
    judge_services,
    judge_targets,
    percentile,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.health.observe import AddressAnswer
from ansible_collections.evenkeel.ops.plugins.module_utils.health.probe import Sample
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets
from hypothesis import given
from hypothesis import strategies as st

BAD = Sample(None, 2, 2, (Complaint("HTTP status is 503, expected 200", 503, "200", "See the log"),))
BLIND = Sample(None, 1, 1, (Complaint("dnspython is not installed", hint="Install it"),), blind=True)


def good(seconds, failed=0):
    return Sample(seconds, failed + 1, failed)


def targets(**options):
    return read_targets([{"name": name, "url": f"http://{name}/", "service": "shop", **options} for name in ("a", "b")])


def judged(samples, limits=None, **options):
    some = targets(**options)
    taken = dict(zip("ab", samples, strict=True))
    rows, probed = judge_targets(some, taken)
    services, figures = judge_services(some, taken, probed, ServiceLimits.from_options(limits))
    return rows, probed, services, {finding.check: finding for finding in figures}


@pytest.mark.parametrize("percent, expected", [(5, 15), (30, 20), (40, 20), (50, 35), (95, 50), (100, 50), (0, 15)])
def test_percentiles_are_nearest_ranks(percent, expected):
    assert percentile([35, 20, 15, 50, 40], percent) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.sampled_from([50, 95, 99]))
def test_a_percentile_was_seen_and_enough_values_do_not_exceed_it(values, percent):
    found = percentile(values, percent)
    assert found in values and sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def test_of_nothing_there_is_no_percentile():
    assert percentile([], 95) is None


def test_a_service_has_its_figures():
    _rows, _probed, [service], _figures = judged([[good(0.1), good(0.2, failed=1), good(0.3)], [good(0.4), BAD]])
    assert service == {"service": "shop", "total": 5, "failed": 1, "availability": 80.0, "error_rate": 42.857, "p50_ms": 200.0,
                       "p95_ms": 400.0, "p99_ms": 400.0, "status": "fail"}


def test_a_target_fails_with_what_was_seen_and_where_and_what_to_do():
    rows, [first, _second], _services, _figures = judged([[good(0.1), BAD], [good(0.1)]])
    assert (first.status, first.observed, first.limit, first.hint) == (Status.FAIL, 503, "200", "See the log")
    assert first.message == "http://a/: HTTP status is 503, expected 200 (1 of 2 samples)"
    assert rows[0] == {"name": "a", "service": "shop", "kind": "http", "address": "http://a/", "status": "fail",
                       "latency_ms": 100.0, "attempts": 3, "message": first.message, "samples": 2, "failed": 1}


def test_the_address_is_told_once():
    refused = Sample(None, 1, 1, (Complaint("http://a/ refuses connections", hint="Start it"),))
    _rows, [first, _second], _services, _figures = judged([[refused], [good(0.1)]])
    assert first.message == "http://a/ refuses connections"


def test_what_is_not_critical_is_a_warning():
    _rows, [first, second], _services, _figures = judged([[BAD], [good(9)]], critical=False, latency_fail="1s")
    assert (first.status, second.status) == (Status.WARN, Status.WARN)


def test_what_could_not_be_looked_at_is_unknown_and_no_figure():
    _rows, [first, _second], [service], figures = judged([[BLIND], [good(0.1)]], {"shop": {"availability": {"fail": 99}}})
    assert first.status is Status.UNKNOWN and service["total"] == 1 and service["status"] == "unknown"
    assert figures["health.availability"].status is Status.PASS


def test_of_a_service_that_nobody_could_look_at_everything_is_unknown():
    limits = {"*": {"availability": {"fail": 99}, "error_rate": {"fail": 1}, "p95": {"fail": "1s"}}}
    _rows, _probed, [service], figures = judged([[BLIND], [BLIND]], limits)
    assert {finding.status for finding in figures.values()} == {Status.UNKNOWN} and service["availability"] is None


@pytest.mark.parametrize("seconds, status, limit", [(0.1, "pass", 500), (0.2, "pass", 500), (0.3, "warn", 200), (0.6, "fail", 500)])
def test_latency_is_judged_per_target(seconds, status, limit):
    _rows, [first, _second], _services, _figures = judged([[good(seconds)], [good(0.1)]], latency_warn="200ms", latency_fail="500ms")
    assert (first.status.value, first.limit, first.unit) == (status, limit, "ms")


def test_limits_of_a_service_go_before_those_of_all():
    limits = {"*": {"p95": {"fail": "1ms"}, "error_rate": {"warn": 1, "fail": 2}}, "shop": {"p95": {"warn": "1s"}}}
    _rows, _probed, _services, figures = judged([[good(0.1)], [BAD]], limits)
    assert figures["health.latency"].status is Status.PASS and figures["health.latency"].limit == 1000
    assert figures["health.error_rate"].status is Status.FAIL and figures["health.error_rate"].observed == 66.667


def test_limits_without_a_target_are_unknown():
    _rows, _probed, _services, figures = judged([[good(0.1)], [good(0.1)]], {"shpo": {"availability": {"fail": 99}}})
    finding = figures["health.availability"]
    assert (finding.subject, finding.status) == ("shpo", Status.UNKNOWN) and finding.hint


@pytest.mark.parametrize("limits, said", [
    ({"*": {"uptime": {"fail": 1}}}, "unknown key 'uptime'"), ({"*": {"availability": {"error": 1}}}, "unknown key 'error'"),
    ({"*": {"availability": 99}}, "is no dictionary"), ({"*": 99}, "is no dictionary"),
    ({"*": {"availability": {"fail": 101}}}, "not a percentage"), ({"*": {"error_rate": {"fail": "many"}}}, "not a percentage"),
    ({"*": {"availability": {"fail": True}}}, "not a percentage"), ({"*": {"p95": {"fail": "-1s"}}}, "not a duration"),
    ({"*": {"availability": {"warn": 99, "fail": 99.9}}}, "met before warn"), ({"*": {"p95": {"warn": "2s", "fail": "1s"}}}, "met before"),
])
def test_limits_that_make_no_sense_are_refused_with_a_hint(limits, said):
    with pytest.raises(InvalidOption) as error:
        ServiceLimits.from_options(limits)
    assert said in error.value.message and error.value.hint


def test_each_address_has_a_verdict_of_its_own_where_all_are_asked():
    no = Complaint("a refuses connections", hint="Start it")
    seen = [Sample(0.3, 1, 0, each=(AddressAnswer("10.0.0.1", 0.1), AddressAnswer("10.0.0.2", 0.3))),
            Sample(None, 1, 1, (no,), each=(AddressAnswer("10.0.0.1", 0.2), AddressAnswer("10.0.0.2", None, (no,))))]
    [row, other], _probed, _services, _figures = judged([seen, [good(0.1)]], addresses="all", latency_fail="150ms")
    assert [(one["address"], one["status"], one["latency_ms"], one["samples"], one["failed"]) for one in row["addresses"]] == [
        ("10.0.0.1", "fail", 200.0, 2, 0), ("10.0.0.2", "fail", 300.0, 2, 1)]
    assert row["addresses"][1]["message"] == "10.0.0.2: a refuses connections (1 of 2 samples)" and other["addresses"] == []
    rows, _probed, _services, _figures = judged([[good(0.1)], [good(0.1)]])
    assert "addresses" not in rows[0]
