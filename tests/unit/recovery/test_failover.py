# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the old primary out of the way, and what would be lost?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.failover import Guard, Loss, Node, judge_guard, judge_loss, loss_of

NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
STANDBY = Node("standby", 1, "7", received=1000, replayed=1000, replayed_at=NOW - timedelta(minutes=5))


@pytest.mark.parametrize(("role", "statement", "heard", "status"), [
    ("down", "", None, "pass"),
    ("standby", "", None, "pass"),
    ("primary", "", None, "fail"),
    ("primary", "A. Hopper", None, "fail"),
    ("alive", "A. Hopper", None, "fail"),
    ("silent", "", None, "unknown"),
    ("silent", "A. Hopper", None, "pass"),
    ("silent", "A. Hopper", 3.0, "fail"),
    ("down", "", 14.9, "fail"),
    ("down", "", 15.1, "pass"),
])
def test_what_is_not_known_to_be_gone_is_not_gone(role, statement, heard, status):
    finding = judge_guard("db", Guard(role, "seen", statement), replace(STANDBY, heard_ago=heard), heard_within=15, planned=False)
    assert finding.status == status
    assert finding.hint or status == "pass"


def test_a_plan_may_name_a_primary_that_it_will_fence():
    for guard in (Guard("primary"), Guard("alive")):
        assert judge_guard("db", guard, STANDBY, heard_within=15, planned=True).status == "warn"
    assert judge_guard("db", Guard("silent"), STANDBY, heard_within=15, planned=True).status == "unknown"


def test_a_standby_that_has_all_has_lost_nothing_and_else_its_newest_transaction_counts():
    assert loss_of(STANDBY, primary_end=1000, lost_at=None, now=NOW).seconds == 0
    assert loss_of(STANDBY, primary_end=1001, lost_at=None, now=NOW).seconds == 300
    assert loss_of(STANDBY, primary_end=None, lost_at=NOW - timedelta(minutes=2), now=NOW).seconds == 180
    assert loss_of(STANDBY, primary_end=None, lost_at=NOW - timedelta(minutes=9), now=NOW).seconds == 0
    heard = replace(STANDBY, heard_ago=2.0, heard_end=1000)
    assert loss_of(heard, primary_end=None, lost_at=None, now=NOW).seconds == 2, "an idle primary's newest transaction may be old"
    assert loss_of(replace(heard, heard_end=1001), primary_end=None, lost_at=None, now=NOW).seconds == 300
    assert loss_of(replace(STANDBY, replayed_at=None), primary_end=None, lost_at=None, now=NOW).seconds is None
    assert loss_of(replace(STANDBY, received=None, replayed_at=None), primary_end=1, lost_at=None, now=NOW).seconds is None


@pytest.mark.parametrize(("seconds", "rpo", "accepted", "status"), [
    (10, 900, None, "pass"), (901, 900, None, "fail"), (None, 900, None, "unknown"), (901, 900, 3600, "warn"), (3601, 900, 3600, "fail"),
    (10, 900, 3600, "pass"), (None, 900, 3600, "unknown"), (10, 900, 0, "fail"), (901, None, None, "pass"),
])
def test_a_loss_beyond_the_objective_takes_an_acceptance(seconds, rpo, accepted, status):
    assert judge_loss("db", Loss(seconds, "told"), rpo=rpo, accepted=accepted).status == status
