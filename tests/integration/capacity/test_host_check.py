# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_check against this very machine."""

from __future__ import annotations


def test_it_reads_this_machine_and_changes_nothing(run_module):
    answer = run_module("host_check", {"limits": {"cpu": {"fail": 100}, "disk": {"fail": 100}}, "interval": "200ms"})
    assert not answer.get("failed"), answer
    assert answer["changed"] is False
    assert answer["host"]["cpu_count"] >= 1
    assert {finding["check"] for finding in answer["findings"]} >= {"capacity.cpu", "capacity.memory"}


def test_a_limit_that_is_passed_is_found_with_what_to_do(run_module):
    answer = run_module("host_check", {"limits": {"memory": {"fail": 0}}, "interval": "100ms"})
    [memory] = [finding for finding in answer["findings"] if finding["check"] == "capacity.memory"]
    assert memory["status"] == "fail" and memory["limit"] == 0 and memory["hint"]


def test_a_bad_interval_is_told_with_a_hint(run_module):
    answer = run_module("host_check", {"limits": {}, "interval": "-3s"})
    assert answer["failed"] and "interval: '-3s' is not a duration" in answer["msg"] and "90s, 15m" in answer["hint"]
