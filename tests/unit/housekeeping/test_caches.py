# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding what is stale is pure: entries and a policy in, a removal out."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status
from ansible_collections.evenkeel.ops.plugins.module_utils.housekeeping.caches import (
    CachePolicy,
    beyond,
    disk_bytes,
    judge_cache,
    plan_removal,
    read_policies,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.housekeeping.roots import CleaningRoots
from ansible_collections.evenkeel.ops.plugins.module_utils.housekeeping.tree import Entry
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_000_000.0


def entry(path, *, age=0.0, size=10, inode=None, used=None):
    return Entry(path, size, NOW - age, NOW - (age if used is None else used), (1, inode or hash(path)), (0, size))


def going(entries, **policy):
    return [one.path for one in plan_removal(entries, CachePolicy("/c", **policy), now=NOW).going]


def test_older_than_the_limit_goes_and_exactly_the_limit_stays():
    assert going([entry("a", age=101), entry("b", age=100), entry("c", age=-50)], max_age=100) == ["a"]


def test_the_oldest_go_until_the_size_is_kept():
    files = [entry("new", age=1, size=40), entry("old", age=9, size=40), entry("mid", age=5, size=40)]
    assert going(files, max_size=100) == ["old"]
    assert going(files, max_size=80) == ["old"]
    assert going(files, max_size=79) == ["old", "mid"]
    assert going(files, max_size=0) == ["old", "mid", "new"]


def test_age_by_use_counts_the_newer_of_change_and_reading():
    files = [entry("read", age=100, used=1), entry("unread", age=100)]
    assert going(files, max_age=50, by_use=True) == ["unread"]
    assert going(files, max_age=50) == ["read", "unread"]


@pytest.mark.parametrize("patterns, keep, gone", [
    (("*.tmp",), (), ["a.tmp", "d/b.tmp"]),
    (("*",), ("*.tmp",), ["c", "d/c"]),
    (("d/*",), (), ["d/b.tmp", "d/c"]),
    (("*",), ("d/*", "c"), ["a.tmp"]),
    (("[",), (), []),
])
def test_patterns_choose_and_keep_wins(patterns, keep, gone):
    files = [entry("a.tmp", age=9), entry("d/b.tmp", age=9), entry("c", age=9), entry("d/c", age=9)]
    assert sorted(going(files, max_age=1, patterns=patterns, keep=keep)) == gone


def test_the_newest_files_stay_however_old():
    assert going([entry("a", age=9), entry("b", age=8), entry("c", age=7)], max_age=1, min_files=2) == ["a"]
    assert going([entry("a", age=9)], max_age=1, min_files=2) == []


def test_open_files_stay_and_are_asked_for_only_when_something_would_go():
    asked = []
    removal = plan_removal([entry("held", age=9, inode=7), entry("free", age=8)], CachePolicy("/c", max_age=1), now=NOW,
                           open_files=lambda: asked.append(1) or {(1, 7)})
    assert [one.path for one in removal.going] == ["free"] and [one.path for one in removal.exempt] == ["held"]
    plan_removal([entry("fresh")], CachePolicy("/c", max_age=1), now=NOW, open_files=lambda: asked.append(1) or set())
    assert asked == [1]


def test_a_file_with_two_names_counts_once_and_frees_with_the_last():
    twins = [entry("a", age=9, size=60, inode=5), entry("b", age=9, size=60, inode=5), entry("c", age=1, size=60)]
    assert disk_bytes(twins) == 120
    assert going(twins, max_size=119) == ["a", "b"]
    assert plan_removal(twins, CachePolicy("/c", max_size=119), now=NOW).bytes == 60


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 50)), max_size=40), st.integers(0, 100), st.integers(0, 500),
       st.integers(0, 5))
def test_after_any_plan_the_limits_hold_but_for_the_files_that_always_stay(shapes, max_age, max_size, min_files):
    files = [entry(str(number), age=age, size=size, inode=number + 1) for number, (age, size) in enumerate(shapes)]
    policy = CachePolicy("/c", max_age=max_age, max_size=max_size, min_files=min_files)
    removal = plan_removal(files, policy, now=NOW)
    assert sorted([*removal.going, *removal.staying], key=lambda one: one.path) == sorted(files, key=lambda one: one.path)
    if len(removal.staying) > min_files:
        assert disk_bytes(removal.staying) <= max_size
        assert max(NOW - one.modified for one in removal.staying) <= max_age
    ages = [finding for finding in judge_cache(policy, removal.staying, (), now=NOW) if finding.check == "housekeeping.cache.age"]
    assert [finding.status for finding in ages] == [Status.PASS]


def test_what_is_left_is_judged_against_the_limits():
    policy = CachePolicy("/c", max_age=50, max_size=15)
    findings = {f.check: f for f in judge_cache(policy, [entry("a", age=60), entry("b")], (), now=NOW,
                                                unread=[("/c/x", "Permission denied")], stayed=[("a", "Read-only file system")])}
    assert findings["housekeeping.cache.age"].status is Status.FAIL and findings["housekeeping.cache.age"].observed == 60
    assert findings["housekeeping.cache.size"].status is Status.FAIL and findings["housekeeping.cache.size"].limit == 15
    assert findings["housekeeping.cache.readable"].status is Status.UNKNOWN
    assert "/c/x (Permission denied)" in findings["housekeeping.cache.readable"].message
    assert findings["housekeeping.cache.removal"].status is Status.FAIL
    assert all(finding.hint for finding in findings.values())


def test_what_is_beyond_the_allowance_is_put_in_words():
    removal = plan_removal([entry("a", age=9), entry("b", age=9)], CachePolicy("/c", max_age=1), now=NOW)
    assert beyond([removal], 1, 5) == "2 files, more than the 1 and 20 B, more than the 5 B"
    assert beyond([removal], 2, 20) == "" == beyond([removal], None, None)


@pytest.mark.parametrize("inner", ["/var/cache/a", "/var/cache/a/b"])
def test_a_cache_in_a_cache_is_refused(inner):
    caches = [{"path": "/var/cache/a", "max_age": "1d"}, {"path": inner, "max_age": "2d"}]
    with pytest.raises(InvalidOption, match="lies in"):
        read_policies(caches, CleaningRoots(["/var/cache"]))
    caches[1]["path"] = "/var/cache/ab"
    assert len(read_policies(caches, CleaningRoots(["/var/cache"]))) == 2
