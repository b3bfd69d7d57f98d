# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notice in time, approvals, what came of a run: judged by plain values."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.judge import (
    Approvals,
    judge_announcement,
    judge_approvals,
    judge_notice,
    judge_rollback,
    judge_window,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.outcome import away, judge_run, read_steps, status_of
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.records import read_approval, read_notice, recorded
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.schedule import Occurrence
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.windows import Outlook, Slot
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 1, 2, tzinfo=timezone.utc)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def slot(begins: datetime = NOW + 10 * DAY, *, notice: timedelta = 7 * DAY) -> Slot:
    return Slot("night", begins, begins + 4 * HOUR, begins, notice.total_seconds())


def told(window: Slot, announced: datetime, **more):
    return read_notice({"window": window.window, "begins_at": window.announced.isoformat(), "announced_at": announced.isoformat(),
                        "told": ["clients"], "by": "A. Hopper", **more}, announced)


@pytest.mark.parametrize(("announced", "now", "word", "status"), [
    (None, NOW, "due", "warn"), (None, NOW + 4 * DAY, "missing", "fail"), (NOW, NOW, "given", "pass"),
    (NOW + 3 * DAY, NOW + 3 * DAY, "given", "pass"), (NOW + 3 * DAY + timedelta(seconds=1), NOW + 4 * DAY, "late", "fail"),
])
def test_notice_is_given_in_time_or_not(announced, now, word, status):
    window = slot()
    value, [finding] = judge_notice(window, [told(window, announced)] if announced else [], now)
    assert (value["status"], finding.status.value) == (word, status) and (status == "pass" or finding.hint)


def test_a_notice_of_another_night_does_not_count_and_none_is_asked_for_without_one():
    other = told(slot(NOW + 17 * DAY), NOW)
    assert judge_notice(slot(), [other], NOW)[0]["status"] == "due"
    assert judge_notice(slot(notice=timedelta(0)), [], NOW)[0]["status"] == "not_required"
    assert judge_notice(None, [other], NOW) == (None, [])


@given(st.timedeltas(timedelta(0), timedelta(days=30)), st.timedeltas(timedelta(0), timedelta(days=30)))
def test_what_counts_is_the_first_notice_and_its_distance(ahead, notice):
    window = slot(NOW + 40 * DAY, notice=notice)
    early, late = told(window, window.announced - ahead), told(window, window.announced)
    value, [finding] = judge_notice(window, [late, early], window.announced)
    assert (finding.status.value == "pass") == (ahead >= notice) and value["told"] == ["clients"]
    assert (judge_announcement(early, notice.total_seconds()).status.value == "pass") == (ahead >= notice)


@pytest.mark.parametrize("more", [{"told": []}, {"told": [" "]}, {"by": ""}, {"window": ""}, {"begins_at": "Sunday"},
                                  {"announced_at": "2030-01-01T00:00:00Z"}, {"announced_at": "2026-03-01T00:00:00"}])
def test_a_notice_that_nobody_got_is_none(more):
    with pytest.raises(InvalidOption):
        read_notice({"window": "a", "begins_at": "2026-04-01T00:00:00Z", "told": ["x"], "by": "y", **more}, NOW)


def approval(kind: str, *, by: str = "A. Hopper", days: float = 1, decision: str = "approved", change: str = "CHG-7"):
    return read_approval({"change": change, "kind": kind, "by": by, "decision": decision, "at": (NOW - days * DAY).isoformat()}, NOW)


POLICY = Approvals(("technical review", "stakeholder approval"), 30 * 86400.0, 2)


def statuses(approvals, policy: Approvals = POLICY) -> list[str]:
    return [finding.status.value for finding in judge_approvals("CHG-7", approvals, policy, NOW)]


