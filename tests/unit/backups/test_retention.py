# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention is pure: whatever the backups and the policy, the copies that count are not given up."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Backup
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.retention import RetentionPolicy, plan_retention
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.backups.conftest import manifest

NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def made(hours: int, number: int, verify: str | None, drill: str | None) -> Backup:
    one = manifest(NOW - timedelta(hours=hours), number=number)
    at = one.created_at.isoformat()
    records = [{"kind": kind, "status": status, "at": at} for kind, status in (("verify", verify), ("drill", drill)) if status]
    return Backup(Path(one.id), one, tuple(records))


OUTCOME = st.sampled_from([None, "pass", "fail"])
BACKUPS = st.lists(st.tuples(st.integers(0, 24 * 800), OUTCOME, OUTCOME), max_size=40).map(
    lambda rows: [made(hours, number, verify, drill) for number, (hours, verify, drill) in enumerate(rows)])
POLICIES = st.builds(
    RetentionPolicy, keep_for=st.one_of(st.none(), st.floats(0, 86400 * 400)), keep_last=st.integers(1, 5),
    keep_verified=st.integers(1, 3), keep_proven=st.integers(1, 3), daily=st.integers(0, 10), weekly=st.integers(0, 5),
    monthly=st.integers(0, 5), yearly=st.integers(0, 3))


@given(BACKUPS, POLICIES)
def test_the_copies_that_count_are_kept_whatever_the_policy(backups, policy):
    decisions = plan_retention(backups, policy, NOW)
    assert sorted(decision.backup.id for decision in decisions) == sorted(backup.id for backup in backups)
    kept = [decision.backup for decision in decisions if decision.keep]
    usable = [backup for backup in backups if backup.usable]
    for good in (usable, [one for one in usable if one.verified_at], [one for one in usable if one.proven_at]):
        if good:
            newest = max(good, key=lambda one: (one.created_at, one.id))
            assert newest.id in [one.id for one in kept]
    if backups:
        assert kept
    if policy.keep_for is not None:
        young = [backup for backup in backups if (NOW - backup.created_at).total_seconds() <= policy.keep_for]
        assert {one.id for one in young} <= {one.id for one in kept}


@given(BACKUPS, POLICIES)
def test_a_second_run_finds_nothing_to_delete(backups, policy):
    kept = [decision.backup for decision in plan_retention(backups, policy, NOW) if decision.keep]
    assert all(decision.keep for decision in plan_retention(kept, policy, NOW))


@given(BACKUPS, POLICIES, st.integers(1, 10**6))
def test_nothing_goes_where_a_clock_is_wrong(backups, policy, seconds):
    ahead = [*backups, made(0, 999, None, None)]
    assert all(decision.keep for decision in plan_retention(ahead, policy, NOW - timedelta(seconds=seconds)))


def test_grandfather_father_son_keeps_the_newest_of_each_period(backup):
    hourly = [backup(NOW - timedelta(hours=6 * number), number=number) for number in range(4 * 90)]
    policy = RetentionPolicy(keep_last=1, daily=7, weekly=4, monthly=3)
    kept = [decision.backup.created_at for decision in plan_retention(hourly, policy, NOW) if decision.keep]
    assert len([instant for instant in kept if NOW - instant < 7 * DAY]) == 7
    assert {f"{instant:%Y-%m}" for instant in kept} == {"2026-01", "2025-12", "2025-11"}
    december = max(instant for instant in kept if instant.month == 12)
    assert f"{december:%d %H}" == "31 18"
    assert len(kept) <= 1 + 7 + 4 + 3


def test_what_goes_says_why(backup):
    old, young = backup(NOW - 40 * DAY, number=1), backup(NOW - DAY, number=2)
    decisions = plan_retention([old, young], RetentionPolicy(keep_for=30 * 86400.0), NOW)
    assert [(decision.keep, decision.reason) for decision in decisions] == [
        (True, "younger than 30d"), (False, "older than 30d")]


def test_a_failed_copy_stands_for_nothing(backup):
    failed, good = backup(NOW - DAY, number=2, failed=True), backup(NOW - 40 * DAY, number=1)
    decisions = {decision.backup.id: decision.keep for decision in plan_retention([failed, good], RetentionPolicy(keep_last=1), NOW)}
    assert decisions == {failed.id: False, good.id: True}


@pytest.mark.parametrize("options, said", [
    ({"keep_fro": "30d"}, "unknown key 'keep_fro'"),
    ({"keep_for": "-30d"}, "'-30d' is not a duration"),
    ({"keep_for": "soon"}, "'soon' is not a duration"),
    ({"keep_last": 0}, "keep_last: 0 will not do"),
    ({"keep_last": True}, "keep_last: True will not do"),
    ({"keep_for": "30d", "keep_verified": 0}, "keep_verified: 0 will not do"),
    ({"daily": -1}, "daily: -1 will not do"),
    ({"keep_verified": 2}, "nothing says what may be deleted"),
    ({}, "nothing says what may be deleted"),
])
def test_a_policy_that_makes_no_sense_is_refused_with_a_hint(options, said):
    with pytest.raises(InvalidOption) as error:
        RetentionPolicy.from_options(options)
    assert said in error.value.message and error.value.hint
