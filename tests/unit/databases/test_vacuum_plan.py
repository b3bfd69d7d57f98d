# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning a vacuum is pure: tables and a policy in, a plan out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.tables import Holder, Table
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.vacuum_plan import VacuumPolicy, plan_vacuum

NOON = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
OPTIONS = {"dead_rows": 100, "dead_percent": 10, "changed_rows": 100, "changed_percent": 10, "freeze_age": 1000, "multixact_age": 2000,
           "urgent_age": 5000, "bloat_percent": 50, "bloat_size": "1MiB", "rate": "50MiB", "exclude": ["audit.*"]}
POLICY = VacuumPolicy.from_options(OPTIONS)


def table(name: str = "t", *, oid: int = 1, **facts) -> Table:
    return Table(oid, facts.pop("schema", "public"), name, f"public.{name}",
                 **{"root": oid, "rows": 1000, "live_rows": 1000, "bytes": 80000, "last_vacuum": NOON, **facts})


def actions(plan) -> list[tuple[str, str]]:
    return [(work.relation, work.action) for work in plan.work]


def test_a_table_in_order_is_left_alone():
    assert plan_vacuum([table(dead_rows=200, changed_rows=200)], POLICY).work == ()


def test_one_dead_row_over_the_limit_makes_it_due():
    [work] = plan_vacuum([table(dead_rows=201)], POLICY).work
    assert work.statement == "VACUUM {relation}" and work.names == {"relation": ("public", "t")}
    assert work.reason == "201 dead rows beside 1000 live ones"


def test_wraparound_comes_before_all_then_dead_rows_then_analyze_each_worst_first():
    plan = plan_vacuum([table("changed", oid=1, changed_rows=500), table("few", oid=2, dead_rows=300), table("young", oid=3, xid_age=1001),
                        table("many", oid=4, dead_rows=900), table("old", oid=5, toast_xid_age=3000)], POLICY)
    assert actions(plan) == [("public.old", "vacuum freeze"), ("public.young", "vacuum freeze"), ("public.many", "vacuum"),
                             ("public.few", "vacuum"), ("public.changed", "analyze")]
    assert not any(work.urgent for work in plan.work)


def test_beyond_the_urgent_age_work_is_urgent_and_multixacts_count_too():
    plan = plan_vacuum([table(xid_age=5001), table("m", oid=2, multixact_age=2001)], POLICY)
    assert [(work.action, work.urgent) for work in plan.work] == [("vacuum freeze", True), ("vacuum freeze", False)]


def test_dead_rows_and_changes_are_one_statement():
    [work] = plan_vacuum([table(dead_rows=900, changed_rows=900, xid_age=1500)], POLICY).work
    assert work.statement == "VACUUM (FREEZE, ANALYZE) {relation}" and work.action == "vacuum freeze analyze"


def test_a_toast_table_alone_is_vacuumed_alone():
    [work] = plan_vacuum([table(toast_name="pg_toast_1", toast_dead_rows=900, toast_live_rows=10)], POLICY).work
    assert work.names == {"relation": ("pg_toast", "pg_toast_1")} and work.action == "vacuum toast" and work.relation == "public.t"


def test_what_a_policy_excludes_is_not_due():
    assert plan_vacuum([table("log", schema="audit", dead_rows=10**6)], POLICY).work == ()


def test_a_table_without_the_right_is_skipped_and_told():
    plan = plan_vacuum([table(dead_rows=900, allowed=False)], POLICY)
    assert plan.work == () and "may not vacuum" in plan.skipped[0].reason and "MAINTAIN" in plan.skipped[0].hint


