# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on a server's disk is told only where the server is surely the one that runs here; what the kernel says of its load."""

from __future__ import annotations

import os

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.server_host import ThisHost

STARTED = 1_768_478_400.4


@pytest.fixture
def data(tmp_path):
    (tmp_path / "postmaster.pid").write_text(f"4711\n{tmp_path}\n{int(STARTED)}\n5432\n/tmp\nlocalhost\n")
    return tmp_path


def test_the_disk_of_the_server_that_runs_here(data):
    room, seen = os.statvfs(data), ThisHost().disk(str(data), str(data), STARTED)
    assert seen.free == pytest.approx(room.f_bavail * room.f_frsize, rel=0.05) and seen.device == data.stat().st_dev
    assert ThisHost().runs(str(data), STARTED)


@pytest.mark.parametrize("content", [None, "", "4711\n", "4711\n/data\nyesterday\n", f"4711\n/data\n{int(STARTED) - 3600}\n",
                                     "\udcff\n\n\n"])
def test_any_other_servers_disk_is_not_known(data, content):
    (data / "postmaster.pid").unlink()
    if content is not None:
        (data / "postmaster.pid").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert ThisHost().disk(str(data), str(data), STARTED) is None and not ThisHost().runs(str(data), STARTED)


def test_a_tablespace_that_is_not_here_is_not_known(data):
    assert ThisHost().disk(str(data), str(data / "elsewhere"), STARTED) is None


PRESSURE = "some avg10={} avg60=1.52 avg300=2.75 total=568604988\nfull avg10=0.43 avg60=0.88 avg300=2.12 total=198862812\n"


def test_load_is_what_the_kernel_says(tmp_path):
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "io").write_text(PRESSURE.format("62.50"))
    (tmp_path / "pressure" / "cpu").write_text(PRESSURE.format("0.00"))
    (tmp_path / "loadavg").write_text(f"{3 * (os.cpu_count() or 1)}.00 1.0 1.0 2/500 4711\n")
    assert ThisHost(tmp_path).load() == {"io_pressure": 62.5, "cpu_pressure": 0.0, "load_per_core": 3.0}


@pytest.mark.parametrize("content", [None, "", "some\n", "some avg10=much\n", "full avg10=1.00\n", "\udcff"])
def test_what_the_kernel_does_not_say_is_unknown(tmp_path, content):
    (tmp_path / "pressure").mkdir()
    if content is not None:
        for name in ("pressure/io", "pressure/cpu", "loadavg"):
            (tmp_path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert ThisHost(tmp_path).load() == {"io_pressure": None, "cpu_pressure": None, "load_per_core": None}


def test_a_kernel_of_today_says_something():
    assert ThisHost().load()["load_per_core"] is not None
