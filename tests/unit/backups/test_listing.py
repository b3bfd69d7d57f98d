# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""backups/listing.py: names, metadata and digests of what lies below paths, and what became of them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.listing import Exclusion, Listing, compare, read, written
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.restic_engine import _literal, _shown
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Damaged, InvalidOption, TimedOut
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (root / "one").write_bytes(b"1" * 3_000_000)
    (root / "deep" / os.fsdecode(b"\xff\n\"'")).write_text("odd")
    (root / "link").symlink_to("one")
    return root


def taken(tree: Path, clock, known=(), mode="full", during=lambda: None):
    listing = Listing([str(tree)], lambda _path: False, dict(known), mode=mode, jobs=2, deadline=Deadline(clock, 60))
    listing._running.result()
    during()
    return {entry.path: entry for entry in listing.finish()}


def test_a_listing_is_read_as_it_was_written(tree, clock):
    found = taken(tree, clock)
    assert len(found) == 5 and sum(bool(entry.sha256) for entry in found.values()) == 2
    assert read(b"".join(written(found.values())).splitlines()) == found
    assert compare(found, found, owners=True, whole=True) == []
    with pytest.raises(Damaged):
        read([b'{"path": "x"}'])


def test_what_is_known_is_not_hashed_again_unless_it_changed(tree, clock):
    first = taken(tree, clock)
    forged = {path: replace(entry, sha256="known") if entry.kind == "file" else entry for path, entry in first.items()}
    os.utime(tree / "one", (1, 1))
    second = taken(tree, clock, known=forged)
    assert second[str(tree / "one")].sha256 == first[str(tree / "one")].sha256
    assert [entry.sha256 for entry in second.values() if "odd" not in entry.path].count("known") == 1


def test_what_changes_or_vanishes_meanwhile_is_marked_and_is_no_difference(tree, clock):
    def meanwhile() -> None:
        (tree / "one").write_text("other")
        (tree / "link").unlink()

    found = taken(tree, clock, during=meanwhile)
    assert sorted(Path(path).name for path, entry in found.items() if entry.moving) == ["link", "one", "root"]
    now = taken(tree, clock)
    assert {verdict for verdict, _path, _message in compare(found, now, owners=True, whole=False)} <= {"notice"}


@pytest.mark.parametrize(("change", "word"), [
    ({"sha256": "x"}, "not the same"), ({"size": 1}, "has 1 bytes"), ({"mode": 0o777}, "mode 0777"), ({"uid": 77}, "belongs to 77"),
    ({"mtime": 1}, "time of change"), ({"attributes": "x"}, "extended attributes"), ({"kind": "fifo"}, "is a fifo")])
def test_each_difference_is_told(tree, clock, change, word):
    found = taken(tree, clock)
    path = str(tree / "one")
    told = compare(found, {**found, path: replace(found[path], **change)}, owners=True, whole=True)
    assert [(verdict, name) for verdict, name, _message in told] == [("different", path)] and word in told[0][2]


def test_a_missing_and_an_unknown_name(tree, clock):
    found = taken(tree, clock)
    path = str(tree / "one")
    less = {name: entry for name, entry in found.items() if name != path}
    assert compare(found, less, owners=True, whole=True) == [("different", path, f"{path} is missing")]
    assert [one[0] for one in compare(less, found, owners=True, whole=True)] == ["different"]
    assert [one[0] for one in compare(less, found, owners=True, whole=False)] == ["notice"]


def test_a_sampled_listing_has_all_names_and_the_bytes_of_some(tmp_path, clock):
    for number in range(200):
        (tmp_path / str(number)).write_text("x")
    found = taken(tmp_path, clock, mode="sampled")
    assert len(found) == 201 and 2 <= sum(bool(entry.sha256) for entry in found.values()) <= 40


def test_hashing_ends_with_its_time(tree, clock):
    listing = Listing([str(tree)], lambda _path: False, {}, mode="full", jobs=1, deadline=Deadline(clock, 0))
    with pytest.raises(TimedOut):
        listing.finish()


@pytest.mark.parametrize(("pattern", "path", "matches"), [
    ("*.tmp", "/a/b.tmp", True), ("*.tmp", "/a.tmp/b", True), ("*.tmp", "/a/b.tmpx", False), ("/a/b", "/a/b/c", True),
    ("/a/b", "/x/a/b", False), ("a/b", "/x/a/b", True), ("[ab]", "/x/b", True), ("[^ab]", "/b", False), ("[^ab]", "/c", True),
    ("?", "/\n", True), ("\\*", "/x/*", True), ("\\*", "/x/y", False), ("*", "/a", True), ("a.b", "/axb", False)])
def test_patterns(pattern, path, matches):
    assert Exclusion([pattern]).matches(path) is matches


@pytest.mark.parametrize("pattern", ["", "/", "a/**", "!x", "a//b", "../x", "[", "x\0y", "[z-a]"])
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(InvalidOption, match="exclude"):
        Exclusion([pattern])


def test_paths_as_restic_takes_and_tells_them():
    assert Exclusion([_literal("/a*/[b]?\\c")]).matches("/a*/[b]?\\c") and not Exclusion([_literal("/a*")]).matches("/ab")
    assert _shown(os.fsdecode(b"\xe2\x98x\xff")) == "\ufffd\ufffdx\ufffd"
