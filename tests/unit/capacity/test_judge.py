# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging a host is pure: plain values in, findings out."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.capacity.judge import CapacityPolicy, judge_host
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status

HOST = {
    "cpu_percent": 85.0, "memory_percent": 40.0, "swap_percent": 0.0,
    "disks": [{"mount": "/", "used_percent": 75.0, "inodes_percent": 3.0},
              {"mount": "/gone", "used_percent": None, "inodes_percent": None}],
    "network": [{"interface": "eth0", "used_percent": None}, {"interface": "eth1", "used_percent": 12.5}],
}
POLICY = {"cpu": {"fail": 80}, "memory": {"fail": 85}, "disk": {"warn": 70, "fail": 85}, "network": {"fail": 80}}


def test_each_resource_is_judged_against_its_own_limits():
    findings = {(f.check, f.subject): f for f in judge_host(HOST, CapacityPolicy.from_options(POLICY))}
    assert findings["capacity.cpu", "cpu"].status is Status.FAIL
    assert findings["capacity.cpu", "cpu"].message == "CPU in use is 85%, over the limit of 80%"
    assert findings["capacity.memory", "memory"].status is Status.PASS
    assert findings["capacity.disk", "/"].status is Status.WARN
    assert findings["capacity.network", "eth1"].status is Status.PASS


def test_a_disk_that_cannot_be_read_is_unknown_and_no_pass():
    findings = judge_host(HOST, CapacityPolicy.from_options(POLICY))
    assert [f.status for f in findings if f.subject == "/gone"] == [Status.UNKNOWN]


def test_an_interface_of_unknown_speed_is_not_judged():
    findings = judge_host(HOST, CapacityPolicy.from_options(POLICY))
    assert "eth0" not in [f.subject for f in findings]


@pytest.mark.parametrize("options, said", [
    ({"gpu": {"fail": 80}}, "'gpu' is no resource"),
    ({"cpu": {"limit": 80}}, "unknown key 'limit'"),
    ({"cpu": {"fail": 120}}, "120 is not a percentage"),
    ({"cpu": {"fail": "80"}}, "'80' is not a percentage"),
    ({"cpu": {"warn": 90, "fail": 80}}, "warn (90) is above fail (80)"),
])
def test_a_policy_that_makes_no_sense_is_refused_with_a_hint(options, said):
    with pytest.raises(InvalidOption) as error:
        CapacityPolicy.from_options(options)
    assert said in error.value.message
    assert error.value.hint
