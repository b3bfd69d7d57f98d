# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of all maintenance is pure, and keeps its promises whatever is due: never over budget, wraparound before all, worst first,
nothing starved.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.forecast import Prediction
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.plan import (
    Due,
    Stage,
    Step,
    Waiting,
    Window,
    arrange,
    severity,
    waiting_key,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.work import Work
from hypothesis import example, given
from hypothesis import strategies as st

PATIENCE = 3
ACTIONS = ("vacuum freeze", "vacuum", "analyze", "reindex", "drop leftover")


def work(number: int, *, action: str = "vacuum", group: int | None = None, size: int = 0) -> Work:
    return Work(f"public.t{number}", action, "it is due", "VACUUM {relation}", {"relation": ("public", f"t{number}")}, number,
                number if group is None else group, size)


def told(seconds: float) -> Prediction:
    return Prediction(seconds, 1.25 * seconds, "what it says")


@st.composite
def situations(draw):
    """Works of all kinds in all stages, some on one table; what they take; what was left before; a window."""
    due, takes, waiting = [], {}, {}
    for number in range(draw(st.integers(0, 12))):
        stage = draw(st.sampled_from(Stage))
        action = "vacuum freeze" if stage is Stage.WRAPAROUND else draw(st.sampled_from(ACTIONS[1:]))
        one = work(number, action=action, group=draw(st.integers(0, 6)))
        due.append(Due(one, stage, draw(st.floats(1, 50))))
        takes[number] = draw(st.floats(0.01, 100))
        runs = draw(st.integers(0, 6))
        if runs:
            waiting[waiting_key(one.relation, one.action)] = Waiting(runs, "2026-01-01T00:00:00Z", draw(st.sampled_from([0.0, 0.0, 20.0])))
    return due, takes, waiting, Window(draw(st.floats(0, 200)), draw(st.integers(1, 4)))


def plan(situation) -> list[Step]:
    due, takes, waiting, window = situation
    return arrange(due, lambda one: told(takes[one.oid]), waiting, window, patience=PATIENCE)


@given(situations())
def test_every_work_is_in_the_plan_once_and_nothing_is_begun_that_does_not_end_in_the_window(situation):
    due, takes, _waiting, window = situation
    steps = plan(situation)
    assert sorted(step.work.oid for step in steps) == sorted(one.work.oid for one in due)
    for step in steps:
        assert step.starts is None or (step.starts >= 0 and step.ends <= window.seconds + 1e-9)
        least = takes[step.work.oid] * (1 if step.promoted else 1.25)
        assert step.needs >= max(least, 2 * step.waiting.tried_seconds) - 1e-9


@given(situations())
def test_no_more_sessions_than_allowed_are_at_work_and_never_two_on_one_table(situation):
    steps = [step for step in plan(situation) if step.fits]
    for step in steps:
        beside = [other for other in steps if other.starts <= step.starts < other.ends - 1e-9]
        assert len(beside) <= situation[3].sessions
        assert sum(other.group == step.group for other in beside) == 1


@given(situations())
def test_wraparound_comes_before_all_and_what_was_foreseen_after_all(situation):
    steps = plan(situation)
    assert [step.stage for step in steps] == sorted(step.stage for step in steps)
    for stage in Stage:
        before = [step.ends for step in steps if step.fits and step.stage < stage]
        assert all(step.starts >= max(before, default=0) - 1e-9 for step in steps if step.fits and step.stage is stage)
    # Wraparound is left only where wraparound itself has taken the window: alone, it is planned the same.
    due, takes, waiting, window = situation
    alone = plan(([one for one in due if one.stage is Stage.WRAPAROUND], takes, waiting, window))
    assert [step for step in steps if step.stage is Stage.WRAPAROUND] == alone


@given(situations())
def test_the_worst_comes_first_and_is_left_only_where_the_window_had_no_room_at_its_turn(situation):
    due, takes, waiting, window = situation
    due = [replace(one, stage=Stage.DUE, group=one.work.oid) for one in due]
    steps = plan((due, takes, waiting, replace(window, sessions=1)))
    patient = [step for step in steps if not step.promoted]
    assert [step.severity for step in patient] == sorted((step.severity for step in patient), reverse=True)
    at = 0.0
    for step in steps:
        assert step.fits == (at + step.needs <= window.seconds)
        at += step.needs if step.fits else 0


@given(situations())
def test_who_has_waited_too_long_comes_before_who_is_worse_the_longest_waiting_first(situation):
    due, takes, waiting, window = situation
    due = [replace(one, group=one.work.oid) for one in due]
    for stage in Stage:
        runs = [step.waiting.runs if step.promoted else -1 for step in plan((due, takes, waiting, window)) if step.stage is stage]
        assert runs == sorted(runs, reverse=True)
        assert all(number >= PATIENCE or number == -1 for number in runs)


@given(takes=st.lists(st.floats(0.1, 90), min_size=2, max_size=8), groups=st.lists(st.integers(0, 3), min_size=8, max_size=8),
       severities=st.lists(st.floats(1, 50), min_size=8, max_size=8), foreseen=st.lists(st.booleans(), min_size=8, max_size=8),
       sessions=st.integers(1, 3))
@example(takes=[90.0, 90.0, 90.0, 0.1], groups=[0] * 8, severities=[50.0, 40.0, 30.0, 1.0] * 2, foreseen=[False] * 8, sessions=1)
def test_nothing_that_fits_a_window_is_starved_however_often_the_worse_comes_back(takes, groups, severities, foreseen, sessions):
    """Everything is due again in every run, so that what was done comes back as bad as before."""
    due = [Due(work(number, action="reindex" if foreseen[number] else "vacuum", group=groups[number]),
               Stage.FORESEEN if foreseen[number] else Stage.DUE, severities[number]) for number in range(len(takes))]
    waiting: dict = {}
    last_done = dict.fromkeys(range(len(takes)), 0)
    for run in range(1, 60):
        steps = arrange(due, lambda one: told(takes[one.oid]), waiting, Window(100.0, sessions), patience=PATIENCE)
        waiting = {waiting_key(step.work.relation, step.work.action): Waiting(step.waiting.runs + 1) for step in steps if not step.fits}
        for step in steps:
            if step.fits:
                last_done[step.work.oid] = run
        assert all(run - done <= PATIENCE + len(takes) for done in last_done.values())


def test_on_one_table_the_vacuum_goes_before_the_rebuild_and_a_leftover_before_both():
    due = [Due(work(1, action="reindex", group=7), Stage.DUE, 3.0), Due(work(2, action="vacuum", group=7), Stage.DUE, 2.0),
           Due(work(3, action="drop leftover", group=7), Stage.DUE, float("inf"))]
    steps = arrange(due, lambda _one: told(1), {}, Window(100, 2), patience=PATIENCE)
    assert [step.work.action for step in steps] == ["drop leftover", "vacuum", "reindex"]
    assert [step.starts for step in steps] == [0, 1.25, 2.5]


def test_what_was_cancelled_at_the_end_of_a_window_is_taken_to_need_twice_as_long():
    due = [Due(work(1), Stage.DUE)]
    waiting = {waiting_key("public.t1", "vacuum"): Waiting(5, "then", 60.0)}
    [step] = arrange(due, lambda _one: told(1), waiting, Window(100, 1), patience=PATIENCE)
    assert not step.fits and step.prediction.seconds == 120
    [step] = arrange(due, lambda _one: told(1), waiting, Window(121, 1), patience=PATIENCE)
    assert step.starts == 0 and step.promoted


@pytest.mark.parametrize("action, state, expected", [
    ("vacuum", {"dead_rows": 3000, "live_rows": 1000}, 3000 / 1100), ("vacuum", {"dead_rows": 1, "live_rows": 1000}, 1),
    ("vacuum freeze", {"dead_rows": 0, "live_rows": 0, "xid_age": 600, "multixact_age": 10}, 6),
    ("vacuum freeze", {"dead_rows": 0, "live_rows": 0, "xid_age": 10, "multixact_age": 1000}, 5),
    ("analyze", {"changed_rows": 4000, "live_rows": 1000}, 2), ("analyze", {}, 1), ("reindex", {"bloat_percent": 80, "valid": True}, 2),
    ("reindex", {"bloat_percent": None, "valid": False}, 1e9), ("drop leftover", {"valid": False}, float("inf")), ("rewrite", {}, 1),
])
def test_severity_is_how_many_times_a_relation_is_over_its_limit(action, state, expected):
    one = replace(work(1, action=action), before=state)
    assert severity(one, dead_limit=lambda rows: 100 + rows, changed_limit=lambda rows: 1000 + rows, freeze_age=100, multixact_age=200,
                    bloat_percent=40) == pytest.approx(expected)
