# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree whose ground moves while it is walked and cleaned."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, NotFound, TimedOut
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline
from ansible_collections.evenkeel.ops.plugins.module_utils.housekeeping.tree import CHANGED, GONE, LATE, Tree, shown
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def precious(tmp_path):
    folder = tmp_path / "precious"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_text("x")
    return folder


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "cache"
    (folder / "d").mkdir(parents=True)
    for name in ("a", "b"):
        (folder / "d" / name).write_text("x")
    return folder


def patient():
    return Deadline(SystemClock(), 30)


def test_a_folder_swapped_for_a_link_after_it_was_listed_is_not_entered(cache, precious):
    (cache / "first").write_text("x")
    tree = Tree(str(cache))
    seen = []
    for entry in tree.walk(patient()):  # the first entries are those of the cache itself; d is waiting
        if not seen:
            shutil.rmtree(cache / "d")
            (cache / "d").symlink_to(precious)
        seen.append(entry.path)
    assert seen == ["first"] and tree.unread == []


def test_a_folder_swapped_for_a_link_before_the_removal_loses_nothing(cache, precious):
    tree = Tree(str(cache))
    entries = list(tree.walk(patient()))
    os.rename(cache / "d", cache / "moved")
    (cache / "d").symlink_to(precious)
    assert [reason for _entry, reason in tree.remove(entries, patient())] == [GONE, GONE]
    assert len(list(precious.iterdir())) == 2 == len(list((cache / "moved").iterdir()))


def test_the_cache_itself_swapped_for_a_link_loses_nothing(cache, precious, tmp_path):
    tree = Tree(str(cache))
    entries = list(tree.walk(patient()))
    cache.rename(tmp_path / "moved")
    cache.symlink_to(precious.parent)
    with pytest.raises(InvalidOption):
        list(tree.remove(entries, patient()))
    assert len(list(precious.iterdir())) == 2


def test_swapping_all_the_time_never_reaches_outside(cache, precious):
    """A second thread puts a link in the folder's place and takes it away again, as fast as it can."""
    stop, swaps = threading.Event(), []

    def swap():
        while not stop.is_set():
            os.rename(cache / "d", cache / "aside")
            os.symlink(precious, cache / "d")
            with contextlib.suppress(FileNotFoundError):  # the link itself was removed, as it may be
                os.unlink(cache / "d")
            os.rename(cache / "aside", cache / "d")
            swaps.append(1)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _turn in range(150):
            tree = Tree(str(cache))
            outcomes = list(tree.remove(list(tree.walk(patient())), patient()))
            assert {reason for _entry, reason in outcomes} <= {"", GONE, CHANGED}
            for entry, _reason in outcomes:
                assert entry.path in ("d", "d/a", "d/b", "aside/a", "aside/b")
    finally:
        stop.set()
        thread.join()
    assert swaps and sorted(path.name for path in precious.iterdir()) == ["a", "b"]


def test_what_is_written_or_replaced_meanwhile_stays(cache):
    tree = Tree(str(cache))
    entries = sorted(tree.walk(patient()), key=lambda entry: entry.path)
    (cache / "d" / "a").write_text("news")
    (cache / "d" / "b").unlink()
    assert [reason for _entry, reason in tree.remove(entries, patient())] == [CHANGED, GONE]
    assert (cache / "d" / "a").read_text() == "news"


def test_after_the_deadline_nothing_is_removed(cache, clock):
    tree, deadline = Tree(str(cache)), Deadline(clock, 5)
    entries = list(tree.walk(deadline))
    clock.sleep(6)
    assert [reason for _entry, reason in tree.remove(entries, deadline)] == [LATE, LATE]
    with pytest.raises(TimedOut):
        list(tree.walk(deadline))
    assert len(list((cache / "d").iterdir())) == 2


def test_a_tree_deeper_than_a_path_may_be_long_is_walked_and_cleaned(tmp_path):
    name = "n" * 200
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _level in range(40):  # 8,000 characters; PATH_MAX is 4,096
        os.mkdir(name, dir_fd=descriptor)
        inner = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    tree = Tree(str(tmp_path))
    [entry] = tree.walk(patient())
    assert len(entry.path) > 8000 and [reason for _entry, reason in tree.remove([entry], patient())] == [""]


def test_walking_leaves_no_descriptor_behind(cache):
    before = len(os.listdir("/proc/self/fd"))
    walk = Tree(str(cache)).walk(patient())
    next(walk)
    walk.close()
    with pytest.raises(NotFound):
        list(Tree(str(cache / "gone")).walk(patient()))
    tree = Tree(str(cache))
    list(tree.remove(list(tree.walk(patient())), patient()))
    assert len(os.listdir("/proc/self/fd")) == before


@given(st.binary(min_size=1, max_size=30).filter(lambda name: b"\0" not in name))
def test_any_name_is_shown_printable_and_no_two_alike(name):
    text = shown(os.fsdecode(name))
    assert text.isprintable() and "\n" not in text and text.encode("utf-8")
    back = text.encode("latin-1", "backslashreplace").decode("unicode_escape") if text.isascii() else None
    if back is not None and all(byte < 128 for byte in name):
        assert back.encode("latin-1") == name
