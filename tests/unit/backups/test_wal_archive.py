# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging an archive of the log is pure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.stanza import ArchivingPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.wal_archive import (
    Archiving,
    first_hole,
    judge_archiving,
    name_of,
    segment_number,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption

SEGMENT = 16 * 2**20
GOOD = Archiving({"archive_mode": "on", "archive_command": "pgbackrest archive-push %p", "archive_timeout": "600", "wal_level": "replica"},
                 archived=7, archived_seconds=30)
CEILING = 900.0


def said(seen: Archiving) -> list[tuple[str, str]]:
    return [(finding.status.value, finding.message) for finding in judge_archiving("shop", seen, ceiling=CEILING)]


def test_an_archive_that_keeps_up_passes_and_an_idle_one_too():
    assert [status for status, _message in said(GOOD)] == ["pass"]
    assert [status for status, _message in said(replace(GOOD, archived_seconds=86400.0))] == ["pass"]
    assert "none was needed yet" in said(replace(GOOD, archived_seconds=None))[0][1]


@pytest.mark.parametrize(("change", "status", "words"), [
    ({"settings": {**GOOD.settings, "archive_mode": "off"}}, "fail", "does not archive"),
    ({"settings": {**GOOD.settings, "archive_mode": "off"}, "pending": frozenset({"archive_mode"})}, "fail", "waits for a restart"),
    ({"settings": {**GOOD.settings, "archive_command": ""}}, "fail", "does not archive"),
    ({"settings": {**GOOD.settings, "archive_timeout": "0"}}, "fail", "archive_timeout is off"),
    ({"settings": {**GOOD.settings, "archive_timeout": "901"}}, "fail", "archive_timeout is 15m1s"),
    ({"failing": "0000000100000000000000AB", "failures": 3}, "fail", "0000000100000000000000AB could not be archived (3 failures"),
    ({"waiting": 2, "archived_seconds": 901.0}, "fail", "2 segments wait"),
    ({"waiting": 1, "archived_seconds": None}, "fail", "none was ever archived"),
    ({"waiting": None}, "unknown", "may not see"),
])
def test_what_may_lose_more_than_the_ceiling_is_told(change, status, words):
    [(found, message)] = said(replace(GOOD, **change))
    assert found == status and words in message


def test_segments_that_wait_a_little_are_no_failure():
    assert [status for status, _message in said(replace(GOOD, waiting=3, archived_seconds=899.0))] == ["pass"]


def test_holes_are_found_across_logs_and_timelines():
    assert segment_number("000000010000000A000000FF", SEGMENT) + 1 == segment_number("000000010000000B00000000", SEGMENT)
    names = ["0000000100000000000000FE", "0000000100000000000000FF", "000000020000000100000000"]
    assert first_hole(names, names[0], "000000020000000100000000", SEGMENT) is None
    hole = first_hole([names[0], names[2]], names[0], names[2], SEGMENT)
    assert name_of(hole, "00000001", SEGMENT) == names[1]
    assert first_hole([], names[0], names[0], SEGMENT) is not None


@pytest.mark.parametrize("timeout", [0.0, 0.5, 900.0, 3600.0])
def test_a_timeout_that_cannot_keep_the_ceiling_is_refused(timeout):
    with pytest.raises(InvalidOption, match="does not keep"):
        ArchivingPolicy.checked("pgbackrest", timeout, CEILING)


def test_only_what_is_not_yet_so_is_changed_and_a_restart_is_waited_for_once():
    policy = ArchivingPolicy.checked(GOOD.settings["archive_command"], 600, CEILING)
    assert policy.settings(GOOD) == {}
    off = replace(GOOD, settings={**GOOD.settings, "archive_mode": "off", "archive_command": "(disabled)", "wal_level": "minimal"})
    assert policy.settings(off) == {"archive_mode": "on", "archive_command": policy.command, "wal_level": "replica"}
    written = {"archive_mode": "on", "archive_command": policy.command, "wal_level": "replica"}
    assert policy.settings(replace(off, written=written)) == {}
    assert policy.settings(replace(GOOD, settings={**GOOD.settings, "archive_mode": "always"})) == {}
