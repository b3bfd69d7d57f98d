# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging a schema is pure: indexes, keys and sequences as plain values in, findings out."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.schema_judge import (
    SchemaPolicy,
    duplicates,
    judge_schema,
    redundant,
    used_percent,
    whole,
)
from hypothesis import given
from hypothesis import strategies as st

POLICY = {"unused_indexes": {"after": "30d", "size": "1MiB", "status": "warn"}, "duplicate_indexes": {"status": "fail"},
          "redundant_indexes": {"status": "warn"}, "foreign_keys": {"size": "1MiB", "status": "warn"},
          "sequences": {"warn": 70, "fail": 90}, "without_history": "unknown"}
OIDS = itertools.count(1)
DAY = 86400


def index(name="i", columns="1", **change):
    oid = next(OIDS)
    keys = len(columns.split())
    return {"oid": oid, "root": change.get("root", oid), "table_oid": 1, "name": f"public.{name}", "table": "public.t", "method": "btree",
            "partitioned": False, "bytes": 2 << 20, "unique": False, "primary": False, "identity": False, "immediate": True,
            "constrained": False, "columns": columns, "keys": keys, "classes": " ".join(["1"] * keys), "collations": " ".join(["0"] * keys),
            "options": " ".join(["0"] * keys), "expressions": None, "predicate": None, "distinct_nulls": True, "scans": 5,
            "unused_seconds": None, **change}


def facts(*indexes, **change):
    return {"name": "shop", "version": "17", "indexes": list(indexes), "counted": {"seconds": 40.0 * DAY, "standbys": 0},
            "foreign_keys": [], "sequences": [], "sizes": {}, **change}


def judged(seen, **policy):
    return {(finding.check.removeprefix("database."), finding.subject): finding
            for finding in judge_schema(seen, SchemaPolicy.from_options({**POLICY, **policy}))}


def names(pairs):
    return {(one["name"].removeprefix("public."), other["name"].removeprefix("public.")) for one, other in pairs}


@pytest.mark.parametrize("first, second, gone", [
    (index("a"), index("b"), {("b", "a")}),
    (index("a"), index("b", primary=True, unique=True, constrained=True), {("a", "b")}),
    (index("a"), index("b", unique=True), {("a", "b")}),
    (index("a", unique=True), index("b", unique=True, constrained=True), {("a", "b")}),
    (index("a", unique=True), index("b", unique=True, distinct_nulls=False), set()),
    (index("a", unique=True, constrained=True, immediate=False), index("b", unique=True), set()),
    (index("a", identity=True), index("b"), {("b", "a")}),
    (index("a"), index("b", predicate="{x}"), set()),
    (index("a"), index("b", method="hash"), set()),
    (index("a"), index("b", classes="2"), set()),
    (index("a"), index("b", collations="950"), set()),
    (index("a"), index("b", options="1"), set()),
    (index("a"), index("b", table_oid=2), set()),
    (index("a", "0", expressions="{f}"), index("b", "0", expressions="{g}"), set()),
    (index("a", "1 2", keys=1, classes="1", collations="0", options="0"), index("b"), set()),
])
def test_equal_indexes(first, second, gone):
    assert names(duplicates([first, second])) == gone


@pytest.mark.parametrize("narrow, wide, found", [
    (index("a", "1"), index("b", "1 2"), True), (index("a", "2"), index("b", "1 2"), False),
    (index("a", "1", unique=True), index("b", "1 2"), False), (index("a", "1", constrained=True), index("b", "1 2"), False),
    (index("a", "1"), index("b", "1 2", predicate="{p}"), False), (index("a", "1"), index("b", "1 2", options="3 0"), False),
    (index("a", "1 3", keys=1, classes="1", collations="0", options="0"), index("b", "1 2"), False),
    (index("a", "1 2", keys=1, classes="1", collations="0", options="0"), index("b", "1 2"), True),
    (index("a", "0", expressions="{f}"), index("b", "0 2", expressions="{f}"), False),
    (index("a", "1", method="gin"), index("b", "1 2", method="gin"), False),
])
def test_indexes_that_another_one_begins_with(narrow, wide, found):
    assert names(redundant([narrow, wide])) == ({("a", "b")} if found else set())


@given(st.lists(st.builds(lambda columns, unique, constrained: index("x", columns, unique=unique or constrained, constrained=constrained),
                          st.sampled_from(["1", "1 2", "2", "1 2 3"]), st.booleans(), st.booleans()), max_size=8))
def test_what_is_to_go_is_served_by_one_that_stays(indexes):
    """However many are dropped: each question is still answered, and what enforced something is enforced by an equal one."""
    pairs = [*duplicates(indexes), *redundant(indexes)]
    gone = {one["oid"] for one, _other in pairs}
    staying = [one for one in indexes if one["oid"] not in gone]
    for one in indexes:
        assert any(other["columns"].split()[:one["keys"]] == one["columns"].split() for other in staying)
        if one["unique"]:
            assert any(other["columns"] == one["columns"] and other["unique"] for other in staying)


