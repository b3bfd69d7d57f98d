# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching for a while: on a clock that is told the time, and a network that says what the script of the test has."""

from __future__ import annotations

import asyncio

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Interrupted, InvalidOption, LibraryMissing, Unreachable
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status
from ansible_collections.evenkeel.ops.plugins.module_utils.health.expectations import Complaint
from ansible_collections.evenkeel.ops.plugins.module_utils.health.judge import ServiceLimits, judge_services, judge_targets
from ansible_collections.evenkeel.ops.plugins.module_utils.health.judge_watch import judge_watch
from ansible_collections.evenkeel.ops.plugins.module_utils.health.layers import read_foundations
from ansible_collections.evenkeel.ops.plugins.module_utils.health.probe import Pace, Sample, to_its_end
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets
from ansible_collections.evenkeel.ops.plugins.module_utils.health.watch import Watched, WatchPolicy, overdrawn, watch
from hypothesis import given
from hypothesis import strategies as st

SOAK = {"for": "15m", "every": "30s"}
DOWN = Unreachable("refuses connections", hint="Start it")


class Scripted:
    """PING is answered by ``script(host, seconds since the start)``: seconds that it takes, or an error."""

    def __init__(self, clock, script):
        self.clock, self.script, self.began, self.asked = clock, script, clock.monotonic(), []

    async def ping_redis(self, host, port, **_rest):
        self.asked.append((host, round(self.clock.monotonic() - self.began)))
        answer = self.script(host, self.clock.monotonic() - self.began)
        if isinstance(answer, BaseException):
            raise answer
        self.clock.sleep(answer)


def looked(clock, script, *, names=("a",), limits=None, samples=1, said=None, described=None, **options):
    some = read_targets([{"name": name, "kind": "redis", "host": name, "timeout": "1h", **(described or {}).get(name, {})}
                         for name in names])

    async def sleep(seconds):
        clock.sleep(seconds)

    network = Scripted(clock, script)
    read = ServiceLimits.from_options(limits)
    seen = watch(some, network, clock=clock, pace=Pace(samples=samples), policy=WatchPolicy.from_options({**SOAK, **options}), limits=read,
                 tell=(said if said is not None else []).append, sleep=sleep)
    rows, probed = judge_targets(some, seen.taken, allowed=seen.allowed)
    _services, figures = judge_services(some, seen.taken, probed, read)
    value, findings = judge_watch(seen, some, samples, read_foundations(some))
    return value, {(one.check, one.subject): one for one in (*probed, *figures, *findings)}, network, rows


def test_a_quarter_of_an_hour_every_thirty_seconds_has_31_rounds(clock):
    said = []
    value, found, network, rows = looked(clock, lambda host, at: 0.01, said=said)
    assert [at for _host, at in network.asked] == list(range(0, 901, 30))
    assert (value["end"], value["rounds"], value["samples"], value["bad"]) == ("whole", 31, 31, 0)
    assert {one.status for one in found.values()} == {Status.PASS} and rows[0]["samples"] == 31
    assert said[0] == "watch: round 1 of 31, 0 of 0 samples bad" and said[-1] == "watch: round 31 of 31, 0 of 30 samples bad"


def test_the_first_bad_sample_ends_it_where_none_is_allowed(clock):
    value, found, network, _rows = looked(clock, lambda host, at: DOWN if at >= 60 else 0.01)
    assert len(network.asked) == 3 and value["end"] == "failed"
    ending = found["health.watch", "all targets"]
    assert ending.status is Status.FAIL and "3 of 31 rounds" in ending.message
    assert "a had more bad samples than a pass allows" in ending.message
    assert found["health.probe", "a"].status is Status.FAIL


def test_what_is_allowed_is_a_warning_and_one_more_ends_it(clock):
    _value, found, network, _rows = looked(clock, lambda host, at: DOWN if 59 < at < 121 else 0.01, allowed_bad=10)
    assert len(network.asked) == 31 and found["health.watch", "all targets"].status is Status.PASS
    assert found["health.probe", "a"].status is Status.WARN and "3 of 31 samples" in found["health.probe", "a"].message
    value, found, network, _rows = looked(clock, lambda host, at: DOWN if 59 < at < 151 else 0.01, allowed_bad=10)
    assert (len(network.asked), value["end"]) == (6, "failed") and found["health.probe", "a"].status is Status.FAIL


