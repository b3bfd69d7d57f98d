# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each line of a log is read once, whatever becomes of its file."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.server_logs import Positions, find_logs
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Damaged
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.log_events import prefix_pattern, read_files
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.log_review import Tally
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule


class Review:
    """What a review does with files, and nothing else."""

    def __init__(self, folder):
        self.folder, self.state, self.read = folder, folder / "state" / "positions.json", []

    def look(self, *, newer_than=0.0, at="2026-07-01T00:00:00Z"):
        files, _paths = find_logs([str(self.folder / "pg.log*")], Positions.load(self.state) or Positions(), newer_than=newer_than)
        new = [line for file in files for line in file.lines()]
        Positions(at, [file.position for file in files]).save(self.state)
        self.read += new
        return new


@pytest.fixture
def review(tmp_path):
    return Review(tmp_path)


def test_rename_copy_and_truncate_compress(review, tmp_path):
    log = tmp_path / "pg.log"
    log.write_bytes(b"one\ntwo\nthr")
    assert review.look() == [b"one\n", b"two\n"] and review.look() == []
    log.write_bytes(b"one\ntwo\nthree\n")
    log.rename(tmp_path / "pg.log.1")
    log.write_bytes(b"four\n")
    assert sorted(review.look()) == [b"four\n", b"three\n"]
    with gzip.open(tmp_path / "pg.log.2.gz", "wb") as stream:
        stream.write((tmp_path / "pg.log.1").read_bytes() + b"late\n")
    (tmp_path / "pg.log.1").unlink()
    assert review.look() == [b"late\n"]
    shutil.copy(log, tmp_path / "pg.log.1")
    log.write_bytes(b"five\n")
    assert review.look() == [b"five\n"]
    assert oct((tmp_path / "state" / "positions.json").stat().st_mode & 0o777) == "0o600"


def test_files_that_begin_alike_are_told_apart(review, tmp_path):
    """Each begins with the same banner, longer than what is compared of a beginning."""
    log, banner = tmp_path / "pg.log", [b"%s\n" % (b"=" * 60)] * 20
    log.write_bytes(b"".join([*banner, b"one\n"]))
    assert review.look() == [*banner, b"one\n"] and review.look() == []
    log.rename(tmp_path / "pg.log.1")
    log.write_bytes(b"".join([*banner, b"two\n"]))
    assert review.look() == [*banner, b"two\n"]
    (tmp_path / "pg.log.2.zst").write_bytes(zstandard.compress((tmp_path / "pg.log.1").read_bytes() + b"late\n"))
    (tmp_path / "pg.log.1").unlink()
    shutil.copy(log, tmp_path / "pg.log.1")
    log.write_bytes(b"".join([*banner, b"three, which is longer than two\n"]))
    assert sorted(review.look()) == sorted([*banner, b"three, which is longer than two\n", b"late\n"]) and review.look() == []


def test_what_is_wrong_with_one_file_does_not_hide_the_others(tmp_path):
    (tmp_path / "pg.log").write_bytes(b"one\n")
    (tmp_path / "pg.log.1.zst").write_bytes(b"\x28\xb5\x2f\xfd" + b"\xff" * 600)
    broken = []
    files, _paths = find_logs([str(tmp_path / "pg.log*")], Positions(), newer_than=0.0, broken=broken)
    assert [line for file in files for line in file.lines()] == [b"one\n"] and len(broken) == 1 and "pg.log.1.zst" in broken[0].message
    with pytest.raises(Damaged):
        find_logs([str(tmp_path / "pg.log*")], Positions(), newer_than=0.0)


def test_old_files_count_as_read_at_first(review, tmp_path):
    (tmp_path / "pg.log.1").write_bytes(b"old\n")
    with gzip.open(tmp_path / "pg.log.2.gz", "wb") as stream:
        stream.write(b"older\n")
    for name in ("pg.log.1", "pg.log.2.gz"):
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / "pg.log").write_bytes(b"new\n")
    assert review.look(newer_than=1000.0) == [b"new\n"] and review.look() == []


