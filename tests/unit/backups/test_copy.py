# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups are due for a copy: plain values in, a list out."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ansible_collections.evenkeel.ops.plugins.module_utils.backups.copy import Copy, archived_ids, judge_copies, plan_copies
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.retention import RetentionPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Status

NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def ids(backups):
    return [backup.id for backup in backups]


def test_what_is_missing_is_due_oldest_first_and_what_failed_is_not(backup):
    old, bad, young = (backup(NOW - days * DAY, number=days, failed=days == 2) for days in (3, 2, 1))
    assert ids(plan_copies([old, bad, young], [], None, NOW)) == ids([old, young])
    assert ids(plan_copies([old, bad, young], [old], None, NOW)) == ids([young])
    assert plan_copies([old, bad, young], [old, young], None, NOW) == []


def test_only_what_is_good_enough_is_due(backup):
    made, seen, shown = backup(NOW - 3 * DAY), backup(NOW - 2 * DAY, verified=True), backup(NOW - DAY, proven=True)
    assert ids(plan_copies([made, seen, shown], [], None, NOW, at_least="verified")) == ids([seen, shown])
    assert ids(plan_copies([made, seen, shown], [], None, NOW, at_least="proven")) == ids([shown])


def test_what_the_second_repository_has_deleted_does_not_come_back(backup):
    daily = [backup(NOW - number * DAY, number=number) for number in range(10, 0, -1)]
    kept = RetentionPolicy(keep_last=3)
    assert ids(plan_copies(daily, [], kept, NOW)) == ids(daily[-3:])
    assert plan_copies(daily, daily[-3:], kept, NOW) == []


def test_what_a_copy_rests_on_goes_before_it(backup):
    full = backup(NOW - 3 * DAY, number=1)
    first = backup(NOW - 2 * DAY, number=2, parent=full.id)
    second = backup(NOW - DAY, number=3, parent=first.id, verified=True)
    assert ids(plan_copies([full, first, second], [], None, NOW, at_least="verified")) == ids([full, first, second])
    assert ids(plan_copies([full, first, second], [full], RetentionPolicy(keep_last=1), NOW)) == ids([first, second])


def test_what_an_engine_keeps_itself_is_told_and_not_copied(backup):
    one = backup(NOW - DAY, native={"repository": "/r", "name": "a", "bytes": 3})
    assert plan_copies([one], [], None, NOW) == []
    [finding] = judge_copies("shop", [one], [], [], NOW)
    assert finding.status is Status.FAIL and "repository of its own" in finding.message and finding.hint


def test_a_newest_backup_without_a_copy_is_a_failure(backup):
    old, young = backup(NOW - 2 * DAY, number=1), backup(NOW - DAY, number=2)
    assert judge_copies("shop", [old, young], [young], [], NOW)[0].status is Status.PASS
    [finding] = judge_copies("shop", [old, young], [old], [], NOW)
    assert finding.status is Status.FAIL and young.id in finding.message and finding.hint
    told = judge_copies("shop", [old, young], [old], [Copy(young, "failed", message="3012.dat was altered")], NOW)
    assert [one.status for one in told] == [Status.FAIL, Status.FAIL] and "3012.dat was altered" in told[0].message
    assert judge_copies("shop", [], [], [], NOW)[0].status is Status.UNKNOWN


def test_only_a_verified_copy_lets_its_original_go(backup):
    made, seen = backup(NOW - 2 * DAY, number=1), backup(NOW - 3 * DAY, number=2, verified=True)
    bad = backup(NOW - 4 * DAY, number=3, verified=True, failed=True)
    assert archived_ids([made, seen, bad]) == {seen.id}