def test_what_is_allowed_hides_no_slowness(clock):
    _value, found, _network, _rows = looked(clock, lambda host, at: DOWN if at < 1 else 2.0, allowed_bad=10,
                                            described={"a": {"latency_fail": "1s"}})
    assert found["health.probe", "a"].status is Status.FAIL and "over the limit of 1000 ms" in found["health.probe", "a"].message


def test_a_limit_of_availability_is_a_budget_too(clock):
    limits = {"a": {"availability": {"fail": 96}}}  # one of 31 leaves 96.774%, two 93.548%
    value, found, _network, _rows = looked(clock, lambda host, at: DOWN if at < 31 else 0.01, allowed_bad=50, limits=limits)
    assert (value["end"], value["rounds"]) == ("failed", 2) and found["health.availability", "a"].status is Status.FAIL
    value, _found, _network, _rows = looked(clock, lambda host, at: DOWN if at < 1 else 0.01, allowed_bad=50, limits=limits)
    assert (value["end"], value["rounds"]) == ("whole", 31)


def test_what_is_not_critical_ends_nothing(clock):
    value, found, _network, _rows = looked(clock, lambda host, at: DOWN, described={"a": {"critical": False}}, burst={"fail": 2})
    assert value["end"] == "whole" and found["health.probe", "a"].status is found["health.burst", "a"].status is Status.WARN


def test_what_could_not_be_looked_at_spends_no_budget_and_is_no_pass(clock):
    value, found, _network, _rows = looked(clock, lambda host, at: LibraryMissing("x") if at < 1 else 0.01, allowed_bad=50)
    assert value["end"] == "whole" and found["health.probe", "a"].status is Status.UNKNOWN


def test_it_passes_early_only_where_policy_says_so_and_nothing_was_wrong(clock):
    value, found, network, _rows = looked(clock, lambda host, at: 0.01, pass_after="5m")
    assert (len(network.asked), value["end"]) == (11, "passed")
    assert "early as pass_after allows" in found["health.watch", "all targets"].message
    value, _found, network, _rows = looked(clock, lambda host, at: DOWN if at < 1 else 0.01, pass_after="5m", allowed_bad=50)
    assert (len(network.asked), value["end"]) == (31, "whole")
    _value, _found, network, _rows = looked(clock, lambda host, at: LibraryMissing("x") if at < 1 else 0.01, pass_after="5m")
    assert len(network.asked) == 31
    _value, _found, network, _rows = looked(clock, lambda host, at: 0.01, pass_after="5m", limits={"nobody": {"p95": {"fail": "1s"}}})
    assert len(network.asked) == 31, "a service without a target is unknown"


def test_rounds_fall_out_where_probing_takes_longer_and_that_is_told(clock):
    value, found, network, _rows = looked(clock, lambda host, at: 70.0)
    assert [at for _host, at in network.asked] == [90 * number for number in range(11)]
    assert value["fell_out"] == 20 and found["health.watch", "all targets"].status is Status.WARN


def test_an_interruption_keeps_what_was_seen(clock):
    def script(host, at):
        return Interrupted("The run was ended by SIGTERM") if at > 89 and host == "b" else 0.01

    value, found, _network, rows = looked(clock, script, names=("a", "b"), allowed_bad=10)
    assert (value["end"], value["why"], value["samples"]) == ("interrupted", "The run was ended by SIGTERM", 7)
    assert [row["samples"] for row in rows] == [4, 3]
    ending = found["health.watch", "all targets"]
    assert ending.status is Status.UNKNOWN and "SIGTERM after 1m30s of 15m (4 of 31 rounds)" in ending.message and ending.hint


def test_an_interruption_before_anything_was_seen_is_unknown(clock):
    _value, found, _network, _rows = looked(clock, lambda host, at: Interrupted("SIGINT"))
    assert found["health.probe", "a"].status is Status.UNKNOWN


def test_an_interruption_of_what_had_failed_is_a_failure(clock):
    value, found, _network, _rows = looked(clock, lambda host, at: DOWN if host == "a" else Interrupted("SIGTERM"), names=("a", "b"))
    assert value["end"] == "interrupted" and found["health.watch", "all targets"].status is Status.FAIL


def test_an_interruption_within_a_bare_callback_of_the_loop_comes_through():
    def end():
        raise Interrupted("SIGTERM")

    async def work():
        asyncio.get_running_loop().call_soon(end)
        await asyncio.sleep(60)

    with pytest.raises(Interrupted):
        to_its_end(work())


