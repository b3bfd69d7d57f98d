# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Being gentle: the judgement of what others do, and the waiting for it to be over."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import AccessDenied, InvalidOption, Unreachable
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.budget import Budget
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.calm import Calm
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.crew import Crew
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.gentle import Gentle, Pressure, Standby, hold
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.sessions import Sessions
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.work import Pace, Work

OPTIONS = {"cost_delay": "2ms", "cost_limit": 400, "replication_lag": "30s", "replication_lag_size": "16MiB", "active_sessions": 20,
           "blocked_sessions": 2, "give_way": "5s", "patience": "1m", "end_idle_transactions": "1h"}
GENTLE = Gentle.from_options(OPTIONS)


def test_nothing_asked_for_is_nothing_done():
    nothing = Gentle.from_options({})
    assert nothing == Gentle() and not nothing.waits and not nothing.watches and nothing.settings(urgent=False) == {}
    assert hold(Pressure(10**6, 10**6, [Standby("s", 1e9, 10**15)]), nothing) is None


@pytest.mark.parametrize("pressure, said", [
    (Pressure(20, 2, [Standby("s", 30.0, 16 * 2**20)]), None),
    (Pressure(21), "21 sessions were running a statement, over the limit of 20"),
    (Pressure(0, 3), "3 sessions were waiting for a lock, over the limit of 2"),
    (Pressure(standbys=[Standby("near", 0.0, 0), Standby("far", 31.0, 0)]), "standby far is 31s behind, over the limit of 30s"),
    (Pressure(standbys=[Standby("far", None, 17 * 2**20)]), "standby far is 17.0 MiB behind"),
])
def test_each_thing_is_held_against_its_own_limit(pressure, said):
    found = hold(pressure, GENTLE)
    assert (found is None) if said is None else (said in found.reason and found.hint and not found.lasting)


def test_what_is_hidden_is_not_calm_and_is_not_waited_for():
    found = hold(Pressure(standbys=[Standby("s", None, None, hidden=True)]), GENTLE)
    assert found.lasting and "hidden from this user" in found.reason and "pg_monitor" in found.hint


def test_the_brake_is_off_for_what_is_urgent():
    assert GENTLE.settings(urgent=False) == {"vacuum_cost_delay": "2ms", "vacuum_cost_limit": "400"}
    assert GENTLE.settings(urgent=True) == {"vacuum_cost_delay": "0", "vacuum_cost_limit": "400"}


@pytest.mark.parametrize("change, said", [
    ({"cost_delay": "1s"}, "longer than the server takes"), ({"cost_delay": "-1ms"}, "is not a duration"),
    ({"cost_limit": 0}, "no limit that the server takes"), ({"cost_limit": 1.5}, "no limit that the server takes"),
    ({"active_sessions": "20"}, "is not a number"), ({"active_sessions": -1}, "is not a number"), ({"give_way": "0s"}, "no time at all"),
    ({"end_idle_transactions": "0"}, "no time at all"), ({"replication_lag_size": "much"}, "is not a size"),
    ({"kill": True}, "unknown key 'kill'"), ({"patience": "soon"}, "is not a duration"),
])
def test_what_makes_no_sense_is_refused_with_a_hint(change, said):
    with pytest.raises(InvalidOption) as error:
        Gentle.from_options({**OPTIONS, **change})
    assert said in error.value.message and error.value.hint


class Server:
    """A session on a server of which is told, look by look, how many sessions of others are active."""

    server_version = 170000
    backend_pid = 7

    def __init__(self, *active, error=None) -> None:
        self.active, self.looks, self.done, self.error, self.settings = list(active), 0, [], error, []

    def fetch(self, query, parameters=None, names=None):
        if "AS blocked" in query:
            self.looks += 1
            if self.error:
                raise self.error
            return [{"active": self.active.pop(0) if len(self.active) > 1 else self.active[0], "blocked": 0}]
        if "set_config" in query:
            self.settings.append(dict(zip(parameters[::2], parameters[1::2], strict=True)))
        return []

    def run(self, statement, parameters=None, names=None):
        self.done.append(statement)

    def close(self):
        pass


