# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting on a clock that is told the time: no test sleeps."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import TimedOut
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until


def test_the_first_true_answer_is_given_and_asked_for_at_intervals(clock):
    answers = iter([None, 0, "", "yes", "no"])
    assert wait_until(lambda: next(answers), deadline=Deadline(clock, 10), what="it", interval=2) == "yes"
    assert clock.slept == [2, 2, 2]


def test_the_last_wait_ends_with_the_deadline_and_asks_once_more(clock):
    asked = []
    with pytest.raises(TimedOut) as error:
        wait_until(lambda: asked.append(clock.now()), deadline=Deadline(clock, 5), what="the server", interval=2)
    assert clock.slept == [2, 2, 1] and len(asked) == 4
    assert "5s" in error.value.message and "the server" in error.value.message and error.value.hint


def test_even_without_time_it_asks_once(clock):
    assert wait_until(lambda: True, deadline=Deadline(clock, 0), what="it") is True
    with pytest.raises(TimedOut):
        wait_until(lambda: False, deadline=Deadline(clock, 0), what="it")
    assert clock.slept == []


def test_a_deadline_never_has_less_than_nothing_left(clock):
    deadline = Deadline(clock, 3)
    assert deadline.left == 3 and not deadline.passed
    deadline.require("reading")
    clock.sleep(9)
    assert deadline.left == 0 and deadline.passed
    with pytest.raises(TimedOut, match="Gave up reading after 3s"):
        deadline.require("reading")
