# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging a drill is pure."""

from __future__ import annotations

from decimal import Decimal

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding, Status
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.differences import Difference
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.judge import (
    Comparison,
    judge_amcheck,
    judge_assertion,
    judge_data,
    judge_objectives,
    judge_restore,
    proof,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.policy import Assertion, DrillPolicy

SAME = Comparison(3)
LOST = Comparison(3, (Difference("table", "public.a", "different", "table public.a has 2 rows, had 3"),))
NOT_COMPARED = Comparison(3, (Difference("table", "public.a", "unknown", "other rows were sampled"),))
NOTICED = Comparison(3, (Difference("database", "server_version", "notice", "restored into PostgreSQL 17, was 15"),))
OPTIONS = {"rto": None, "rpo": None, "drill_every": "0s", "amcheck": True, "assertions": [], "assertion_timeout": "60s"}
SETTING = 'could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"'
ROLE = 'could not execute query: ERROR:  role "clerk" does not exist'
OTHER = "could not execute query: ERROR:  extension \"postgis\" is not available"


@pytest.mark.parametrize("comparison, status", [
    (SAME, Status.PASS), (NOTICED, Status.PASS), (LOST, Status.FAIL), (NOT_COMPARED, Status.UNKNOWN),
    (None, Status.UNKNOWN), (Comparison(0), Status.PASS),
])
def test_data_passes_only_where_all_was_compared_and_is_the_same(comparison, status):
    [finding] = judge_data("shop", comparison)
    assert finding.status is status
    assert finding.hint or status is Status.PASS


def test_a_known_loss_outranks_what_could_not_be_compared():
    both = Comparison(3, (*NOT_COMPARED.differences, *LOST.differences))
    [finding] = judge_data("shop", both)
    assert finding.status is Status.FAIL and finding.message == "table public.a has 2 rows, had 3"
    assert both.names == ["public.a"]


def test_many_differences_are_named_up_to_ten_and_counted():
    many = Comparison(30, tuple(Difference("table", f"t{number}", "different", f"t{number} is missing") for number in range(30)))
    [finding] = judge_data("shop", many)
    assert finding.observed == 30 and "and 20 more" in finding.message and len(many.names) == 30


def test_assertions_can_speak_for_a_backup_without_a_fingerprint():
    assert judge_data("shop", None, assertions=2)[0].status is Status.WARN


@pytest.mark.parametrize("errors, comparison, status", [
    ([], None, Status.PASS),
    ([SETTING], SAME, Status.PASS),
    ([SETTING], LOST, Status.FAIL),
    ([SETTING], None, Status.FAIL),
    ([ROLE, SETTING], SAME, Status.WARN),
    ([OTHER, SETTING], SAME, Status.FAIL),
])
def test_errors_of_pg_restore_are_judged_by_what_they_are_and_by_what_arrived(errors, comparison, status):
    assert judge_restore("shop", errors, len(errors), comparison)[0].status is status


def test_errors_that_were_not_kept_are_not_explained():
    assert judge_restore("shop", [SETTING] * 50, 60, SAME)[0].status is Status.FAIL


@pytest.mark.parametrize("corrupt, not_checked, status", [
    ({}, "", Status.PASS), ({"public.i": "item order invariant violated"}, "", Status.FAIL),
    ({}, "this server lacks the extension amcheck", Status.UNKNOWN),
])
def test_amcheck(corrupt, not_checked, status):
    [finding] = judge_amcheck("shop", 5, corrupt, not_checked)
    assert finding.status is status and all(name in finding.message for name in corrupt)


@pytest.mark.parametrize("expected, value, holds", [
    (True, True, True), (True, False, False), (2000, 2000, True), ("2000", 2000, True), (2000, Decimal("2000"), True),
    ("true", True, True), (None, None, True), (True, None, False), (None, 0, False), (0, None, False), ("a", "b", False),
])
def test_assertions_compare_as_text_and_null_with_null_only(expected, value, holds):
    [finding] = judge_assertion("shop", Assertion("n", "SELECT 1", expected), value)
    assert (finding.status is Status.PASS) is holds


def test_an_assertion_without_an_answer_is_unknown():
    [finding] = judge_assertion("shop", Assertion("n", "SELECT 1"), None, "no such table")
    assert finding.status is Status.UNKNOWN


@pytest.mark.parametrize("of, check", [("data", "recovery.assertion"), ("security", "recovery.security")])
@pytest.mark.parametrize("error, seconds, statuses", [
    ("", 0.5, [Status.PASS, Status.PASS]), ("", 2.5, [Status.PASS, Status.FAIL]), ("gone", None, [Status.UNKNOWN, Status.UNKNOWN]),
])
def test_an_answer_that_is_to_come_in_time_is_judged_twice(of, check, error, seconds, statuses):
    found = judge_assertion("shop", Assertion("n", "SELECT 1", of=of, within=2), True, error, seconds=seconds)
    assert [one.check for one in found] == [check, "recovery.performance"]
    assert [one.status for one in found] == statuses


def test_a_slow_answer_says_nothing_against_the_backup():
    slow = judge_assertion("shop", Assertion("n", "SELECT 1", within=2), True, seconds=3)
    assert proof(slow) is Status.PASS


def test_objectives_are_judged_where_there_are_some():
    policy = DrillPolicy.from_options({**OPTIONS, "rto": "4h", "rpo": "15m"})
    found = {finding.check: finding for finding in judge_objectives("shop", policy, rto=60.0, rpo=1000.0)}
    assert found["recovery.rto"].status is Status.PASS and found["recovery.rpo"].status is Status.FAIL
    assert found["recovery.rpo"].limit == 900 and found["recovery.rpo"].unit == "s"
    assert judge_objectives("shop", DrillPolicy.from_options(OPTIONS), rto=60.0, rpo=1000.0) == []


def test_a_recovery_that_never_came_is_unknown_and_no_pass():
    policy = DrillPolicy.from_options({**OPTIONS, "rto": "4h"})
    assert judge_objectives("shop", policy, rto=None, rpo=1.0)[0].status is Status.UNKNOWN


def test_objectives_decide_nothing_about_the_backup():
    def finding(check: str, status: Status) -> Finding:
        return Finding(check, "shop", status, "")

    slow = [finding("recovery.data", Status.PASS), finding("recovery.rto", Status.FAIL)]
    assert proof(slow) is Status.PASS
    assert proof([*slow, finding("recovery.amcheck", Status.UNKNOWN)]) is Status.UNKNOWN
    assert proof([*slow, finding("recovery.amcheck", Status.UNKNOWN), finding("recovery.assertion", Status.FAIL)]) is Status.FAIL
    assert proof([]) is Status.UNKNOWN


@pytest.mark.parametrize("options, said", [
    ({"rto": "soon"}, "rto: 'soon' is not a duration"),
    ({"rpo": "0s"}, "rpo: an objective of nothing is never met"),
    ({"drill_every": "-1d"}, "drill_every: '-1d' is not a duration"),
    ({"assertions": [{"name": "a", "sql": "SELECT 1", "expect": 1}]}, "assertions[0]: unknown key 'expect'"),
    ({"assertions": [{"name": "a", "sql": " "}]}, "assertions[0]: sql is missing"),
    ({"assertions": [{"name": "a", "sql": "SELECT 1"}] * 2}, "assertions[1]: there are two named 'a'"),
])
def test_a_policy_that_makes_no_sense_is_refused_with_a_hint(options, said):
    with pytest.raises(InvalidOption) as error:
        DrillPolicy.from_options({**OPTIONS, **options})
    assert said in error.value.message and error.value.hint
