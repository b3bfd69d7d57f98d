# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance mode on a switch in memory: proven or taken back, on record before it begins and until it is proven off."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import CommandFailed, Interrupted, InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.mode import Record, Seen, disable, enable, judge, observe, planned


class Memory:
    """A switch and a store; ``serves`` says whether what is set is what is served."""

    def __init__(self, *, serves=True, breaks=None):
        self.values, self.kept, self.serves, self.breaks = {"flag": None}, None, serves, breaks
        self.log = []

    def state(self):
        return dict(self.values)

    def wanted(self, on):
        return {"flag": "on" if on else None}

    def is_on(self, state):
        return state["flag"] is not None

    def apply(self, state):
        self.log.append(("apply", state["flag"], self.kept is not None))
        if self.breaks and state["flag"]:
            raise self.breaks
        self.values = dict(state)

    def read(self):
        return self.kept

    def write(self, values):
        self.kept = dict(values)

    def remove(self):
        self.kept = None

    def ask(self):
        on = self.values["flag"] is not None and self.serves
        return Seen(503, "900", ours=True) if on else Seen(200)


def record(clock, **more):
    return Record(**{"since": clock.now(), "by": "A. Hopper", "change": "", "until": clock.now() + timedelta(hours=1), **more})


def on(memory, clock, **more):
    return enable(memory, memory, memory.ask, clock, record=record(clock, **more), patience=3.0, url="http://x/")


def off(memory, clock):
    return disable(memory, memory, memory.ask, clock, patience=3.0, url="http://x/")


def test_it_is_on_record_before_it_is_on_and_until_it_is_off(clock):
    memory, until = Memory(), clock.now() + timedelta(hours=1)
    mode = on(memory, clock)
    assert mode.on and mode.changed and memory.log == [("apply", "on", True)] and memory.kept["by"] == "A. Hopper"
    first = memory.kept["since"]
    clock.sleep(60)
    assert not on(memory, clock, by="G. Lovelace", until=until).changed and memory.kept["by"] == "A. Hopper"
    assert on(memory, clock).changed and memory.kept["since"] == first, "a later end was announced"
    assert not on(memory, clock, until=None).changed, "an end that was announced is not forgotten"
    assert off(memory, clock).changed and memory.kept is None and memory.log[-1] == ("apply", None, True)
    assert not off(memory, clock).changed


def test_what_is_not_served_is_taken_back(clock):
    memory = Memory(serves=False)
    with pytest.raises(CommandFailed) as failed:
        on(memory, clock)
    assert memory.values == {"flag": None} and memory.kept is None and "set again" in failed.value.hint
    assert clock.slept, "a reload takes a moment: it is asked more than once"


@pytest.mark.parametrize("error", [CommandFailed("no", hint="see"), Interrupted("the run was ended by SIGTERM"), KeyboardInterrupt()])
def test_whatever_breaks_it_off_nothing_is_left(clock, error):
    memory = Memory(breaks=error)
    with pytest.raises(type(error)):
        on(memory, clock)
    assert memory.values == {"flag": None} and memory.kept is None


def test_what_was_on_before_stays_on_where_it_cannot_be_proven_again(clock):
    memory = Memory()
    on(memory, clock)
    kept, memory.serves = memory.kept, False
    with pytest.raises(CommandFailed):
        on(memory, clock, until=clock.now() + timedelta(hours=5))
    assert memory.values == {"flag": "on"} and memory.kept == kept


def test_off_that_is_still_served_stays_on_record(clock):
    memory = Memory()
    on(memory, clock)
    with pytest.raises(CommandFailed):
        disable(memory, memory, lambda: Seen(503, "900", ours=True), clock, patience=1.0, url="http://x/")
    assert memory.kept is not None and memory.values == {"flag": None}


def statuses(mode, clock):
    return [finding.status.value for finding in judge(mode, "http://x/", "site", clock.now())]


def test_longer_than_announced_is_a_failure_and_nobody_on_record_a_warning(clock):
    memory = Memory()
    on(memory, clock)
    assert statuses(observe(memory, memory, memory.ask), clock) == ["pass", "pass"]
    clock.sleep(3601)
    seen = observe(memory, memory, memory.ask)
    assert statuses(seen, clock) == ["fail", "pass"] and "longer than announced" in judge(seen, "http://x/", "site", clock.now())[0].message
    memory.kept = None
    assert statuses(observe(memory, memory, memory.ask), clock) == ["warn", "pass"]
    memory.values, memory.kept = {"flag": None}, {"since": "2026-01-15T12:00:00Z", "by": "A", "until": None}
    assert statuses(observe(memory, memory, memory.ask), clock) == ["warn", "pass"]
    memory.kept = {"since": "some day"}
    with pytest.raises(InvalidOption):
        observe(memory, memory, memory.ask)


@pytest.mark.parametrize(("answer", "expected"), [
    (Seen(200), "pass"), (Seen(404), "pass"), (Seen(502), "fail"), (Seen(503, "900", ours=True), "fail"),
    (Seen(None, error="refused"), "unknown"),
])
def test_what_a_site_shows_without_the_mode(clock, answer, expected):
    memory = Memory()
    assert statuses(observe(memory, memory, lambda: answer), clock) == ["pass", expected]


def test_what_would_change_is_what_changes(clock):
    memory = Memory()
    first = record(clock)

    def would(*, on, **more):
        return planned(memory, observe(memory, memory, memory.ask), on=on, record=record(clock, **more))[1]

    assert would(on=True) and not would(on=False)
    enable(memory, memory, memory.ask, clock, record=first, patience=3.0, url="http://x/")
    assert not would(on=True, until=first.until) and would(on=True, until=first.until + timedelta(hours=1)) and would(on=False)
