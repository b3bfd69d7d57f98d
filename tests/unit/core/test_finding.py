# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings: four statuses, their order, and judgements that never call the unknown good."""

from __future__ import annotations

import json
import math

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import (
    Finding,
    Status,
    at_least,
    at_most,
    count,
    sentence,
    worst,
)
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
FINDINGS = st.builds(Finding, check=st.text(min_size=1), subject=st.text(), status=st.sampled_from(Status), message=st.text(),
                     observed=VALUES, limit=VALUES, unit=st.text(), hint=st.text())


def found(status):
    return Finding("a.b", "x", status, "m")


@given(FINDINGS)
def test_a_finding_survives_json(finding):
    assert Finding.from_dict(json.loads(json.dumps(finding.as_dict()))) == finding


def test_keys_of_a_later_version_are_left_out_and_missing_ones_told():
    data = {**found(Status.PASS).as_dict(), "severity": 3}
    assert Finding.from_dict(data) == found(Status.PASS)
    with pytest.raises(KeyError):
        Finding.from_dict({"check": "a.b", "subject": "x", "status": "pass"})
    with pytest.raises(ValueError):
        Finding.from_dict({**data, "status": "ok"})


@pytest.mark.parametrize("observed, status", [(70, Status.PASS), (70.01, Status.WARN), (80, Status.WARN), (80.5, Status.FAIL),
                                              (None, Status.UNKNOWN), (math.nan, Status.UNKNOWN), (math.inf, Status.FAIL)])
def test_at_most_lets_the_limit_itself_pass(observed, status):
    assert at_most("a.b", "x", observed, warn=70, fail=80).status is status


@pytest.mark.parametrize("observed, status", [(30, Status.PASS), (29, Status.WARN), (20, Status.WARN), (19, Status.FAIL),
                                              (None, Status.UNKNOWN), (-math.inf, Status.FAIL)])
def test_at_least_lets_the_limit_itself_pass(observed, status):
    assert at_least("a.b", "x", observed, warn=30, fail=20).status is status


def test_the_limit_that_was_passed_is_the_one_that_is_told():
    assert at_most("a.b", "x", 75, warn=70, fail=80).limit == 70
    assert at_most("a.b", "x", 85, warn=70, fail=80).limit == 80
    assert at_most("a.b", "x", 1).status is Status.PASS


def test_a_hint_goes_with_what_is_not_a_pass():
    assert at_most("a.b", "x", 9, fail=1, hint="Do it").hint == at_most("a.b", "x", None, fail=1, hint="Do it").hint == "Do it"
    assert at_most("a.b", "x", 0, fail=1, hint="Do it").hint == ""


def test_figures_that_differ_are_never_told_alike():
    assert at_most("a.b", "x", 80.04, fail=80, unit="%", what="CPU").message == "CPU is 80.04%, over the limit of 80%"
    assert at_most("a.b", "x", 85.0, fail=80, unit="%", what="CPU").message == "CPU is 85%, over the limit of 80%"
    assert at_most("a.b", "x", 3, fail=2, unit="files", what="there").message == "there is 3 files, over the limit of 2 files"


def test_a_failure_is_worse_than_the_unknown_and_nothing_seen_is_unknown():
    assert worst([found(Status.UNKNOWN), found(Status.FAIL), found(Status.WARN)]) is Status.FAIL
    assert worst([found(Status.WARN), found(Status.UNKNOWN)]) is Status.UNKNOWN
    assert worst([]) is Status.UNKNOWN


def test_counts_and_their_sentence():
    findings = [found(Status.PASS), found(Status.PASS), found(Status.FAIL)]
    assert count(findings) == {"pass": 2, "warn": 0, "fail": 1, "unknown": 0}
    assert sentence(findings) == "3 checks: 2 pass, 1 fail"
    assert sentence([found(Status.PASS)]) == "1 check: 1 pass" and sentence([]) == "0 checks"
    assert f"{Status.FAIL}" == str(Status.FAIL) == "fail"