def test_unused_means_for_long_enough():
    seen = judged(facts(index("idle", "1", scans=0), index("used", "2"), index("small", "3", scans=0, bytes=8192),
                        index("key", "4", scans=0, unique=True), index("old", "5", scans=9, unused_seconds=31.0 * DAY),
                        index("fresh", "6", scans=9, unused_seconds=1.0)))
    found = {key[1]: finding for key, finding in seen.items() if key[0] == "unused_index"}
    assert set(found) == {"public.idle", "public.old"}
    assert "not used for 40d" in found["public.idle"].message and found["public.idle"].hint == "Run: DROP INDEX CONCURRENTLY public.idle;"
    assert "not used for 31d" in found["public.old"].message


def test_an_unused_index_that_serves_in_place_of_another_is_not_named():
    """Who drops the duplicate and the unused one would else have none."""
    seen = judged(facts(index("a", scans=0), index("b", scans=9), index("c", "2 3", scans=0), index("d", "2", scans=9)))
    assert {key for key in seen if key[0] == "unused_index"} == {("unused_index", "shop")}
    assert ("duplicate_index", "public.b") in seen and ("redundant_index", "public.d") in seen


def test_young_counters_are_no_proof():
    young = {"seconds": 3.0 * DAY, "standbys": 0}
    seen = judged(facts(index("idle", scans=0), index("old", "2", scans=9, unused_seconds=31.0 * DAY), counted=young))
    assert seen["unused_index", "shop"].status == "unknown" and "only counted for 3d" in seen["unused_index", "shop"].message
    assert seen["unused_index", "public.old"].status == "warn"
    quiet = judged(facts(index("idle", scans=0), counted=young), without_history="ignore")
    assert quiet["unused_index", "shop"].status == "pass"


def test_partitions_count_to_the_whole_and_standbys_are_named():
    top = index("top", partitioned=True, bytes=0, scans=0)
    seen = facts(top, index("p1", root=top["oid"], scans=0, bytes=1 << 20), index("p2", root=top["oid"], scans=0, bytes=1 << 20),
                 counted={"seconds": 40.0 * DAY, "standbys": 2})
    assert [one["bytes"] for one in whole(seen["indexes"])] == [2 << 20]
    hint = judged(seen)["unused_index", "public.top"].hint
    assert hint.startswith("Run: DROP INDEX public.top;") and "2 standbys" in hint


def test_a_foreign_key_without_an_index_has_the_statement():
    key = {"name": "t_u_fkey", "table": "public.t", "referenced": "u", "columns": '"a B", c', "partitioned": False, "bytes": 5 << 20}
    seen = judged(facts(foreign_keys=[key, {**key, "name": "small", "bytes": 100}]))
    assert seen["foreign_key_index", "public.t.t_u_fkey"].hint == 'Run: CREATE INDEX CONCURRENTLY ON public.t ("a B", c);'
    assert len([check for check, _subject in seen if check == "foreign_key_index"]) == 1
    assert judged(facts(foreign_keys=[key]), exclude=["public.t"])["foreign_key_index", "shop"].status == "pass"


def sequence(last, **change):
    return {"name": "public.s", "increment": 1, "minimum": 1, "maximum": 2 ** 63 - 1, "cycles": False, "readable": True, "last": last,
            "column": None, "type": None, "bits": None, **change}


@pytest.mark.parametrize("seen, used", [
    (sequence(None), 0.0), (sequence(2 ** 62), 50.0), (sequence(2 ** 30, bits=31, column="c", type="integer"), 50.0),
    (sequence(2 ** 31 + 5, bits=31), 100.0), (sequence(30000, maximum=32767, bits=15), 91.56), (sequence(9, maximum=10, cycles=True), 0.0),
    (sequence(2 ** 30, cycles=True, bits=31), 50.0), (sequence(-50, increment=-1, minimum=-100, maximum=-1), 49.49),
    (sequence(5, readable=False), None)])
def test_how_much_of_a_sequence_is_gone(seen, used):
    assert used_percent(seen) == used


def test_sequences_near_their_end():
    seen = judged(facts(sequences=[sequence(2 ** 31 * 95 // 100, bits=31, column="public.t.id", type="integer"),
                                   sequence(1, name="public.w")]))
    assert seen["sequence", "public.s"].status == "fail" and "feeds public.t.id (integer)" in seen["sequence", "public.s"].message
    assert judged(facts(sequences=[sequence(1, readable=False)]))["sequence", "shop"].status == "unknown"


def test_a_section_that_could_not_be_read_is_unknown():
    seen = judged(facts(indexes={"error": "no", "hint": "do"}, counted={"error": "no", "hint": ""}))
    assert seen["indexes", "shop"].status == "unknown" and seen["foreign_key_index", "shop"].status == "pass"


def test_many_alike_are_counted():
    seen = judged(facts(*[index(f"n{number}", str(number), scans=0) for number in range(50)]))
    assert seen["unused_index", "shop"].message == "and 30 more"


@pytest.mark.parametrize("policy", [{"unused": {}}, {"unused_indexes": {"status": "warn", "size": "1MiB"}}, {"sequences": {"fail": 101}},
                                    {"duplicate_indexes": {"status": "pass"}}, {"unused_indexes": {"after": "-1d", "status": "warn"}}])
def test_what_cannot_be_meant_is_refused(policy):
    with pytest.raises(InvalidOption):
        SchemaPolicy.from_options(policy)
