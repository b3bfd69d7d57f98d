# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exercises, actions and business functions, judged by plain values."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.continuity.exercises import Exercise, open_actions, read_exercise, recorded
from ansible_collections.evenkeel.ops.plugins.module_utils.continuity.judge import (
    judge_actions,
    judge_exercises,
    judge_functions,
    judge_outcome,
    measured,
    read_functions,
    read_intervals,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import DAY

NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)


def held(kind: str = "full", *, days: float = 0, **more: Any) -> Exercise:
    written = {"kind": kind, "scenario": "a region is lost", "participants": ["A. Hopper"],
               "held_at": (NOW - timedelta(days=days)).isoformat(), "objectives": [{"name": "served", "met": True}]}
    return read_exercise({**written, **more}, NOW)


@pytest.mark.parametrize(("kind", "days", "status"), [("full", 1, "pass"), ("full", 169, "warn"), ("full", 183, "fail"),
                                                      ("functional", 1, "fail"), ("plan_update", 1, "fail")])
def test_an_exercise_is_due_by_its_interval_and_a_lighter_one_does_not_count(kind, days, status):
    [finding] = judge_exercises([held(kind, days=days)], {"full": 182 * DAY}, warn_before=14 * DAY, now=NOW)
    assert finding.status == status


def test_a_heavier_one_counts_and_the_newest_decides():
    intervals = {"tabletop": 91 * DAY, "full": 182 * DAY}
    both = judge_exercises([held("full", days=60), held("tabletop", days=300)], intervals, warn_before=0, now=NOW)
    assert [one.status for one in both] == ["pass", "pass"]
    never = judge_exercises([], intervals, warn_before=0, now=NOW)
    assert [one.status for one in never] == ["fail", "fail"]
    missed = held("full", days=1, objectives=[{"name": "served", "met": True}, {"name": "told", "met": False}])
    [last] = judge_exercises([held("full", days=60), missed], {"full": 182 * DAY}, warn_before=0, now=NOW)
    assert last.status == "warn" and "did not show: told" in last.message
    assert judge_outcome(missed).status == "warn" and judge_outcome(held()).status == "pass"


def test_actions_are_open_until_a_later_record_closes_them():
    first = held(days=40, actions=[{"what": "write", "owner": "A", "due": "2026-01-14"},
                                   {"what": "call", "owner": "B", "due": "2026-01-15"},
                                   {"what": "buy", "owner": "C", "due": "2026-03-01"}])
    judged = judge_actions(open_actions([first]), warn_before=14 * DAY, now=NOW)
    assert [(one.subject, one.status.value) for one in judged] == [
        (f"{first.id}-1", "fail"), (f"{first.id}-2", "warn"), (f"{first.id}-3", "pass")], "a day ends with it"
    later = held("plan_review", closes=[f"{first.id}-1"])
    assert [one.id for one in open_actions([first, later])] == [f"{first.id}-2", f"{first.id}-3"]


def test_what_the_ledger_has_is_read_back_once_and_damage_is_counted():
    one = held(days=3, actions=[{"what": "write", "owner": "A", "due": "2026-02-01"}])
    values = [{"exercise": one.as_value()}, {"exercise": one.as_value()}, {"other": 1}, {"exercise": {"kind": "full"}}, {"exercise": None}]
    assert recorded(values, NOW) == ([one], 2)


def test_functions_have_people_other_ways_and_were_had_back_in_time():
    functions = read_functions([
        {"name": "orders", "criticality": "CRITICAL", "rto": "4h", "rpo": "1h", "plans": ["db", "files"], "people": ["A"],
         "alternatives": ["telephone"]},
        {"name": "mail", "criticality": "CRITICAL", "people": ["A"]},
        {"name": "news", "criticality": "STANDARD", "rto": "1m", "plans": ["db"], "people": ["A"]},
        {"name": "wiki", "criticality": "IMPORTANT", "rpo": "1h", "plans": ["none"], "people": ["A"]}])
    drills = measured([{"drill": {"plan": "db", "status": "fail", "rto_seconds": 1}},
                       {"drill": {"plan": "db", "status": "pass", "rto_seconds": 9000.0, "rpo_seconds": 60.0}},
                       {"drill": {"plan": "files", "status": "pass", "rto_seconds": 9000.0, "rpo_seconds": 600.0}}, {"x": 1}])
    found = {(one.subject, one.check): one.status.value for one in judge_functions(functions, drills)}
    assert found == {
        ("orders", "continuity.function"): "pass", ("orders", "continuity.rto"): "fail", ("orders", "continuity.rpo"): "pass",
        ("mail", "continuity.function"): "fail", ("news", "continuity.function"): "pass", ("news", "continuity.rto"): "warn",
        ("wiki", "continuity.function"): "pass", ("wiki", "continuity.rpo"): "unknown"}


@pytest.mark.parametrize("more", [
    {"kind": "party"}, {"participants": []}, {"participants": [" "]}, {"objectives": []}, {"objectives": [{"name": "a", "met": "yes"}]},
    {"held_at": "2026-01-15T13:00:00Z"}, {"held_at": "today"}, {"scenario": "\n"},
    {"actions": [{"what": "a", "owner": "b", "due": "soon"}]},
    {"actions": [{"what": "a", "owner": "b", "due": "2026-02-30"}]}, {"actions": [{"what": "a", "owner": "", "due": "2026-02-01"}]},
    {"actions": [{"id": "x", "what": "a", "owner": "b", "due": "2026-02-01"}, {"id": "x", "what": "c", "owner": "b", "due": "2026-02-01"}]},
])
def test_what_makes_no_sense_is_not_recorded(more):
    with pytest.raises(InvalidOption):
        held(**more)


@pytest.mark.parametrize("intervals", [{}, {"party": "1d"}, {"full": "-1d"}, {"full": "0s"}, {"full": "yearly"}])
def test_intervals_that_make_no_sense_are_refused(intervals):
    with pytest.raises(InvalidOption):
        read_intervals(intervals)
    with pytest.raises(InvalidOption):
        read_functions([{"name": "a", "criticality": "HIGH"}])