def test_errors_in_a_row_are_told_with_their_time(clock):
    value, found, _network, _rows = looked(clock, lambda host, at: DOWN if 119 < at < 211 or at < 1 else 0.01, allowed_bad=50,
                                           burst={"warn": 1, "fail": 3})
    [row] = value["targets"]
    assert (row["burst"], row["burst_began_seconds"], row["burst_seconds"], row["bad"]) == (4, 120.0, 90.0, 5)
    burst = found["health.burst", "a"]
    assert burst.status is Status.FAIL and "it began 2m after the start and lasted at least 1m30s" in burst.message


@pytest.mark.parametrize("late, status", [(0.014, None), (0.016, Status.WARN), (0.03, Status.FAIL)])
def test_a_latency_that_grows_is_told(clock, late, status):
    drift = {"warn": 50, "fail": 100}
    value, found, _network, _rows = looked(clock, lambda host, at: 0.01 if at < 450 else late, drift=drift, drift_floor="1ms")
    told = found.get(("health.drift", "a"))
    assert (told.status if told else None) is status
    assert value["targets"][0]["drift_percent"] == pytest.approx(100 * (late - 0.01) / 0.01, abs=0.1)


def test_growth_below_the_floor_is_none(clock):
    value, found, _network, _rows = looked(clock, lambda host, at: 0.001 if at < 450 else 0.004, drift={"fail": 100}, drift_floor="10ms")
    assert value["targets"][0]["drift_percent"] == 0 and ("health.drift", "a") not in found


def test_a_drift_that_cannot_be_told_is_unknown(clock):
    _value, found, _network, _rows = looked(clock, lambda host, at: DOWN if at > 400 else 0.01, drift={"fail": 100}, allowed_bad=90)
    assert found["health.drift", "a"].status is Status.UNKNOWN


@pytest.mark.parametrize("options, said", [
    ({"for": None}, "for is missing"), ({"every": None}, "every is missing"), ({"every": "0s"}, "is no watch"),
    ({"every": "16m"}, "is no watch"),
    ({"for": "-1m"}, "not a duration"), ({"for": "30d", "every": "1s"}, "rounds are more than"), ({"until": "1h"}, "unknown key 'until'"),
    ({"pass_after": "15m"}, "lies not within"), ({"allowed_bad": 101}, "not a percentage"), ({"allowed_bad": True}, "not a percentage"),
    ({"burst": {"fail": -1}}, "no number"), ({"burst": {"worst": 1}}, "unknown key"),
    ({"drift": {"warn": 9, "fail": 5}}, "met before warn"),
    ({"drift": {"fail": 5}, "every": "3m"}, "of 6 rounds no drift"), ({"drift": 5}, "is no dictionary"),
])
def test_a_watch_that_makes_no_sense_is_refused_with_a_hint(options, said):
    with pytest.raises(InvalidOption) as error:
        WatchPolicy.from_options({**SOAK, **options})
    assert said in error.value.message and error.value.hint


BAD, GOOD = Sample(None, 1, 1, (Complaint("no"),)), Sample(0.1, 1, 0)


@given(st.lists(st.booleans(), min_size=1, max_size=31), st.floats(0, 100), st.floats(90, 100))
def test_it_ends_just_where_no_good_answer_could_save_it(answers, allowed_bad, least):
    """The verdict with every sample to come good fails if, and only if, a budget is overdrawn."""
    some = read_targets([{"name": "a", "kind": "redis", "host": "a"}])
    limits = ServiceLimits.from_options({"a": {"availability": {"fail": least}}})
    samples = [GOOD if good else BAD for good in answers]
    seen = Watched(WatchPolicy.from_options({**SOAK, "allowed_bad": allowed_bad}), 31, {"a": samples})
    best = {"a": [*samples, *[GOOD] * (31 - len(samples))]}
    _rows, probed = judge_targets(some, best, allowed=seen.allowed)
    _services, figures = judge_services(some, best, probed, limits)
    fails = any(finding.status is Status.FAIL for finding in (*probed, *figures))
    assert bool(overdrawn(seen, some, limits)) == fails


def test_so_many_at_once_as_may_be_open():
    assert Pace(concurrency=5000).within(400).concurrency == 100
    assert Pace(concurrency=50).within(10**6).concurrency == 50 and Pace().within(0).concurrency == 1