def test_each_kind_is_approved_lately_and_by_different_people():
    first, second = approval("Technical Review"), approval("stakeholder approval", by="G. Lovelace")
    assert statuses([first, second]) == ["pass", "pass", "pass"]
    assert statuses([first, approval("stakeholder approval", by=" a.  hopper")]) == ["pass", "pass", "fail"]
    assert statuses([]) == ["fail", "fail", "fail"]
    assert statuses([first, approval("stakeholder approval", by="G. Lovelace", change="CHG-8")]) == ["pass", "fail", "fail"]
    assert statuses([first, approval("stakeholder approval", by="G. Lovelace", days=31)]) == ["pass", "fail", "fail"]


def test_the_newest_decision_counts():
    rejected = approval("technical review", days=0.5, decision="rejected")
    assert statuses([approval("technical review"), rejected], Approvals(("technical review",), 86400.0 * 30)) == ["fail"]
    assert statuses([rejected, approval("technical review", days=0.1)], Approvals(("technical review",), 86400.0 * 30)) == ["pass"]
    with pytest.raises(InvalidOption):
        Approvals(("one",), 1.0, 2)


def test_what_cannot_be_read_is_counted():
    good = approval("technical review").as_value()
    values = [{"approval": good}, {"approval": {**good, "decision": "perhaps"}}, {"approval": 7}, {"other": 1}, {}]
    found, unreadable = recorded(values, "approval", read_approval, NOW)
    assert [one.as_value() for one in found] == [good] and unreadable == 2


def test_a_way_back_is_written_down():
    assert [one.status.value for one in judge_rollback("CHG-7", " ", required=True)] == ["fail"]
    assert judge_rollback("CHG-7", "", required=False) == []
    assert [one.status.value for one in judge_rollback("CHG-7", "see the runbook", required=True)] == ["pass"]


def outlook(*, left: timedelta | None = None, frozen: bool = False, coming: bool = True) -> Outlook:
    opened = Slot("night", NOW - HOUR, NOW + left, NOW - HOUR, 0.0) if left is not None else None
    freeze = Occurrence(NOW - HOUR, NOW + HOUR, "release") if frozen else None
    return Outlook(NOW, opened, slot() if coming else None, freeze)


@pytest.mark.parametrize(("seen", "required", "expected"), [
    (outlook(left=2 * HOUR), True, ["pass"]), (outlook(left=HOUR / 2), True, ["fail"]), (outlook(left=HOUR / 2), False, ["warn"]),
    (outlook(), True, ["fail"]), (outlook(), False, ["pass"]), (outlook(coming=False), False, ["warn"]),
    (outlook(frozen=True), True, ["fail", "fail"]), (outlook(frozen=True), False, ["pass", "pass"]),
])
def test_a_window_is_open_long_enough_where_that_is_required(seen, required, expected):
    findings = judge_window(seen, required=required, duration=3600)
    assert [finding.status.value for finding in findings] == expected
    assert all(finding.hint for finding in findings if finding.status.value != "pass")


def steps(*entries):
    return read_steps([{"name": name, "began": at, "ended": at + 10, "failed": failed} for name, at, failed in entries])


def test_what_came_of_a_run():
    done = steps(("backup", 0, False), ("enable", 100, False), ("work", 110, True), ("disable", 200, False))
    findings = judge_run(done, "CHG-7", datetime.fromtimestamp(190, timezone.utc), datetime.fromtimestamp(250, timezone.utc), planned=False)
    by_check = {(one.check, one.subject): one.status.value for one in findings}
    assert by_check[("maintenance.step", "work")] == "fail" and by_check[("maintenance.overrun", "CHG-7")] == "fail"
    assert ("maintenance.left_on", "CHG-7") not in by_check and away(done) == 110 and status_of(done, findings, planned=False) == "fail"
    left = judge_run(steps(("enable", 0, False), ("disable", 10, True)), "CHG-7", None, NOW, planned=False)
    assert "maintenance.left_on" in [one.check for one in left]
    assert status_of([], judge_run([], "CHG-7", None, NOW, planned=False), planned=False) == "fail"
    good = steps(("work", 0, False))
    assert status_of(good, judge_run(good, "CHG-7", NOW + DAY, NOW, planned=False), planned=False) == "pass"
    with pytest.raises(InvalidOption):
        read_steps([{"name": "x", "began": "soon", "ended": 1, "failed": False}])
