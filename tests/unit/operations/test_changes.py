# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is new, worse, mended or gone since the run before; nothing is called new where there is nothing to compare with."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.operations.changes import compare
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.report import build_report, changes_told, console_summary
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.verdict import VerdictPolicy
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operations import days

STATUSES = ("pass", "warn", "unknown", "fail")


def rows(*found: tuple[str, str], on: str = "a", procedure: str = "check") -> list[dict[str, Any]]:
    return [days.finding(status, "health.probe", subject) | {"host": on, "area": "health", "procedure": procedure}
            for status, subject in found]


def before(*found: tuple[str, str], on: str = "a") -> dict[str, Any]:
    return days.record("health", "check", [days.finding(status, "health.probe", subject) for status, subject in found], on=on,
                       at=days.instant(24))


def test_each_row_says_whether_it_is_new_or_worse_and_what_was_mended_is_listed():
    told, changes = compare(rows(("fail", "api"), ("fail", "web"), ("warn", "db"), ("pass", "mail")),
                            [before(("pass", "api"), ("warn", "web"), ("fail", "db"), ("fail", "mail"), ("unknown", "old"))])
    assert [row["since"] for row in told] == ["new", "worse", "", ""]
    assert (changes["new"], changes["worse"], changes["compared"], changes["until"]) == (1, 1, 4, days.instant(24))
    assert [row["subject"] for row in changes["mended"]] == ["mail"] and [row["subject"] for row in changes["gone"]] == ["old"]


def test_what_was_never_run_before_is_not_new():
    told, changes = compare(rows(("fail", "api")), [before(("pass", "api"), on="another")])
    assert [row["since"] for row in told] == [""] and changes["compared"] == 0 and changes_told(changes) == ""


def test_an_unknown_is_not_mended_by_an_unknown_and_a_failure_that_nobody_sees_any_more_is_not_mended_at_all():
    _told, changes = compare(rows(("unknown", "api"), ("unknown", "web")), [before(("unknown", "api"), ("fail", "web"))])
    assert changes["mended"] == [] and changes["gone"] == []


def test_the_report_and_the_console_tell_it():
    report = build_report(days.ordinary(), policy=VerdictPolicy(), generated_at=days.instant(0), earlier=days.yesterday())
    said = "since 2026-01-14 12:00 UTC: 1 new, 1 worse, 1 mended, 1 not looked at any more"
    assert changes_told(report["changes"]) == said and any(line.strip() == said for line, _status in console_summary(report))
    assert {(row["subject"], row["since"]) for row in report["attention"] if row["since"]} == {
        ("/var", "new"), ("api: availability", "worse")}
    same = build_report(days.yesterday(), policy=VerdictPolicy(), generated_at=days.instant(0), earlier=days.yesterday())
    assert changes_told(same["changes"]) == "since 2026-01-14 12:00 UTC: nothing changed"


@given(st.lists(st.tuples(st.sampled_from(STATUSES), st.sampled_from("abcd"))), st.lists(st.tuples(st.sampled_from(STATUSES),
                                                                                                   st.sampled_from("abcd"))))
def test_mended_and_gone_needed_attention_then_and_do_not_now(now, then):
    told, changes = compare(rows(*now), [before(*then)])
    amiss = {subject for status, subject in now if status != "pass"}
    were = {subject for status, subject in then if status != "pass"}
    if not now:
        assert changes["compared"] == 0 and not changes["gone"]
        return
    listed = {row["subject"] for row in (*changes["mended"], *changes["gone"])}
    assert listed == were - amiss
    assert {row["subject"] for row in told if row["since"] == "new"} == amiss - were
