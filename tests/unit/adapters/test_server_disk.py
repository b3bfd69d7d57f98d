# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on a server's disk is told only where the server is surely the one that runs here."""

from __future__ import annotations

import os

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.server_disk import server_free_bytes

STARTED = 1_768_478_400.4


@pytest.fixture
def data(tmp_path):
    (tmp_path / "postmaster.pid").write_text(f"4711\n{tmp_path}\n{int(STARTED)}\n5432\n/tmp\nlocalhost\n")
    return tmp_path


def test_the_disk_of_the_server_that_runs_here(data):
    room = os.statvfs(data)
    assert server_free_bytes(str(data), str(data), STARTED) == pytest.approx(room.f_bavail * room.f_frsize, rel=0.05)


@pytest.mark.parametrize("content", [None, "", "4711\n", "4711\n/data\nyesterday\n", f"4711\n/data\n{int(STARTED) - 3600}\n",
                                     "\udcff\n\n\n"])
def test_any_other_servers_disk_is_not_known(data, content):
    (data / "postmaster.pid").unlink()
    if content is not None:
        (data / "postmaster.pid").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert server_free_bytes(str(data), str(data), STARTED) is None


def test_a_tablespace_that_is_not_here_is_not_known(data):
    assert server_free_bytes(str(data), str(data / "elsewhere"), STARTED) is None
