# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing fingerprints is pure."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.differences import compare_fingerprints

GOOD = {
    "format": 1, "mode": "sampled", "probe": "17", "server_version": 150008,
    "database": {"encoding": "UTF8", "collate": "C", "ctype": "C", "provider": "c", "locale": None},
    "tables": {"public.a": {"rows": 3, "hash": "42", "sample": None},
               "public.b": {"rows": 1000, "hash": "-7", "sample": {"modulus": 8, "key": ["id"]}}},
    "sequences": {"public.up": {"last_value": 10, "is_called": True, "increment": 1},
                  "public.down": {"last_value": -10, "is_called": True, "increment": -1}},
    "extensions": {"plpgsql": "1.0"}, "large_objects": 2,
}


def changed(**paths):
    """GOOD with the value at ``a__b__c`` replaced; None takes it out."""
    found = copy.deepcopy(GOOD)
    for path, value in paths.items():
        *folders, last = path.split("__")
        place = found
        for folder in folders:
            place = place[folder]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return found


def test_the_same_has_no_difference():
    assert compare_fingerprints(GOOD, copy.deepcopy(GOOD)) == []


@pytest.mark.parametrize("actual, verdict, said", [
    ({"tables__public.a__rows": 2}, "different", "table public.a has 2 rows, had 3"),
    ({"tables__public.a__hash": "43"}, "different", "table public.a has as many rows, but not the same values"),
    ({"tables__public.a": None}, "different", "table public.a is missing; it had 3 rows"),
    ({"tables__public.c": {"rows": 0, "hash": "0", "sample": None}}, "different", "table public.c was not in the backup"),
    ({"sequences__public.up__last_value": 9}, "different", "sequence public.up stands at 9, behind 10"),
    ({"sequences__public.down__last_value": -9}, "different", "sequence public.down stands at -9, behind -10"),
    ({"sequences__public.up__is_called": False}, "different", "sequence public.up stands at 10, behind 10"),
    ({"sequences__public.up": None}, "different", "sequence public.up is missing"),
    ({"extensions__plpgsql": None}, "different", "extension plpgsql is missing"),
    ({"extensions__plpgsql": "1.1"}, "notice", "extension plpgsql is 1.1, was 1.0"),
    ({"large_objects": 1}, "different", "1 large objects where there were 2"),
    ({"database__collate": "de_DE"}, "notice", "the database's collate is de_DE, was C"),
    ({"server_version": 170002}, "notice", "restored into PostgreSQL 17, was 15"),
])
def test_each_difference_is_told(actual, verdict, said):
    [difference] = compare_fingerprints(GOOD, changed(**actual))
    assert (difference.verdict, difference.message) == (verdict, said)


def test_a_sequence_that_moved_on_while_it_was_dumped_is_no_difference():
    assert compare_fingerprints(GOOD, changed(**{"sequences__public.up__last_value": 12,
                                                 "sequences__public.down__last_value": -12})) == []


@pytest.mark.parametrize("sample", [None, {"modulus": 16, "key": ["id"]}, {"modulus": 8, "key": ["other"]}])
def test_other_samples_are_never_equal_even_where_the_hashes_are(sample):
    actual = copy.deepcopy(GOOD)
    actual["tables"]["public.b"]["sample"] = sample
    [difference] = compare_fingerprints(GOOD, actual)
    assert difference.verdict == "unknown" and "other rows were sampled" in difference.message


def test_other_samples_do_not_hide_missing_rows():
    actual = copy.deepcopy(GOOD)
    actual["tables"]["public.b"] = {"rows": 999, "hash": "-7", "sample": None}
    assert [one.verdict for one in compare_fingerprints(GOOD, actual)] == ["different"]


@pytest.mark.parametrize("actual", [{"format": 2}, {"probe": "18"}, {"database__encoding": "LATIN1"}])
def test_hashes_that_were_made_otherwise_are_unknown(actual):
    verdicts = {one.name: one.verdict for one in compare_fingerprints(GOOD, changed(**actual))}
    assert verdicts["public.a"] == verdicts["public.b"] == "unknown"
    assert "different" not in verdicts.values()
