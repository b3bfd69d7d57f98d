# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judgements on a restored vector store, with plain values."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.vector_tally import coded
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.neighbours import Nearest, Recall, share_found
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.vector_objects import for_one_node, metric_of
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.vectors import (
    VectorPolicy,
    compare_collections,
    compare_samples,
    judge_indexes,
    judge_recall,
    judge_samples,
    lacking,
)

ENTRY = {"count": 2, "ids": "a", "content": "c", "schema": {"x": 1}, "vectors": "v",
         "sample": {"1": {"": coded([1.0, 2.0])}}}


@pytest.mark.parametrize("change, said", [
    ({"count": 3}, "has 3 objects, had 2"),
    ({"ids": "b"}, "not the same ids"),
    ({"content": "d"}, "not the same properties"),
    ({"schema": {"x": 2}}, "defined otherwise: x"),
])
def test_each_difference_of_a_collection_is_named(change, said):
    assert compare_collections({"A": ENTRY}, {"A": ENTRY}) == []
    [found] = compare_collections({"A": ENTRY}, {"A": {**ENTRY, **change}})
    assert said in found.message and found.name == "A" and found.verdict == "different"


def test_a_collection_that_is_missing_or_new_is_named():
    assert "is missing; it had 2" in compare_collections({"A": ENTRY}, {})[0].message
    assert "was not in the backup" in compare_collections({}, {"A": ENTRY})[0].message


@pytest.mark.parametrize("now, tolerance, status", [
    ([1.0, 2.0], 0.0, "pass"), ([1.0, 2.5], 0.0, "fail"), ([1.0, 2.5], 0.5, "pass"), ([1.0, 2.5], 0.4, "fail"), ([1.0], 9.0, "fail"),
    ([1.0, float("nan")], 9.0, "fail"),
])
def test_vectors_are_held_against_the_tolerance(now, tolerance, status):
    sampled = compare_samples({"A": ENTRY}, {"A": {"vectors": "v", "sample": {"1": {"": coded(now)}}}}, tolerance=tolerance)
    assert judge_samples("plan", sampled, tolerance=tolerance).status.value == status


def test_a_vector_beyond_the_sample_that_is_another_fails_where_nothing_is_tolerated():
    other = {"A": {**ENTRY, "vectors": "w"}}
    assert judge_samples("p", compare_samples({"A": ENTRY}, other, tolerance=0.0), tolerance=0.0).status.value == "fail"
    assert judge_samples("p", compare_samples({"A": ENTRY}, other, tolerance=0.1), tolerance=0.1).status.value == "pass"


def test_no_vector_is_unknown_and_a_missing_one_fails():
    assert judge_samples("p", compare_samples({}, {}, tolerance=0.0), tolerance=0.0).status.value == "unknown"
    assert judge_samples("p", compare_samples({"A": ENTRY}, {}, tolerance=0.0), tolerance=0.0).status.value == "fail"


@pytest.mark.parametrize("expected, seen, status", [
    (["i"], {"i": ""}, "pass"), (["i"], {}, "fail"), (["i"], {"i": "is not valid"}, "fail"), ([], {}, "warn"), ([], {"new": ""}, "pass"),
])
def test_indexes_have_to_be_there_and_valid(expected, seen, status):
    assert judge_indexes("plan", expected, seen).status.value == status


@pytest.mark.parametrize("measured, minimum, status", [
    (Recall("i", 10, 5, 0.96), 0.95, "pass"), (Recall("i", 10, 5, 0.94), 0.95, "fail"), (Recall("i", 10, 5, 0.1), None, "pass"),
    (Recall("i", 10, 0, None, "it is empty"), 0.95, "unknown"), (Recall("i", 10, 0, None, "not used", unusable=True), None, "fail"),
])
def test_recall_is_held_against_the_limit_and_never_passes_unmeasured(measured, minimum, status):
    [found] = judge_recall("plan", [measured], minimum)
    assert found.status.value == status
    assert status == "pass" or found.hint


@pytest.mark.parametrize("distance, expected", [
    ("l2-squared", [0.0, 1.0, 4.0]), ("manhattan", [0.0, 1.0, 2.0]), ("hamming", [0.0, 1.0, 1.0]), ("dot", [-8.0, -6.0, -4.0]),
    ("cosine", [0.0, 0.0, 0.0]),
])
def test_true_neighbours_come_in_the_order_of_each_distance(distance, expected):
    nearest = Nearest([[2.0, 0.0]], distance, 3)
    for vector in ([-9.0, 0.0], [4.0, 0.0], [2.0, 0.0], [3.0, 0.0], [-1.0, 0.0], [1.0, 1.0, 1.0]):  # the last is of another size
        nearest.see(vector)
    assert nearest.distances() == [pytest.approx(expected)]


def test_recall_counts_by_distance_so_that_ties_do_no_harm():
    assert share_found([[0.0, 1.0, 1.0]], [[0.0, 1.0, 1.00000001]]) == 1.0
    assert share_found([[0.0, 1.0]], [[0.0, 3.0]]) == 0.5
    assert share_found([[0.0, 1.0], [0.0, 1.0]], [[], [0.0, 0.5, 0.7]]) == 0.5
    assert share_found([[]], [[]]) is None


@pytest.mark.parametrize("options", [{"recall_at": 0}, {"recall_minimum": 1.1}, {"tolerance": -0.1}, {"recall_queries": 0}, {"page": 0},
                                     {"ef_search": 0}, {"tolerance": float("nan")}])
def test_a_number_that_makes_no_sense_is_refused(options):
    with pytest.raises(InvalidOption):
        VectorPolicy.from_options(options)


def test_a_definition_for_one_node_brings_no_module_and_no_replica():
    adapted, notes = for_one_node({"class": "A", "vectorizer": "text2vec-x", "moduleConfig": {"text2vec-x": {}},
                                   "replicationConfig": {"factor": 3}, "properties": [{"name": "p", "moduleConfig": {}}]})
    assert adapted == {"class": "A", "vectorizer": "none", "properties": [{"name": "p"}]}
    assert notes == ["Collection A was restored without its module text2vec-x"]
    named = {"class": "B", "vectorConfig": {"v": {"vectorizer": {"text2vec-x": {}}, "vectorIndexConfig": {"distance": "dot"}}}}
    assert for_one_node(named)[0]["vectorConfig"]["v"]["vectorizer"] == {"none": {}}
    assert metric_of(named, "v") == "dot" and metric_of({}, "") == "cosine"
    assert metric_of({"vectorIndexConfig": {"multivector": {"enabled": True}}}, "") == "multi-vector"


def test_what_a_newer_server_adds_to_a_definition_is_no_difference():
    assert lacking({"a": {"b": 1}, "c": []}, {"a": {"b": 1, "new": 2}, "c": None}) == []
    assert lacking({"a": {"b": 1}}, {"a": {"b": 2}}) == ["a.b"]
    assert lacking({"a": [1, 2]}, {"a": [1]}) == ["a"]
