# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rewrite is planned for what is mostly air and has no obstacle, after everything else."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.rewrite import Obstacle, Study, plan_rewrites
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.room import Need, Room
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.tables import Table
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.vacuum_plan import VacuumPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.work import Plan, Skip, Work

AIRY = Skip("public.airy", "80% of it is free space", "by hand", check="database.bloat", oid=1)
HELD = Skip("public.held", "held", "end it")
TABLES = [Table(1, "public", "airy", "public.airy", bytes=100, index_bytes=10, toast_bytes=5)]
DUE = Work("public.due", "vacuum", "dead rows", "VACUUM {relation}", {}, 2, 2, 0)


def test_what_is_mostly_air_is_rewritten_last_and_leftovers_are_cleared_first():
    left = Work("public.left", "drop leftover", "left", "", {}, 3, 3, 0)
    plan = plan_rewrites(Plan((DUE,), (AIRY, HELD)), TABLES, Study(), [left])
    assert [(work.relation, work.action) for work in plan.work] == [("public.left", "drop leftover"), ("public.due", "vacuum"),
                                                                    ("public.airy", "rewrite")]
    assert plan.skipped == (HELD,) and plan.work[-1].bytes == 230 and plan.work[-1].reason == AIRY.reason and not plan.work[-1].statement


def test_an_obstacle_is_told_with_what_to_do():
    plan = plan_rewrites(Plan((DUE,), (AIRY,)), TABLES, Study({1: Obstacle("no key", "add one")}))
    assert plan.work == (DUE,)
    assert plan.skipped[0].reason == "80% of it is free space; it is not rewritten: no key" and plan.skipped[0].hint == "add one"
    assert plan.skipped[0].check == "database.bloat"


@pytest.mark.parametrize("change, told", [({"free_space": "1GiB"}, 1), ({}, 0), ({"free_space": "1GiB", "unknown_room": "ignore"}, 0)])
def test_room_that_nobody_can_tell_is_said_where_the_policy_asks_for_it(change, told):
    policy = VacuumPolicy.from_options({
        "dead_rows": 0, "dead_percent": 0, "changed_rows": 0, "changed_percent": 0, "freeze_age": 1, "multixact_age": 1, "urgent_age": 1,
        "bloat_percent": 1, "bloat_size": "1B", "rate": "1MiB", **change})
    needs = {1: (Need(7, 230, policy.free_space or 0, policy.unknown_room),)}
    rooms = {7: Room("fast", None, "/srv/fast"), 8: Room("slow", None)}
    plan = plan_rewrites(Plan((), (AIRY,)), TABLES, Study({}, needs, rooms, policy))
    assert plan.work[-1].room == needs[1]
    assert [(finding.check, finding.subject, finding.status.value) for finding in plan.advice] == [("database.room", "fast", "warn")] * told
