# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's share, read from files as the kernel writes them in either version."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import cgroup


def write(root, **files):
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def test_version_2(tmp_path):
    write(tmp_path, cpu_dot_max="150000 100000", cpu_dot_stat="usage_usec 3500000\nuser_usec 1", memory_dot_max=1000,
          memory_dot_current=900, memory_dot_stat="anon 5\ninactive_file 400")
    assert cgroup.cpu_seconds(tmp_path) == 3.5
    assert cgroup.limits(2.0, 3.5, 2.0, tmp_path) == {
        "cpu_cores": 1.5, "cpu_percent": 50.0, "memory_bytes": 1000, "memory_percent": 50.0}


def test_version_1(tmp_path):
    write(tmp_path, cpu__cpu_dot_cfs_quota_us=50000, cpu__cpu_dot_cfs_period_us=100000, cpuacct__cpuacct_dot_usage=2 * 10**9,
          memory__memory_dot_limit_in_bytes=1000, memory__memory_dot_usage_in_bytes=250, memory__memory_dot_stat="total_inactive_file 0")
    assert cgroup.cpu_seconds(tmp_path) == 2.0
    assert cgroup.limits(1.9, 2.0, 1.0, tmp_path) == {
        "cpu_cores": 0.5, "cpu_percent": 20.0, "memory_bytes": 1000, "memory_percent": 25.0}


@pytest.mark.parametrize("files", [
    {}, {"cpu_dot_max": "max 100000", "memory_dot_max": "max"},
    {"cpu__cpu_dot_cfs_quota_us": -1, "cpu__cpu_dot_cfs_period_us": 100000, "memory__memory_dot_limit_in_bytes": 9223372036854771712},
    {"cpu_dot_max": "", "memory_dot_max": "nonsense"},
])
def test_no_limit_is_no_container(tmp_path, files):
    assert cgroup.limits(None, None, 1.0, write(tmp_path, **files)) is None


def test_a_limit_whose_use_cannot_be_read_is_kept_without_it(tmp_path):
    found = cgroup.limits(None, None, 1.0, write(tmp_path, memory_dot_max=1000, cpu_dot_max="100000 100000"))
    assert found == {"cpu_cores": 1.0, "cpu_percent": None, "memory_bytes": 1000, "memory_percent": None}
