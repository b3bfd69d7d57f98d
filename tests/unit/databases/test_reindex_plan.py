# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning a rebuild of indexes is pure: indexes and a policy in, a plan out."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.indexes import Index, measured_bloat
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.reindex_plan import ReindexPolicy, plan_reindex

OPTIONS = {"bloat_percent": 40, "estimated_percent": 60, "bloat_size": "1MiB", "rate": "20MiB", "exclude": ["audit.*"]}
POLICY = ReindexPolicy.from_options(OPTIONS)


def index(name: str = "i", *, oid: int = 1, **facts) -> Index:
    return Index(oid, **{"schema": "public", "name": name, "title": f"public.{name}", "table_oid": 100 + oid, "pages": 1000,
                         "rows": 366000, "key_bytes": 4, **facts})


def test_the_estimate_is_what_create_index_makes():
    # PostgreSQL 15: CREATE INDEX on 1,000,000 distinct integers makes 2745 pages, on 1,000,000 times one of ten 850.
    assert index(rows=1_000_000).needed_pages(deduplicate=False) == pytest.approx(2745, rel=0.02)
    same = index(rows=1_000_000, deduplicated=True, ln_distinct=math.log(10))
    assert same.needed_pages(deduplicate=True) == pytest.approx(850, rel=0.05)


def test_what_the_catalog_does_not_know_is_not_estimated():
    assert index(rows=-1).needed_pages(deduplicate=False) is None
    assert index(key_bytes=None).bloat_percent(deduplicate=True) is None
    assert index(method="gin").bloat_percent(deduplicate=True) is None


def test_an_index_without_bloat_is_left_alone():
    assert plan_reindex([index(), index(rows=250000)], POLICY).work == ()


def test_an_estimate_is_held_against_its_own_limit_and_a_measurement_wins():
    half = index(rows=180000)
    assert POLICY.suspicious(half) and plan_reindex([half], POLICY).work == ()
    [work] = plan_reindex([index(rows=180000, measured_percent=51.0)], POLICY).work
    assert work.statement == "REINDEX INDEX CONCURRENTLY {index}" and "51% of its 7.8 MiB is bloat, as measured" in work.reason
    assert plan_reindex([index(rows=0, measured_percent=3.0)], POLICY).work == ()


@pytest.mark.parametrize("estimated_percent", [20, 60])
def test_what_is_not_worth_a_look_is_neither_due_nor_suspicious(estimated_percent):
    policy = ReindexPolicy.from_options({**OPTIONS, "estimated_percent": estimated_percent})
    every = [index(rows=rows, deduplicated=many, ln_distinct=math.log(10) if many else None, valid=rows != 1000)
             for rows in range(0, 366000, 1000) for many in (False, True)] + [index(key_bytes=None), index(rows=-1), index(pages=10)]
    passed_over = [one for one in every if not policy.worth_a_look(one)]
    assert passed_over and plan_reindex(passed_over, policy).work == () and not any(map(policy.suspicious, passed_over))
    assert all(one in passed_over for one in every if one.valid and one.bytes < policy.bloat_size and one.key_bytes)
    assert all(policy.worth_a_look(one) for one in every if not one.valid or one.key_bytes is None)


def test_leftovers_first_then_invalid_ones_then_by_what_is_won_and_one_group_per_table():
    small = index("small", oid=1, rows=0, table_oid=7)
    large = index("large", oid=2, rows=0, pages=9000, table_oid=8)
    broken = index("broken", oid=3, valid=False, table_oid=8)
    leftover = index("small_ccnew", oid=4, valid=False, has_twin=True, table_oid=7)
    plan = plan_reindex([small, large, broken, leftover], POLICY)
    assert [(work.relation, work.action) for work in plan.work] == [
        ("public.small_ccnew", "drop leftover"), ("public.broken", "reindex"), ("public.large", "reindex"), ("public.small", "reindex")]
    assert [[work.relation for work in group] for group in plan.groups()] == [
        ["public.small_ccnew", "public.small"], ["public.broken", "public.large"]]


def test_where_all_indexes_of_a_small_table_are_due_one_statement_does_them():
    table = {"indexed_oid": 7, "table_oid": 7, "siblings": 2, "table_schema": "public", "table_name": "t", "table_title": "public.t"}
    both = [index(name, oid=oid, rows=0, **table) for oid, name in ((1, "a"), (2, "b"))]
    [work] = plan_reindex(both, POLICY).work
    assert (work.relation, work.statement, work.names) == ("public.t", "REINDEX TABLE CONCURRENTLY {table}", {"table": ("public", "t")})
    assert work.oids == (1, 2) and work.bytes == 2000 * 8192 and work.reason.count("by estimate") == 2
    assert len(plan_reindex(both[:1], POLICY).work) == 1 and plan_reindex(both[:1], POLICY).work[0].action == "reindex"
    large = [replace(one, pages=5000) for one in both]  # a cancellation would lose too much
    assert [work.action for work in plan_reindex(large, POLICY).work] == ["reindex", "reindex"]


def test_an_invalid_index_without_its_twin_is_rebuilt_and_not_dropped():
    [work] = plan_reindex([index("mine_ccnew", valid=False)], POLICY).work
    assert work.action == "reindex"


@pytest.mark.parametrize("facts, said", [
    ({"building": True}, "another session is building"), ({"partitioned": True}, "not all partitions"),
    ({"exclusion": True}, "exclusion constraint"), ({"allowed": False}, "may not maintain"),
])
def test_what_cannot_be_done_is_told(facts, said):
    plan = plan_reindex([index(valid=False, **facts)], POLICY)
    assert plan.work == () and said in plan.skipped[0].reason and plan.skipped[0].hint


def test_too_little_to_win_is_not_worth_a_rebuild():
    assert plan_reindex([index(pages=100, rows=0)], POLICY).work == ()


def test_measured_bloat_of_an_emptied_and_of_a_packed_index():
    emptied = {"index_size": 8192 * 1000, "leaf_pages": 1, "internal_pages": 1, "avg_leaf_density": float("nan")}
    assert measured_bloat(emptied, index()) == pytest.approx(99.9, abs=0.2)
    packed = {"index_size": 8192 * 1000, "leaf_pages": 995, "internal_pages": 4, "avg_leaf_density": 90.1}
    assert measured_bloat(packed, index()) == pytest.approx(0, abs=0.1)
    half = {"index_size": 8192 * 1001, "leaf_pages": 995, "internal_pages": 5, "avg_leaf_density": 45.0}
    assert measured_bloat(half, index()) == pytest.approx(50, abs=0.5)


@pytest.mark.parametrize("change, said", [
    ({"bloat": 1}, "unknown key 'bloat'"), ({"bloat_percent": 140}, "140 is not a percentage"),
    ({"rate": "-1MB"}, "is not a size"), ({"estimated_percent": None}, "estimated_percent is missing"),
])
def test_a_policy_that_makes_no_sense_is_refused_with_a_hint(change, said):
    with pytest.raises(InvalidOption) as error:
        ReindexPolicy.from_options({**OPTIONS, **change})
    assert said in error.value.message and error.value.hint
