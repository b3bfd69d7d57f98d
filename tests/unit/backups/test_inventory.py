# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listing and judging ages, and when a backup is due: plain values in, findings and reasons out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.create import CreationPolicy, newest_usable, why_due
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.engine import Source
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.inventory import Filter, judge_ages
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.prune import Brake
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status

HOUR = timedelta(hours=1)
SOURCE = Source({"host": "db", "port": 5432, "database": "shop", "server_version": 170002})


@pytest.fixture
def some(clock, backup):
    now = clock.now()
    return [
        backup(now - HOUR, number=1, tags=("release",)),
        backup(now - 3 * HOUR, number=2, verified=True, tags=("release", "before-change")),
        backup(now - 30 * HOUR, number=3, verified=True, proven=True),
        backup(now - 2 * HOUR, number=4, plan="files", failed=True),
    ]


@pytest.mark.parametrize("wanted, numbers", [
    (Filter(), [1, 4, 2, 3]),
    (Filter(statuses=("verified", "proven")), [2, 3]),
    (Filter(plans=("files",)), [4]),
    (Filter(tags=("release",)), [1, 2]),
    (Filter(tags=("release", "before-change")), [2]),
    (Filter(younger_than=2.5 * 3600), [1, 4]),
    (Filter(older_than=86400), [3]),
])
def test_a_list_is_what_passes_newest_first(some, clock, wanted, numbers):
    assert [int(backup.id[-6:], 16) for backup in wanted.select(some, clock.now())] == numbers


def test_an_unknown_status_is_refused():
    with pytest.raises(InvalidOption, match="'good' is unknown"):
        Filter(statuses=("good",))


@pytest.mark.parametrize("at_least, status", [("created", Status.PASS), ("verified", Status.FAIL), ("proven", Status.FAIL)])
def test_an_age_is_that_of_the_newest_copy_that_is_good_enough(some, clock, at_least, status):
    [finding] = judge_ages(some, {"shop": 2 * 3600.0}, clock.now(), at_least=at_least)
    assert finding.status is status, finding


def test_a_plan_without_a_usable_copy_is_a_failure_and_one_from_the_future_is_unknown(some, clock):
    [finding] = judge_ages(some, {"files": 86400.0}, clock.now())
    assert finding.status is Status.FAIL and "no usable backup" in finding.message and finding.hint
    [finding] = judge_ages(some, {"shop": 86400.0}, clock.now() - 2 * HOUR)
    assert finding.status is Status.UNKNOWN and "from the future" in finding.message


def test_a_backup_is_due_for_a_reason(some, clock):
    newest = newest_usable(some)

    def why(max_age, *, source=SOURCE, encrypt=False, now=None):
        return why_due(newest, source, CreationPolicy(max_age=max_age), encrypt=encrypt, now=now or clock.now())

    assert why(2 * 3600) is None
    assert "over 30m" in why(1800)
    assert why(None) == "a new one was asked for"
    assert "another source" in why(7200, source=Source({**SOURCE.description, "database": "other"}))
    assert why(7200, encrypt=True) == "the newest is not encrypted"
    assert "a clock is wrong" in why(7200, now=clock.now() - 2 * HOUR)
    assert "no usable backup" in why_due(None, SOURCE, CreationPolicy(), encrypt=False, now=clock.now())


def test_an_upgrade_of_the_server_is_not_another_source(some, clock):
    upgraded = Source({**SOURCE.description, "server_version": 180000})
    assert why_due(newest_usable(some), upgraded, CreationPolicy(max_age=7200), encrypt=False, now=clock.now()) is None


@pytest.mark.parametrize("brake, deletions, of, held", [
    (Brake(max_deletions=3), 3, 10, False),
    (Brake(max_deletions=3), 4, 10, True),
    (Brake(max_percent=50), 5, 10, False),
    (Brake(max_percent=50), 6, 10, True),
    (Brake(max_percent=0), 0, 10, False),
    (Brake(max_deletions=0, confirmed=True), 10, 10, False),
    (Brake(), 10, 10, False),
])
def test_the_brake_holds_above_its_limits_until_it_is_confirmed(brake, deletions, of, held):
    assert bool(brake.holds(deletions, of)) is held
