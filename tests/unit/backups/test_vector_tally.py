# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fingerprint keeps of vectors."""

from __future__ import annotations

import random
import struct

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.vector_tally import Tally, coded, decoded
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Damaged
from hypothesis import given
from hypothesis import strategies as st

MEMBERS = [(f"id {number}", {"n": number}, {"": [number / 8, 1.0]}) for number in range(50)]


def tallied(members, sample: int = 5) -> dict:
    tally = Tally(sample)
    for member in members:
        tally.see(*member)
    return tally.result()


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1))
def test_a_vector_comes_back_bit_by_bit(vector):
    assert struct.pack(f"{len(vector)}f", *decoded(coded(vector))) == struct.pack(f"{len(vector)}f", *vector)


@pytest.mark.parametrize("vector", ["{1:2.5}/10", [[1.0, 2.0], [3.0, 4.0]]])
def test_what_is_no_list_of_numbers_is_kept_as_text(vector):
    assert coded(vector).startswith("text:") and decoded(coded(vector)) is None


@pytest.mark.parametrize("vector", [[1e39], ["x"], [None]])
def test_what_no_store_holds_is_refused(vector):
    with pytest.raises(Damaged):
        coded(vector)


@given(st.randoms())
def test_the_order_of_members_is_no_matter(chance):
    shuffled = random.Random(chance.random()).sample(MEMBERS, len(MEMBERS))
    assert tallied(shuffled) == tallied(MEMBERS)


def test_every_change_shows_in_its_own_digest():
    was = tallied(MEMBERS)
    assert was["count"] == 50 and len(was["sample"]) == 5 and was["dimensions"] == {"": [2, 2]}
    id, content, vectors = MEMBERS[7]
    for other, keys in (((id, content, {"": [0.0, 1.0]}), {"vectors"}), ((id, {"n": 8}, vectors), {"content"}),
                        (("another", content, vectors), {"ids", "content", "vectors"})):
        now = tallied([*MEMBERS[:7], other, *MEMBERS[8:]])
        assert {key for key in ("count", "ids", "content", "vectors") if now[key] != was[key]} == keys
    assert tallied([*MEMBERS, MEMBERS[0]])["ids"] != was["ids"]


def test_the_sample_is_of_the_same_ids_wherever_it_is_taken():
    assert tallied(MEMBERS, 5)["sample"].keys() <= tallied(MEMBERS[::-1], 20)["sample"].keys()
    assert tallied([("a", {}, {})])["sample"] == {}
