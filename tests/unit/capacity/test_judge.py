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


def judged(host, policy, **options):
    return {(f.check, f.subject): f for f in judge_host({**HOST, **host}, CapacityPolicy.from_options(policy, **options))}


def test_load_is_judged_in_percent_of_the_cores_and_may_pass_a_hundred():
    assert judged({"load_percent": 150.0}, {"load": {"fail": 200}})["capacity.load", "load"].status is Status.PASS
    assert judged({"load_percent": 250.0}, {"load": {"fail": 200}})["capacity.load", "load"].status is Status.FAIL
    assert ("capacity.load", "load") not in judged({"load_percent": 250.0}, POLICY)


def test_a_limit_that_is_passed_names_who_uses_it():
    busiest = {"cpu": [{"pid": 7, "name": "postgres", "percent": 180.0}, {"pid": 8, "name": "gzip", "percent": 20.5}], "memory": []}
    findings = judged({"busiest": busiest}, {**POLICY, "memory": {"fail": 1}})
    assert "postgres (pid 7, 180%), gzip (pid 8, 20.5%) of one core" in findings["capacity.cpu", "cpu"].hint
    assert "ps --sort=-rss" in findings["capacity.memory", "memory"].hint


def test_a_read_only_file_system_fails_unless_it_is_meant_to_be():
    disks = [{"mount": "/data", "used_percent": 1.0, "inodes_percent": None, "read_only": True, "free_bytes": 2**30}]
    found = judged({"disks": disks}, {})["capacity.read_only", "/data"]
    assert found.status is Status.FAIL and "dmesg" in found.hint
    assert ("capacity.read_only", "/data") not in judged({"disks": disks}, {}, read_only=["/data"])


def test_a_full_disk_says_how_much_is_left_and_a_silent_one_that_it_does_not_answer():
    disks = [{"mount": "/da ta", "used_percent": 99.0, "inodes_percent": None, "free_bytes": 2**30},
             {"mount": "/nfs", "used_percent": None, "inodes_percent": None, "free_bytes": None}]
    findings = judged({"disks": disks}, POLICY)
    full = findings["capacity.disk", "/da ta"].hint
    assert full.startswith("1.0 GiB are left") and "'/da ta'" in full
    assert "does not answer" in findings["capacity.disk", "/nfs"].hint


def test_a_containers_share_is_judged_by_the_same_limits():
    container = {"cpu_cores": 0.5, "cpu_percent": 99.0, "memory_bytes": 1000, "memory_percent": None}
    findings = judged({"container": container}, POLICY)
    assert findings["capacity.cpu", "container"].status is Status.FAIL
    assert findings["capacity.memory", "container"].status is Status.UNKNOWN
    none = judged({"container": {**container, "cpu_cores": None, "memory_bytes": None}}, POLICY)
    assert ("capacity.cpu", "container") not in none and ("capacity.memory", "container") not in none


def test_a_pair_that_is_none_is_refused():
    with pytest.raises(InvalidOption, match="no pair of limits"):
        CapacityPolicy.from_options({"cpu": 80})