@pytest.mark.parametrize("since, skipped", [(NOON - timedelta(minutes=1), True), (NOON + timedelta(minutes=1), False), (None, False)])
def test_a_vacuum_in_vain_is_not_repeated(since, skipped):
    holder = Holder("session 7 of app", 500, since, "SELECT pg_terminate_backend(7);")
    plan = plan_vacuum([table(dead_rows=900)], POLICY, holder)
    assert bool(plan.skipped) is skipped and bool(plan.work) is not skipped
    if skipped:
        assert "session 7 of app" in plan.skipped[0].reason and "pg_terminate_backend(7)" in plan.skipped[0].hint


def test_freezing_what_an_equally_old_transaction_holds_is_not_tried_and_is_urgent_where_the_policy_says():
    holder = Holder("replication slot s", 5990, None, "drop it")
    [skip] = plan_vacuum([table(xid_age=6000)], POLICY, holder).skipped
    assert skip.urgent and "replication slot s" in skip.reason
    assert plan_vacuum([table(xid_age=60000)], POLICY, holder).work  # here freezing wins most of it


def test_a_table_with_rows_and_no_statistics_is_vacuumed_once():
    lost = table(live_rows=0, last_vacuum=None, rows=10**6, bytes=80 * 2**20)
    assert actions(plan_vacuum([lost], POLICY)) == [("public.t", "vacuum analyze")]
    small = table(live_rows=0, last_vacuum=None, rows=100, bytes=8192)  # the catalogs of each new database are like this
    assert plan_vacuum([small], POLICY).work == ()


def test_air_that_vacuum_cannot_give_back_is_told_and_measured_air_is_believed():
    airy = {"bytes": 100 * 2**20, "needed_bytes": 10 * 2**20}
    [skip] = plan_vacuum([table(**airy)], POLICY).skipped
    assert skip.check == "database.bloat" and "estimated 90%" in skip.reason and "VACUUM (FULL, ANALYZE) public.t;" in skip.hint
    assert plan_vacuum([table(**airy, measured=(0.0, 20.0))], POLICY).skipped == ()
    assert actions(plan_vacuum([table(**airy, measured=(40.0, 20.0))], POLICY)) == [("public.t", "vacuum")]


def test_a_partitioned_table_is_analyzed_after_its_partitions_in_the_same_session():
    parent = table("p", oid=9, root=9, partitioned=True, partitions_rows=5000.0, rows=-1, last_vacuum=None)
    part = table("p1", oid=10, root=9, changed_rows=5000)
    other = table("x", oid=11, dead_rows=900)
    plan = plan_vacuum([parent, part, other], POLICY)
    assert [[work.relation for work in group] for group in plan.groups()] == [["public.x"], ["public.p1", "public.p"]]
    assert plan_vacuum([table("p", oid=9, partitioned=True, partitions_rows=1050.0, rows=1000)], POLICY).work == ()


def test_only_the_kinds_of_work_that_are_asked_for():
    tables = [table("old", oid=1, xid_age=1500, changed_rows=500), table("dead", oid=2, dead_rows=900, changed_rows=500),
              table("p", oid=3, partitioned=True, partitions_rows=5000.0, rows=-1),
              table("airy", oid=4, bytes=100 * 2**20, needed_bytes=10 * 2**20)]

    def planned(*kinds):
        return plan_vacuum(tables, VacuumPolicy.from_options({**OPTIONS, "kinds": list(kinds)}))

    assert actions(planned("freeze")) == [("public.old", "vacuum freeze")] and planned("freeze").skipped == ()
    assert actions(planned("vacuum")) == [("public.dead", "vacuum")] and len(planned("vacuum").skipped) == 1
    assert actions(planned("analyze")) == [("public.old", "analyze"), ("public.dead", "analyze"), ("public.p", "analyze")]
    assert actions(planned("freeze", "vacuum", "analyze")) == actions(plan_vacuum(tables, POLICY))


