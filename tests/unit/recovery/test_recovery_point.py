# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of recovery are plain values."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.manifest import Manifest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Backup
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, NotFound
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.physical import judge_pages
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.point_in_time import needs_confirmation
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.recovery_point import (
    RecoveryPoint,
    base_for,
    lsn_number,
    random_point,
)

NOON = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)


def backup(hours: int, lsn: str) -> Backup:
    at = NOON + timedelta(hours=hours)
    id = f"{at:%Y%m%dT%H%M%SZ}-00000{hours}"
    return Backup(Path("/nowhere/shop") / id, Manifest(
        id=id, system="s", environment="e", plan="shop", engine="pgbackrest", created_at=at, data_at=at, files=(),
        native={"repository": "c", "name": "n", "bytes": 1, "lsn_stop": lsn}))


BACKUPS = [backup(0, "0/2000100"), backup(1, "0/5000100"), backup(2, "1/100")]


@pytest.mark.parametrize(("point", "hour"), [
    (RecoveryPoint(), 2), (RecoveryPoint("time", "2026-01-15T13:30:00+00:00"), 1), (RecoveryPoint("time", "2026-01-15T14:00:00Z"), 2),
    (RecoveryPoint("lsn", "0/5000100"), 1), (RecoveryPoint("lsn", "2/0"), 2), (RecoveryPoint("name", "before release"), 2),
])
def test_the_newest_backup_that_was_complete_before_the_point_is_taken(point, hour):
    assert base_for(point, BACKUPS) == BACKUPS[hour]


def test_a_point_before_every_backup_has_none():
    with pytest.raises(NotFound, match="complete before"):
        base_for(RecoveryPoint("time", "2026-01-15T11:59:59Z"), BACKUPS)


def test_settings_are_those_of_the_server():
    assert RecoveryPoint().settings() == {"recovery_target_timeline": "latest", "recovery_target_action": "promote"}
    assert RecoveryPoint("immediate").settings()["recovery_target"] == "immediate"
    time = RecoveryPoint("time", "2026-01-15T13:00:00+01:00", inclusive=False).settings()
    assert time["recovery_target_time"] == "2026-01-15 12:00:00.000000+00" and time["recovery_target_inclusive"] == "off"
    assert RecoveryPoint("name", "it's here").settings()["recovery_target_name"] == "it's here"


@pytest.mark.parametrize(("kind", "value"), [
    ("latest", "x"), ("time", ""), ("time", "2026-01-15T12:00:00"), ("lsn", "16B374D848"), ("lsn", "-1/0"), ("xid", "1.5"), ("xid", "²"),
    ("name", "a\nb"), ("name", "x" * 64), ("moon", "full"),
])
def test_points_that_make_no_sense_are_refused(kind, value):
    with pytest.raises(InvalidOption):
        RecoveryPoint(kind, value)


def test_a_random_point_lies_between_copy_and_end_of_the_log_and_is_the_seeds():
    names = ["000000010000000000000005", "000000010000000000000009"]
    points = [random_point(seed, names, "0/5000100", 16 * 2**20) for seed in range(50)]
    assert points[7] == random_point(7, names, "0/5000100", 16 * 2**20) and len({point.value for point in points}) > 40
    assert all(lsn_number("0/5000100") <= lsn_number(point.value) < lsn_number("0/9000000") for point in points)
    assert random_point(7, names[:1], "0/5000100", 16 * 2**20) == RecoveryPoint()
    assert random_point(7, [], "0/5000100", 16 * 2**20) == RecoveryPoint()


def test_a_scratch_folder_wants_no_confirmation_and_all_else_does():
    scratch = Path("/var/tmp")
    assert needs_confirmation(Path("/var/tmp/shop"), scratch, start=False) is None
    assert "server" in needs_confirmation(Path("/var/tmp/shop"), scratch, start=True)
    assert "/srv/data" in needs_confirmation(Path("/srv/data"), scratch, start=False)
    assert needs_confirmation(Path("/var/tmpfs/shop"), scratch, start=False) is not None


def test_pages_without_checksums_are_no_pass():
    bad = "error: checksum verification failed in file x, block 3"
    assert [one.status.value for said in ("", None, bad) for one in judge_pages("s", said)] == ["pass", "warn", "fail"]
