# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retries, backoff, rounds, deadlines and what counts as not having looked; on a network that says what it is told."""

from __future__ import annotations

import asyncio

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import (
    Busy,
    Interrupted,
    InvalidOption,
    LibraryMissing,
    Refused,
    Unreachable,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.health.probe import Pace, probe, probe_all
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets


class ToldNetwork:
    """Only PING: each call takes the next of ``answers``, an error to raise or None; time passes on the clock."""

    def __init__(self, clock, answers, *, seconds=0.05):
        self.clock, self.answers, self.seconds = clock, list(answers), seconds
        self.asked, self.at_once, self.most_at_once = [], 0, 0

    async def ping_redis(self, host, port, **_rest):
        self.asked.append(host)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        self.clock.sleep(self.seconds)
        if self.answers and isinstance(answer := self.answers.pop(0), BaseException):
            raise answer


def targets(*names, **defaults):
    return read_targets([{"name": name, "kind": "redis", "host": name} for name in names], defaults)


def sample(clock, answers, **options):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    [target] = targets("a", **options)
    return asyncio.run(probe(target, ToldNetwork(clock, answers), clock=clock, sleep=sleep)), pauses


def test_a_good_answer_has_its_latency(clock):
    taken, pauses = sample(clock, [None], retries=3)
    assert taken.good and taken.latency == pytest.approx(0.05, abs=1e-5) and (taken.attempts, taken.failed_attempts) == (1, 0)
    assert pauses == []


def test_a_retry_mends_a_sample_and_the_failed_attempt_is_counted(clock):
    taken, pauses = sample(clock, [Unreachable("no"), Unreachable("no"), None], retries=3, retry_delay="100ms")
    assert taken.good and (taken.attempts, taken.failed_attempts) == (3, 2)
    assert taken.latency == pytest.approx(0.05, abs=1e-5), "of the attempt that was answered, not of the waiting"
    assert pauses == [0.1, 0.2]


def test_retries_end_and_the_pause_has_a_bound(clock):
    taken, pauses = sample(clock, [Unreachable("no")] * 9, retries=4, retry_delay="10s")
    assert not taken.good and taken.attempts == taken.failed_attempts == 5 and not taken.blind
    assert pauses == [10, 20, 30, 30]


@pytest.mark.parametrize("error", [
    LibraryMissing("x"), Busy("no descriptor", hint="x"), InvalidOption("ca_cert", hint="x"), KeyError("a bug")])
def test_what_this_side_cannot_do_is_blind_and_not_tried_again(clock, error):
    taken, _pauses = sample(clock, [error], retries=3)
    assert taken.blind and not taken.good and taken.attempts == 1 and taken.complaints[0].hint


def test_a_refused_redirect_is_a_failure_that_no_retry_mends(clock):
    taken, _pauses = sample(clock, [Refused("link-local")], retries=3)
    assert not taken.blind and taken.attempts == 1


def test_an_interruption_is_no_result(clock):
    with pytest.raises(Interrupted):
        asyncio.run(probe_all(targets("a", "b"), ToldNetwork(clock, [None, Interrupted("SIGTERM")]), clock=clock, pace=Pace()))


def test_rounds_go_over_all_targets_and_no_more_at_once_than_allowed(clock):
    network = ToldNetwork(clock, [])
    taken = asyncio.run(probe_all(targets("a", "b", "c", "d", "e"), network, clock=clock, pace=Pace(samples=3, concurrency=2)))
    assert {name: len(samples) for name, samples in taken.items()} == dict.fromkeys("abcde", 3)
    assert network.asked == [*"abcde"] * 3 and network.most_at_once == 2


@pytest.mark.parametrize("pace", [{"samples": 0}, {"samples": -1}, {"samples": 1001}, {"concurrency": 0}, {"concurrency": 10001}])
def test_a_pace_that_makes_no_sense_is_refused(pace):
    with pytest.raises(InvalidOption):
        Pace(**pace)
