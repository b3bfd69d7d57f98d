# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module answers."""

from __future__ import annotations

from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding, Status
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome

FINDING = Finding("a.b", "x", Status.FAIL, "m")


def test_the_counts_are_the_summary_unless_one_is_given():
    assert Outcome(findings=[FINDING]).as_result(with_diff=False)["summary"] == "1 check: 1 fail"
    assert Outcome(findings=[FINDING], summary="done").as_result(with_diff=False)["summary"] == "done"


def test_a_modules_own_values_cannot_hide_what_every_module_answers():
    result = Outcome(changed=True, findings=[FINDING], values={"changed": False, "findings": [], "own": 1}).as_result(with_diff=False)
    assert result["changed"] is True and result["findings"] == [FINDING.as_dict()] and result["own"] == 1


def test_a_diff_is_shown_only_when_asked_for():
    outcome = Outcome(diff={"before": "a", "after": "b"})
    assert outcome.as_result(with_diff=True)["diff"] == {"before": "a", "after": "b"}
    assert "diff" not in outcome.as_result(with_diff=False) and "diff" not in Outcome().as_result(with_diff=True)
