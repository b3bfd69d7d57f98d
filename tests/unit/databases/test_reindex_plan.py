# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning a rebuild of indexes is pure: indexes and a policy in, a plan out."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.indexes import Index, measured_bloat, unsafe_builds
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.reindex_plan import ReindexPolicy, plan_reindex
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.room import Room

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


@pytest.mark.parametrize("version, safe", [(130099, True), (140000, False), (140003, False), (140004, True), (150000, True)])
def test_versions_whose_concurrent_builds_lose_rows(version, safe):
    assert (unsafe_builds(version) == "") is safe


def test_on_such_a_server_nothing_is_rebuilt_and_leftovers_are_dropped_all_the_same():
    why = unsafe_builds(140003)
    found = [index("bloated", oid=1, rows=0, unsafe=why), index("broken", oid=2, valid=False, unsafe=why),
             index("left_ccnew", oid=3, valid=False, has_twin=True, unsafe=why)]
    plan = plan_reindex(found, POLICY)
    assert [work.action for work in plan.work] == ["drop leftover"]
    assert [skip.relation for skip in plan.skipped] == ["public.bloated", "public.broken"]
    assert all("PostgreSQL 14.3 can leave rows out" in skip.reason and "Update the server" in skip.hint for skip in plan.skipped)


def test_other_access_methods_are_rebuilt_by_policy_and_only_as_measured():
    policy = ReindexPolicy.from_options({**OPTIONS, "methods": {"gist": 60}})
    gist, hashed = index("g", oid=1, method="gist", key_bytes=None), index("h", oid=2, method="hash", key_bytes=None)
    assert policy.suspicious(gist) and policy.worth_a_look(gist) and not policy.suspicious(hashed) and not policy.worth_a_look(hashed)
    assert not POLICY.suspicious(gist) and not POLICY.worth_a_look(gist)
    assert plan_reindex([gist], policy).work == ()  # not measured
    assert plan_reindex([replace(gist, measured_percent=59.0)], policy).work == ()
    [work] = plan_reindex([replace(gist, measured_percent=61.0)], policy).work
    assert work.statement == "REINDEX INDEX CONCURRENTLY {index}" and "61%" in work.reason
    assert policy.worth_a_look(replace(hashed, valid=False))  # what is invalid is rebuilt whatever it is


ROOMY = ReindexPolicy.from_options({**OPTIONS, "free_space": "1GiB"})


def test_without_room_beside_the_old_one_an_index_is_not_rebuilt():
    tight = index(rows=0, room=Room("fast", 1000 * 8192 - 1))
    [skip] = plan_reindex([tight], ROOMY).skipped
    assert "needs 7.8 MiB beside the old one" in skip.reason and "tablespace fast" in skip.reason and skip.hint
    assert len(plan_reindex([replace(tight, room=Room("fast", 1000 * 8192))], ROOMY).work) == 1
    assert len(plan_reindex([tight], POLICY).work) == 1  # nobody asked
    leftover = index("left_ccnew", valid=False, has_twin=True, room=Room("fast", 0))
    assert [work.action for work in plan_reindex([leftover], ROOMY).work] == ["drop leftover"]


def test_indexes_that_fit_only_one_after_another_are_not_rebuilt_at_once():
    both = [index(name, oid=oid, rows=0, table_oid=9, indexed_oid=9, siblings=2, room=Room("fast", 1500 * 8192))
            for oid, name in ((1, "a"), (2, "b"))]
    assert [work.action for work in plan_reindex(both, ROOMY).work] == ["reindex", "reindex"]
    roomier = [replace(one, room=Room("fast", 2000 * 8192)) for one in both]
    assert [work.action for work in plan_reindex(roomier, ROOMY).work] == ["reindex table"]


@pytest.mark.parametrize("answer, works, findings, skips", [("warn", 1, 1, 0), ("refuse", 0, 0, 1), ("ignore", 1, 0, 0)])
def test_room_that_nobody_can_tell_is_said_or_refused(answer, works, findings, skips):
    plan = plan_reindex([index(rows=0, room=Room("fast", None))], replace(ROOMY, unknown_room=answer))
    assert (len(plan.work), len(plan.advice), len(plan.skipped)) == (works, findings, skips)
    assert all("not known" in said for said in [*(finding.message for finding in plan.advice), *(skip.reason for skip in plan.skipped)])


@pytest.mark.parametrize("change, said", [
    ({"methods": {"gin": 50}}, "unknown key 'gin'"), ({"methods": {"gist": 150}}, "is not a percentage"),
    ({"free_space": "-1"}, "is not a size"), ({"unknown_room": "hope"}, "is no answer"),
    ({"bloat": 1}, "unknown key 'bloat'"), ({"bloat_percent": 140}, "140 is not a percentage"),
    ({"rate": "-1MB"}, "is not a size"), ({"estimated_percent": None}, "estimated_percent is missing"),
])
def test_a_policy_that_makes_no_sense_is_refused_with_a_hint(change, said):
    with pytest.raises(InvalidOption) as error:
        ReindexPolicy.from_options({**OPTIONS, **change})
    assert said in error.value.message and error.value.hint