def test_a_table_with_lost_statistics_is_only_analyzed_where_only_that_is_asked_for():
    lost = table(live_rows=0, last_vacuum=None, rows=10**6, bytes=80 * 2**20)
    assert actions(plan_vacuum([lost], VacuumPolicy.from_options({**OPTIONS, "kinds": ["analyze"]}))) == [("public.t", "analyze")]
    assert plan_vacuum([lost], VacuumPolicy.from_options({**OPTIONS, "kinds": ["freeze"]})).work == ()


def test_a_large_toast_table_in_order_is_left_out_where_the_server_can_do_that():
    heavy = table(dead_rows=900, toast_name="pg_toast_1", toast_bytes=10**9, toast_live_rows=1000)
    [work] = plan_vacuum([heavy], POLICY, server_version=150000).work
    assert work.statement == "VACUUM (PROCESS_TOAST FALSE) {relation}" and work.action == "vacuum" and work.bytes == 80000
    [work] = plan_vacuum([heavy], POLICY, server_version=130000).work
    assert work.statement == "VACUUM {relation}" and work.bytes == 10**9 + 80000
    for facts in ({"toast_dead_rows": 900}, {"xid_age": 1500}, {"toast_xid_age": 1500}):
        [work] = plan_vacuum([replace(heavy, **facts)], POLICY, server_version=150000).work
        assert "PROCESS_TOAST" not in work.statement
    [work] = plan_vacuum([replace(heavy, dead_rows=0, toast_dead_rows=900)], POLICY, server_version=150000).work
    assert work.statement == "VACUUM {relation}" and work.names == {"relation": ("pg_toast", "pg_toast_1")}


def test_air_in_a_toast_table_is_told_even_if_its_rows_were_as_large_as_can_be():
    airy = table(toast_name="pg_toast_1", toast_bytes=100 * 2**20, toast_needed_bytes=10 * 2**20)
    [skip] = plan_vacuum([airy], POLICY).skipped
    assert skip.check == "database.bloat" and "90% or more of its TOAST table's 100.0 MiB" in skip.reason and skip.oid == 1
    assert plan_vacuum([replace(airy, toast_needed_bytes=60 * 2**20)], POLICY).skipped == ()


@pytest.mark.parametrize("parallel, indexes, said, settings", [
    (None, 3, "VACUUM {relation}", {}), (4, 3, "VACUUM (PARALLEL 4) {relation}", {"max_parallel_maintenance_workers": "4"}),
    (4, 1, "VACUUM {relation}", {}), (0, 3, "VACUUM (PARALLEL 0) {relation}", {}),
])
def test_indexes_are_vacuumed_by_as_many_workers_as_the_policy_has(parallel, indexes, said, settings):
    policy = VacuumPolicy.from_options({**OPTIONS, **({} if parallel is None else {"parallel": parallel})})
    [work] = plan_vacuum([table(dead_rows=900, indexes=indexes)], policy).work
    assert work.statement == said and work.settings == settings


@pytest.mark.parametrize("change, said", [
    ({"kinds": []}, "no list of kinds"), ({"kinds": ["full"]}, "no list of kinds"), ({"kinds": "analyze"}, "is not a list of text"),
    ({"parallel": 2000}, "no number of workers"), ({"parallel": 1.5}, "no number of workers"), ({"rewrite": "cluster"}, "rewrites nothing"),
    ({"propose_rows": -1}, "-1 is not a number"),
    ({"dead_rowz": 1}, "unknown key 'dead_rowz'"), ({"dead_rows": -1}, "-1 is not a number"),
    ({"dead_percent": 101}, "101 is not a percentage"),
    ({"bloat_size": "much"}, "policy.bloat_size: 'much' is not a size"), ({"exclude": "audit"}, "is not a list of text"),
    ({"freeze_age": True}, "True is not a number"), ({"freeze_age": None}, "freeze_age is missing"),
])
def test_a_policy_that_makes_no_sense_is_refused_with_a_hint(change, said):
    with pytest.raises(InvalidOption) as error:
        VacuumPolicy.from_options({**OPTIONS, **change})
    assert said in error.value.message and error.value.hint
