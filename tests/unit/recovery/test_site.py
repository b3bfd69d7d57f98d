# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""May a site be activated, what came of it, and was a disaster drill good? Plain values only."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.activation import (
    activation,
    follow_of,
    judge_duration,
    judge_steps,
    read_steps,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.disaster import judge_disaster, judge_due, read_disaster
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.fencing import Fenced, judge_fence
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.site import Case, judge_case, judge_endpoints, read_triggers

NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
TRIGGERS = read_triggers({"breach": {}, "outage": {"outage": "15m", "primary_gone": True}})
ORDER = ["fence", "promote", "probe", "dns"]


def judged(case: Case, *, answering: tuple[str, ...] = (), asked: int = 2) -> dict[str, str]:
    return {one.check: one.status.value for one in judge_case(case, TRIGGERS, answering=answering, asked=asked, now=NOW)}


def minutes(number: float) -> datetime:
    return NOW - timedelta(minutes=number)


@pytest.mark.parametrize(("trigger", "since", "status"), [
    ("breach", None, "pass"), ("outage", minutes(15), "pass"), ("outage", minutes(14.9), "fail"), ("outage", minutes(-1), "fail"),
    ("outage", None, "fail"), ("", None, "fail"), ("whim", None, "fail")])
def test_a_site_is_activated_for_a_declared_reason_only(trigger, since, status):
    assert judged(Case("west", trigger, since, "west"))["recovery.trigger"] == status


def test_its_name_confirms_and_an_old_site_that_answers_is_not_gone():
    sure = Case("west", "breach", None, "west")
    assert judged(sure, answering=("db:5432",)) == {"recovery.trigger": "pass", "recovery.confirmation": "pass"}
    gone = Case("west", "outage", minutes(20), "West")
    assert judged(gone, answering=("db:5432",)) == {"recovery.trigger": "pass", "recovery.confirmation": "fail", "recovery.primary": "fail"}
    assert judged(gone)["recovery.primary"] == "pass"
    assert judged(gone, asked=0)["recovery.primary"] == "unknown", "where nobody was asked nothing is known"


def test_a_plan_warns_of_what_would_refuse_but_a_wrong_name_stays_wrong():
    plan = Case("west", "outage", None, "", planned=True)
    assert set(judged(plan, answering=("db:5432",)).values()) == {"warn"}
    assert judged(Case("west", "whim", planned=True))["recovery.trigger"] == "fail"


def test_endpoints_that_are_not_reached_are_failures():
    assert [one.status.value for one in judge_endpoints("west", {"a:1": "", "b:2": "Connection refused"})] == ["pass", "fail"]


def steps(*names: str, failed: str = "", planned: bool = False):
    return read_steps([{"name": name, "began": 10 * place, "ended": 10 * place + 4, "failed": name == failed,
                        "result": {"changed": True, "summary": name}} for place, name in enumerate(names)], ORDER, planned=planned)


def test_a_step_that_fails_leaves_the_rest_and_says_how_to_go_back():
    some = steps("fence", "promote", failed="promote")
    assert [one.status.value for one in judge_steps("west", some, ORDER)] == ["pass", "fail", "unknown", "unknown"]
    told = activation("west", some, ORDER, trigger="breach", mode="activate", total=14, follow=0, rto=60)
    assert told["left"] == ["promote", "probe", "dns"] and told["status"] == "fail"
    assert [one["step"] for one in told["back"]] == ["fence"] and told["failback"] == []
    assert judge_duration("west", some, ORDER, total=14, rto=60, follow=0, planned=False) == []


def test_what_was_resumed_counts_what_is_left_only_and_clients_are_waited_for():
    rest = steps("probe", "dns")
    told = activation("west", rest, ORDER, trigger="", mode="activate", total=14, follow=300, rto=60, resumed_from="probe")
    assert told["left"] == [] and told["status"] == "pass" and told["rto_seconds"] == 314
    assert [one.status.value for one in judge_steps("west", rest, ORDER, resumed_from="probe")] == ["pass", "pass"]
    [late] = judge_duration("west", steps(*ORDER), ORDER, total=40, rto=300, follow=300, planned=False)
    assert late.status == "fail" and late.observed == 340
    looped = {"name": "dns", "result": {"results": [{"switch": {"clients_follow_seconds": seconds}} for seconds in (60, 300)]}}
    assert follow_of([looped, {"name": "fence"}]) == 300


def test_a_plan_is_no_deed():
    told = activation("west", steps(*ORDER, planned=True), ORDER, trigger="", mode="check", total=1, follow=0, rto=60)
    assert told["status"] == "planned" and told["back"] == [] and len(told["failback"]) == 6
    for entry in ({"name": "other", "began": 0, "ended": 1}, {"name": "dns", "began": "x", "ended": 1}, {}):
        with pytest.raises(InvalidOption):
            read_steps([entry], ORDER, planned=False)


class Control:
    def __init__(self, state: str) -> None:
        self.state, self.checkpoint, self.timeline, self.system_identifier = state, 100, 1, "7"


@pytest.mark.parametrize(("running", "held", "state", "status", "end"), [
    (False, True, "shut down", "pass", 100), (False, True, "in production", "warn", None), (True, True, "in production", "fail", None),
    (False, False, "shut down", "fail", 100)])
def test_a_fence_is_what_holds(running, held, state, status, end):
    done = Fenced(True, False, running, held, Control(state), 1.0)
    assert judge_fence("data", done).status == status and done.end == end


def drill(plan: str, *, rto: float | None = 100.0, rpo: float | None = 60.0, status: str = "pass") -> dict[str, object]:
    return {"plan": plan, "backup_id": f"{plan}-1", "status": status, "rto_seconds": rto, "rpo_seconds": rpo}


def test_a_disaster_drill_adds_up_and_what_is_missing_is_no_pass():
    switch = {"status": "pass", "seconds": 2.0, "clients_follow_seconds": 300.0}
    good = read_disaster([drill("a"), drill("b", rpo=90.0)], [switch])
    assert (good.rto, good.rpo, good.switched) == (502.0, 90.0, True)
    assert {one.status.value for one in judge_disaster("s", good, ["a", "b"], rto=600, rpo=90)} == {"pass"}
    without = read_disaster([drill("a"), drill("b", rto=None, status="fail")], [{**switch, "status": "fail"}])
    found = {(one.check, one.subject): one.status.value for one in judge_disaster("s", without, ["a", "b", "c"], rto=600, rpo=90)}
    assert found == {("recovery.disaster", "a"): "pass", ("recovery.disaster", "b"): "fail", ("recovery.disaster", "c"): "unknown",
                     ("recovery.disaster", "s: names"): "fail", ("recovery.rto", "s"): "unknown", ("recovery.rpo", "s"): "pass"}
    nothing = read_disaster([], [])
    assert nothing.rto is None and nothing.rpo is None


@pytest.mark.parametrize(("days", "due"), [(1, False), (27.9, False), (28, True), (-1, True)])
def test_a_drill_is_due_by_the_age_of_the_last(days, due):
    last = {"at": (NOW - timedelta(days=days)).isoformat()}
    assert judge_due("s", last, every=28 * 86400, now=NOW)[0] is due
    assert judge_due("s", None, every=28 * 86400, now=NOW) == (True, None)
