# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreseeing what a vacuum will leave of an index is pure."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.foreseen import Staying, plan_foreseen, share_of
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.indexes import Index
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.reindex_plan import ReindexPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.room import Room

POLICY = ReindexPolicy.from_options({"bloat_percent": 40, "estimated_percent": 60, "bloat_size": "1MiB", "rate": "20MiB"})


def full(**facts) -> Index:
    """An index of 1000 pages with as many rows as fit."""
    return Index(1, **{"schema": "public", "name": "i", "title": "public.i", "table_oid": 101, "pages": 1000, "rows": 366000,
                       "key_bytes": 4, **facts})


@pytest.mark.parametrize("share, measurable, planned", [(0.2, False, True), (0.5, False, False), (0.5, True, True), (0.9, True, False),
                                                        (1.0, True, False)])
def test_it_is_planned_for_where_what_stays_would_be_due_and_sooner_where_it_can_be_measured_then(share, measurable, planned):
    works = plan_foreseen([full()], POLICY, Staying({1: share}), measurable=measurable).work
    assert bool(works) is planned
    for work in works:
        assert work.statement == "REINDEX INDEX CONCURRENTLY {index}" and work.group == 101
        assert work.reason.startswith(f"{100 - 100 * share:.0f}% of its 7.8 MiB will be bloat")


def test_an_index_of_which_nothing_is_known_is_looked_at_after_the_vacuum_where_it_can_be():
    unknown = full(key_bytes=None)
    assert plan_foreseen([unknown], POLICY, Staying({1: 0.9}), measurable=False).work == ()
    assert len(plan_foreseen([unknown], POLICY, Staying({1: 0.9}), measurable=True).work) == 1


def test_an_index_of_a_table_that_is_not_vacuumed_stays_as_it_is():
    assert Staying({}).after(full()) == full() and Staying({1: 0.5}).after(full(rows=-1)).rows == -1


@pytest.mark.parametrize("live, dead, counted, share", [
    (20, 80, -1, 0.2), (120, 80, 100, 0.2), (20, 80, 1000, 0.2), (0, 0, -1, 1), (50, 50, 40, 0.5)])
def test_the_worse_of_statistics_and_count_decides_what_stays(live, dead, counted, share):
    assert share_of(live, dead, counted) == pytest.approx(share)


def test_what_will_be_due_and_has_no_room_is_told_now():
    policy = ReindexPolicy.from_options({"bloat_percent": 40, "estimated_percent": 60, "bloat_size": "1MiB", "rate": "20MiB",
                                         "free_space": "1GiB"})
    plan = plan_foreseen([full(room=Room("fast", 10, "/srv/fast"))], policy, Staying({1: 0.2}), measurable=False)
    assert plan.work == () and plan.skipped[0].reason.startswith("once its dead rows are out: it needs 7.8 MiB beside the old one")
    assert "/srv/fast (tablespace fast) has 10 B beyond the 1.0 GiB that have to stay free" in plan.skipped[0].reason
