# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress is told in a small file, costs nothing where nobody watches, and never ends the work."""

from __future__ import annotations

import time

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core import progress
from ansible_collections.evenkeel.ops.plugins.module_utils.core.progress import Reading, read


@pytest.fixture
def watched(tmp_path, clock):
    """A file that is watched, as a function that reads it."""
    environment = {progress.VARIABLE: str(tmp_path / "progress"), "HOME": "/root"}
    progress.start(environment, clock)

    def look():
        progress._progress.tell()
        return read((tmp_path / "progress").read_bytes())

    yield look
    progress.finish()


def test_nobody_watches_and_nothing_is_written(tmp_path, clock):
    progress.start({}, clock)
    progress.begin("backup", 100)
    progress.add(10)
    assert not progress.watched() and list(tmp_path.iterdir()) == []


def test_what_is_added_is_told_and_time_goes_on(watched, clock):
    progress.begin("backup of shop", 1000)
    progress.add(100)
    progress.add(150)
    clock.sleep(2)
    assert (watched().what, watched().done, watched().total, watched().seconds) == ("backup of shop", 250, 1000, 2.0)
    progress.begin("verify", None)
    assert (watched().what, watched().done, watched().total) == ("verify", 0, None)


def test_it_is_told_without_being_asked(tmp_path, clock):
    progress.start({progress.VARIABLE: str(tmp_path / "progress")}, clock)
    progress.begin("backup", 100)
    progress.add(7)
    until = time.monotonic() + 10
    while read((tmp_path / "progress").read_bytes()).done != 7 and time.monotonic() < until:
        time.sleep(0.05)
    assert read((tmp_path / "progress").read_bytes()).done == 7
    progress.finish()


def test_what_knows_the_whole_is_not_added_to_and_never_goes_back(watched, clock):
    progress.begin("dump", 100, reached=True)
    clock.sleep(5)
    progress.add(1000)
    progress.reach(40)
    progress.reach(30)
    assert watched().done == 40


def test_the_file_goes_and_its_name_is_not_inherited(tmp_path, clock):
    environment = {progress.VARIABLE: str(tmp_path / "progress")}
    progress.start(environment, clock)
    assert environment == {} and (tmp_path / "progress").stat().st_mode & 0o777 == 0o644
    progress.finish()
    assert not (tmp_path / "progress").exists() and not progress.watched()


@pytest.mark.parametrize("name", ["no/such/folder", "there"])
def test_a_file_that_cannot_be_made_is_no_matter(tmp_path, clock, name):
    (tmp_path / "there").symlink_to("/etc/passwd")
    progress.start({progress.VARIABLE: str(tmp_path / name)}, clock)
    progress.begin("backup", 10)
    assert not progress.watched()


@pytest.mark.parametrize("reading, line", [
    (Reading(1, "backup of shop", 2**30, 2**32, 10.0), "backup of shop: 25%, 1.0 GiB of 4.0 GiB, 102.4 MiB/s, about 30s left"),
    (Reading(1, "backup of shop", 5000, 4000, 10.0), "backup of shop: 100%, 3.9 KiB of 3.9 KiB, 500 B/s, nearly done"),
    (Reading(1, "backup of shop", 2048, None, 2.0), "backup of shop: 2.0 KiB, 1.0 KiB/s, for 2s"),
    (Reading(1, "backup of shop", 0, 4000, 75.0), "backup of shop: for 1m15s"),
    (Reading(1, "backup of shop", 10, 4000, 0.0), "backup of shop: 0%, 10 B of 3.9 KiB, 0 B/s"),
])
def test_a_line_says_percent_rate_and_time_left(reading, line):
    assert reading.line == line


def test_a_terminal_obeys_no_name(watched):
    progress.begin("dump of \x1b[2J\nshop\u202e☃", 10)
    assert watched().what == "dump of ?[2J?shop?☃"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": 1}', b'{"pid":1,"what":"x","done":"y","total":null,"seconds":1}', b"\xff"])
def test_what_is_no_progress_is_none(content):
    assert read(content) is None
