# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what tasks registered: nothing that failed is ever read as a pass."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.evidence import read_results
from hypothesis import given
from hypothesis import strategies as st

GOOD = {"check": "capacity.cpu", "subject": "cpu", "status": "pass", "message": "fine"}
BAD = {**GOOD, "status": "fail", "hint": "Do it"}


def read(results):
    return read_results(results, area="capacity", procedure="check", subject="db1")


def test_one_result_a_loop_and_lists_of_both_are_read_in_order():
    one = {"changed": True, "findings": [GOOD], "host": {"cpu": 1}, "summary": "s", "invocation": {"secret": 1}}
    loop = {"changed": False, "results": [{"findings": [BAD], "item": "a", "own": 2}, {"skipped": True, "findings": [BAD]}]}
    evidence = read([one, loop, {}, [one]])
    assert [f.status.value for f in evidence.findings] == ["pass", "fail", "pass"] and evidence.changed and evidence.status == "fail"
    assert evidence.values == ({"host": {"cpu": 1}}, {"own": 2}, {"host": {"cpu": 1}})
    assert evidence.counts == {"pass": 2, "warn": 0, "fail": 1, "unknown": 0} and evidence.summary == "3 checks: 2 pass, 1 fail"


@pytest.mark.parametrize("result", [{"failed": True, "msg": "no route"}, {"unreachable": True, "msg": "no route"},
                                    {"failed": True, "msg": "no route", "findings": [GOOD]}])
def test_a_failure_is_unknown_even_beside_findings_that_passed(result):
    evidence = read(result)
    assert evidence.status == "unknown" and evidence.findings[-1].message == "no route" and evidence.findings[-1].hint
    assert evidence.findings[-1].check == "capacity.check" and evidence.findings[-1].subject == "db1" and evidence.values == ()


def test_a_failure_that_comes_with_its_own_bad_findings_is_not_told_twice():
    assert len(read({"failed": True, "msg": "x", "findings": [BAD]}).findings) == 1
    assert len(read({"unreachable": True, "msg": "x", "findings": [BAD]}).findings) == 2


def test_the_hint_is_taken_out_of_the_message_that_ends_with_it():
    [finding] = read({"failed": True, "msg": "No answer. See its log", "hint": "See its log"}).findings
    assert (finding.message, finding.hint) == ("No answer", "See its log")


def test_an_item_of_a_loop_is_named():
    loop = {"results": [{"failed": True, "msg": "x", "item": {"name": "shop"}}, {"failed": True, "msg": "x", "item": "b"},
                        {"failed": True, "msg": "x", "ansible_loop_var": "plan", "plan": {"plan": "p"}}, {"failed": True, "item": 3}]}
    assert [f.subject for f in read(loop).findings] == ["db1: shop", "db1: b", "db1: p", "db1"]


@pytest.mark.parametrize("findings", [["text"], [{"check": "x"}], [{**GOOD, "status": "ok"}], "text", {"a": 1}, [None], 7])
def test_what_is_no_finding_is_unknown_and_no_crash(findings):
    evidence = read({"findings": findings})
    assert evidence.status == "unknown" and "could not be read" in evidence.findings[0].message


def test_work_without_findings_that_did_not_fail_passes_and_secrets_leave_no_trace():
    assert read({"changed": True}).status == "pass" == read({}).status == read("").status
    assert read({"censored": "hidden", "changed": True}).values == ()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["findings", "results", "failed", "msg", "x"]), inner)))
def test_no_result_whatever_makes_it_crash(results):
    read(results)