def test_a_damaged_state_and_a_damaged_archive(review, tmp_path):
    (tmp_path / "pg.log").write_bytes(b"one\n")
    review.look()
    review.state.write_text(json.dumps({"at": "x", "files": [{"head": 1}]}))
    assert Positions.load(review.state) is None and review.look() == [b"one\n"]
    lines = [b"%x\n" % (number * 7919 ** 3) for number in range(20000)]
    whole = gzip.compress(b"".join(lines))
    archive = tmp_path / "pg.log.1.gz"
    archive.write_bytes(whole[:5000])
    part = review.look()
    archive.write_bytes(whole)
    assert part + review.look() == lines and part
    archive.write_bytes(whole[:3000] + b"\xff" * 3000 + whole[6000:])
    review.state.unlink()
    with pytest.raises(Damaged):
        review.look()


def test_a_line_without_end_is_cut_and_the_next_one_is_whole(review, tmp_path):
    (tmp_path / "pg.log").write_bytes(b"x" * (3 << 20) + b"\nnext\n")
    first, second = review.look()
    assert len(first) == (1 << 20) + 1 and second == b"next\n" and review.look() == []


def test_a_limit_leaves_the_rest_and_says_so(tmp_path):
    """Every event once, however small the limit; what is left is known until nothing is."""
    for name in ("pg.log", "pg.log.1"):
        (tmp_path / name).write_text("".join(
            f"2026-07-01 10:00:00.000 UTC [{number}] LOG:  message of {name}\n\tthat goes on\n" for number in range(20)))
    known, events, left = Positions(), 0, [1]
    while left[-1]:
        files, _paths = find_logs([str(tmp_path / "pg.log*")], known, newer_than=0.0)
        tally = Tally()
        done = read_files(files, tally.add, form="stderr", prefix=prefix_pattern("%m [%p] "), limit=500)
        assert done.unread == 0 and done.bytes < 700
        left.append(sum(file.left for file in files) if done.full else 0)
        known, events = Positions("2026-07-01T00:00:00Z", [file.position for file in files]), events + tally.events
    assert events == 40 and len(left) > 4 and left[1:] == sorted(left[1:], reverse=True)


def test_memory_does_not_grow_with_the_log(tmp_path):
    """Five times the log with five times as many different statements, users and messages: the same memory."""

    def peak(number):
        log = tmp_path / f"pg.log.{number}"
        with log.open("w") as stream:
            for count in range(number):
                stream.write(f"2026-07-01 10:00:00.000 UTC [{count}] LOG:  duration: 1.0 ms  statement: SELECT c{count:x}g FROM t\n"
                             f'2026-07-01 10:00:00.000 UTC [{count}] FATAL:  password authentication failed for user "u{count:x}"\n')
        files, _paths = find_logs([str(log)], Positions(), newer_than=0.0)
        tally = Tally()
        tracemalloc.start()
        done = read_files(files, tally.add, form="auto", prefix=prefix_pattern("%m [%p] "), limit=1 << 40)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert done.lines == 2 * number and done.unread == 0 and done.bytes == log.stat().st_size
        return used

    assert peak(25000) < 1.2 * peak(5000)


class Rotation(RuleBasedStateMachine):
    """Writing, rotating in every way and reviewing in any order: no line twice, none lost."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="evenkeel-logs-"))
        self.log, self.review, self.number, self.rotated = self.folder / "pg.log", Review(self.folder), 0, 0
        self.log.touch()

    @rule(number=st.integers(1, 5))
    def write(self, number):
        with self.log.open("ab") as stream:
            for _line in range(number):
                self.number += 1
                stream.write(b"line %d %s\n" % (self.number, b"x" * (self.number % 300)))

    @rule(how=st.sampled_from(["rename", "copytruncate", "compress"]))
    def rotate(self, how):
        self.rotated += 1
        target = self.folder / f"pg.log.{self.rotated}"
        if how == "rename":
            self.log.rename(target)
            self.log.touch()
        else:
            content = self.log.read_bytes()
            target.write_bytes(gzip.compress(content) if how == "compress" else content)
            self.log.write_bytes(b"")

    @rule()
    def look(self):
        self.review.look()

    @invariant()
    def no_line_twice(self):
        assert len(set(self.review.read)) == len(self.review.read)

    def teardown(self):
        self.review.look()
        numbers = sorted(int(line.split()[1]) for line in self.review.read)
        shutil.rmtree(self.folder)
        assert numbers == list(range(1, self.number + 1))


TestRotation = Rotation.TestCase
TestRotation.settings = settings(max_examples=40, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck))
