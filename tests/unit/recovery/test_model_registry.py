# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between two registries, with plain values."""

from __future__ import annotations

from copy import deepcopy

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.model_registry import fingerprint_of
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Damaged
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.model_registry import compare_registries

RUN = {"experiment": "x", "name": "r", "user": "u", "status": "FINISHED", "started": 1, "ended": 2, "params": {"p": "1"},
       "tags": {"t": "1"}, "metrics": [{"key": "m", "value": 1.0, "timestamp": 1, "step": 0}]}
RECORDS = {"format": 1, "runs": {"r1": RUN}, "models": [
    {"name": "churn", "description": "d", "tags": {"a": "b"}, "aliases": {"champion": "1"}, "versions": [
        {"version": 1, "stage": "None", "description": "", "tags": {}, "run_id": "r1", "run_link": "", "source": "s", "created": 5,
         "files": [{"path": "MLmodel", "bytes": 1, "sha256": "aa", "stored": "artifacts/000000"}]}]}]}


def test_ids_instants_and_our_own_tags_are_no_difference():
    other = deepcopy(RECORDS)
    version = other["models"][0]["versions"][0]
    version |= {"run_id": "r2", "source": "elsewhere", "created": 9, "tags": {"evenkeel.source": "s"}}
    other["runs"] = {"r2": {**RUN, "tags": {**RUN["tags"], "evenkeel.run_id": "r1"}}}
    assert compare_registries(fingerprint_of(RECORDS), fingerprint_of(other)) == []


@pytest.mark.parametrize("path, value, said", [
    (("models", 0, "description"), "e", "model churn has other description"),
    (("models", 0, "aliases"), {}, "model churn has other aliases"),
    (("models", 0, "versions", 0, "stage"), "Production", "churn version 1 has another stage"),
    (("models", 0, "versions", 0, "files"), [], "churn version 1: MLmodel is missing"),
    (("models", 0, "versions", 0, "version"), 2, "churn version 1 is missing"),
    (("models", 0, "name"), "other", "model churn is missing; it had 1 versions"),
    (("runs", "r1", "params"), {"p": "2"}, "churn version 1 has another run params"),
    (("runs", "r1", "metrics"), [], "churn version 1 has another run metrics"),
    (("runs",), {}, "churn version 1 has another run experiment"),
])
def test_each_difference_is_named(path, value, said):
    other = deepcopy(RECORDS)
    place = other
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert said in [one.message for one in compare_registries(fingerprint_of(RECORDS), fingerprint_of(other))]


def test_a_file_that_was_altered_or_came_of_itself_is_named():
    other = deepcopy(RECORDS)
    other["models"][0]["versions"][0]["files"] = [{"path": "MLmodel", "sha256": "bb"}, {"path": "new", "sha256": "cc"}]
    said = [one.message for one in compare_registries(fingerprint_of(RECORDS), fingerprint_of(other))]
    assert said == ["churn version 1: MLmodel is not the file that it was", "churn version 1: new was not in the backup"]


def test_a_document_that_is_none_is_damaged():
    with pytest.raises(Damaged):
        fingerprint_of({"models": [{}]})