def calm(clock, server, *, patience=60.0, seconds=600.0):
    gentle = Gentle(active_sessions=5, patience=patience)
    sessions = Sessions(server, lambda: server, Budget(1, seconds, 5, gentle))
    return Calm(sessions, gentle, Deadline(clock, seconds), clock)


def test_it_waits_until_the_server_is_calm(clock):
    server, began = Server(9, 9, 9, 2), clock.monotonic()
    assert calm(clock, server).wait(server, 1.0) is None
    assert clock.monotonic() - began == pytest.approx(3) and server.looks == 4


def test_what_was_seen_a_moment_ago_is_believed(clock):
    server = Server(2)
    one = calm(clock, server)
    assert [one.wait(server, 1.0) for _number in range(100)] == [None] * 100 and server.looks == 1


def test_patience_is_that_of_the_whole_run(clock):
    server, began = Server(9), clock.monotonic()
    one = calm(clock, server, patience=5.0)
    assert "9 sessions were running" in one.wait(server, 1.0).reason and clock.monotonic() - began == pytest.approx(5)
    assert one.wait(server, 1.0) and clock.monotonic() - began == pytest.approx(5)  # asked once more, and not waited for
    server.active = [0]
    assert one.wait(server, 1.0) is None


def test_waiting_ends_where_the_work_would_no_longer_fit(clock):
    server, began = Server(9), clock.monotonic()
    assert calm(clock, server, seconds=10.0).wait(server, 8.0) and clock.monotonic() - began == pytest.approx(2)


def test_not_being_able_to_look_is_not_calm_and_a_lost_server_is_lost(clock):
    server = Server(0, error=AccessDenied("no right", hint="grant it"))
    assert "could not be seen: no right" in calm(clock, server, patience=0).wait(server, 1.0).reason
    with pytest.raises(Unreachable):
        lost = Server(0, error=Unreachable("gone"))
        calm(clock, lost).wait(lost, 1.0)


def work(name: str, **facts) -> Work:
    return Work(name, "vacuum", "r", f"VACUUM {name}", {}, 1, 1, 0, **facts)


def crew_of(clock, server, gentle):
    budget = Budget(1, 600, 5, gentle)
    return Sessions(server, lambda: server, budget), budget


def test_a_crew_leaves_what_it_may_not_begin_and_does_what_is_urgent_without_a_brake(clock):
    server = Server(9)
    sessions, budget = crew_of(clock, server, Gentle(active_sessions=5, patience=2, cost_delay=0.002))
    tally = Crew(sessions, budget, Deadline(clock, 600), clock).run([[work("a"), work("b", urgent=True), work("c")]], pace=Pace(1))
    assert [(result.work.relation, result.status) for result in tally.results] == [("a", "skipped"), ("b", "done"), ("c", "skipped")]
    assert server.done == ["VACUUM b"] and server.settings[-1]["vacuum_cost_delay"] == "0"


def test_settings_of_one_work_are_taken_back_for_the_next(clock):
    server = Server(0)
    sessions, budget = crew_of(clock, server, Gentle(cost_delay=0.002))
    works = [work("a", settings={"max_parallel_maintenance_workers": "4"}), work("b"), work("c")]
    tally = Crew(sessions, budget, Deadline(clock, 600), clock).run([works], pace=Pace(1))
    assert {result.status for result in tally.results} == {"done"}
    assert server.done == ["VACUUM a", "RESET {name}", "VACUUM b", "VACUUM c"]
    assert [one for one in server.settings if "vacuum_cost_delay" in one] == server.settings[:1]
    assert server.settings[0]["max_parallel_maintenance_workers"] == "4"
