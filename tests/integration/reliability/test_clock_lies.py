# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock may lie: retention on a real repository while the clock is off by an hour or a year, either way."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.backups.prune import Brake, prune_plan
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository, record_verification
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.retention import RetentionPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant

from tests.conftest import ToldClock
from tests.integration.reliability.figures import scaled
from tests.unit.backups.conftest import manifest

PROMISE = "the clock may lie"
LIES = {"+1 h": timedelta(hours=1), "-1 h": timedelta(hours=-1), "+1 year": timedelta(days=365), "-1 year": timedelta(days=-365)}
NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)


def filled(home: Path, dice: random.Random) -> Repository:
    """A plan of some weeks, some copies verified, some drilled, some failed."""
    repository = Repository(home, "unnamed", "unnamed")
    for number in range(dice.randint(3, 12)):
        one = manifest(NOW - timedelta(hours=dice.randint(1, 24 * 60)), number=number)
        place = repository.plan_place("shop").at(one.id)
        place.write("manifest.json", one.to_json())
        backup = repository.open(one.id)
        for kind in dice.choice([(), ("verify",), ("verify", "drill")]):
            record_verification(backup, {"kind": kind, "status": "pass" if dice.random() < 0.85 else "fail", "at": format_instant(NOW)})
    return repository


def kept(repository: Repository, now: datetime, policy: RetentionPolicy) -> set[str]:
    prune_plan(repository, "shop", policy, Brake(confirmed=True), ToldClock(now))
    return {backup.id for backup in repository.list("shop")}


def test_no_copy_is_deleted_because_the_clock_is_wrong(tmp_path, figure):
    histories, wrong, deletions, proofs = scaled(100, 10), [], 0, 0
    policy = RetentionPolicy.from_options({"keep_for": "14d", "keep_last": 2, "daily": 3})
    for number in range(histories):
        truth = filled(tmp_path / f"{number}-truth", random.Random(number))
        before = truth.list("shop")
        right = kept(truth, NOW, policy)
        deletions += len(before) - len(right)
        for word, lie in LIES.items():
            lied = filled(tmp_path / f"{number}-{word}", random.Random(number))
            left = kept(lied, NOW + lie, policy)
            stood = {backup.id.partition("-")[2]: backup.id for backup in lied.list("shop")}
            assert len(stood) == len(left)
            wrong += [(number, word, id) for id in right - left]
            for good in (lambda one: one.usable and one.proven_at, lambda one: one.usable and one.verified_at):
                last = max((one for one in before if good(one)), key=lambda one: (one.created_at, one.id), default=None)
                proofs += last is not None and last.id not in left
    figure(PROMISE, "retention of folders of backups with the clock off by 1 hour and 1 year, either way",
           f"{histories} histories, {histories * len(LIES)} prunes under a lie, where the true clock deletes {deletions}: "
           f"wrong deletions {len(wrong)}, last verified or proven copies deleted {proofs}")
    assert deletions and not wrong and not proofs
