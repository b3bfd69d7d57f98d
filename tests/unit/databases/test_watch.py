# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load of the host, and how long what has no brake may go on beyond a limit."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.budget import Budget
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.calm import Calm
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.gentle import HOST_LIMITS, Gentle, Pressure, hold, load_unknown
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.host import ServerHost
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.sessions import Sessions
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.watch import Excess
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.work import Work
from hypothesis import given
from hypothesis import strategies as st

FIGURES = st.none() | st.floats(0, 100)
LOADS = st.none() | st.fixed_dictionaries(dict.fromkeys(HOST_LIMITS, FIGURES))
LIMITS = st.fixed_dictionaries({}, optional=dict.fromkeys(HOST_LIMITS, st.floats(0, 100)))


@given(LIMITS, LOADS, st.sampled_from(["warn", "refuse", "ignore"]))
def test_nothing_is_begun_beyond_a_limit_of_the_host_and_unknown_is_what_the_policy_says(limits, load, unknown):
    gentle = Gentle.from_options({**limits, "unknown_load": unknown})
    found, known = hold(Pressure(host=load), gentle), load or {}
    over = [word for word, limit in limits.items() if known.get(word) is not None and known[word] > limit]
    missing = [word for word in limits if known.get(word) is None]
    assert (found is not None) == bool(over or (missing and unknown == "refuse"))
    if found is not None:
        assert found.hint and found.lasting != found.ours_too
        assert any(word in found.reason for word in (missing if found.lasting else over))
    told = load_unknown(load, gentle, "/data")
    assert len(told) == (bool(missing) and unknown == "warn")
    assert all(finding.status.value == "warn" and finding.hint for finding in told)


@given(LIMITS, st.fixed_dictionaries(dict.fromkeys(HOST_LIMITS, st.floats(0, 100))), st.sampled_from(sorted(HOST_LIMITS)))
def test_a_busier_host_never_lets_more_begin(limits, load, word):
    gentle = Gentle.from_options(limits)
    if hold(Pressure(host=load), gentle):
        assert hold(Pressure(host={**load, word: load[word] + 1}), gentle)


def test_what_is_said_has_figure_limit_and_where_to_look():
    gentle = Gentle.from_options({"io_pressure": 40, "load_per_core": 1.5})
    found = hold(Pressure(host={"io_pressure": 62.4, "load_per_core": 9}), gentle)
    assert found.reason == ("the host's tasks waited for its disks in 62% of the time, over the limit of 40% (io_pressure; maintenance "
                            "itself counts in it)")
    assert "iotop" in found.hint
    assert "was 1.60 for each processor, over the limit of 1.5 (load_per_core" in hold(
        Pressure(host={"io_pressure": 40, "load_per_core": 1.6}), gentle).reason


@pytest.mark.parametrize("change, said", [
    ({"io_pressure": 101}, "not a percentage"), ({"load_per_core": "1"}, "is not a number"),
    ({"on_host": "yes"}, "neither true nor false"),
    ({"unknown_load": "hope"}, "is no answer"), ({"cancel_after": "0s"}, "no time at all"), ({"cancel_after": "-1m"}, "is not a duration"),
])
def test_what_makes_no_sense_is_refused_with_a_hint(change, said):
    with pytest.raises(InvalidOption) as error:
        Gentle.from_options(change)
    assert said in error.value.message and error.value.hint


@given(st.floats(0, 60), st.lists(st.tuples(st.floats(0.1, 20), st.booleans()), min_size=1, max_size=30))
def test_only_what_lasts_without_a_pause_is_an_excess(allowed, looks):
    excess, now, since = Excess(allowed), 0.0, None
    for step, exceeded in looks:
        now += step
        since = (now if since is None else since) if exceeded else None
        lasted = excess.seen(exceeded, now)
        assert (lasted is not None) == (since is not None and now - since >= allowed)
        assert lasted is None or lasted == now - since


@pytest.mark.parametrize("action, brake", [("vacuum freeze analyze", True), ("analyze", True), ("reindex table", False),
                                           ("rewrite", False)])
def test_only_vacuum_and_analyze_have_a_brake(action, brake):
    assert Work("t", action, "r", "", {}, 1, 1, 0).has_brake is brake


class Look:
    """A host of which is told, look by look, how long its tasks waited for disks."""

    def __init__(self, *pressures: float) -> None:
        self.pressures = list(pressures)

    def load(self):
        return {"io_pressure": self.pressures.pop(0) if len(self.pressures) > 1 else self.pressures[0]}


class Server:
    server_version, backend_pid = 170000, 7

    def fetch(self, query, parameters=None, names=None):
        return []


def calm(clock, look, *, patience=60.0, seconds=600.0):
    gentle, server = Gentle(io_pressure=40, on_host=True, patience=patience), Server()
    sessions = Sessions(server, Server, Budget(1, seconds, 5, gentle), ServerHost(look))
    return Calm(sessions, gentle, Deadline(clock, seconds), clock), sessions, server


def test_it_waits_until_the_host_is_calm_and_no_longer_than_the_window_has_to_spare(clock):
    one, _sessions, server = calm(clock, Look(90, 70, 41, 40))
    began = clock.monotonic()
    assert one.wait(server, 1.0) is None and clock.monotonic() - began == pytest.approx(3)
    one, _sessions, server = calm(clock, Look(90), seconds=10.0)
    began = clock.monotonic()
    assert "90% of the time" in one.wait(server, 8.0).reason and clock.monotonic() - began == pytest.approx(2)


def test_a_load_that_may_be_our_own_uses_up_no_patience(clock):
    one, sessions, server = calm(clock, Look(90), patience=5.0, seconds=30.0)
    other = Server()
    with sessions.running(other):
        assert one.wait(server, 10.0) and sessions.patience == 5.0
    one, sessions, server = calm(clock, Look(90), patience=5.0, seconds=30.0)
    assert one.wait(server, 10.0) and sessions.patience == 0.0
