# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a dump is, from the sizes of the tables and what is being read just now."""

from __future__ import annotations

from ansible_collections.evenkeel.ops.plugins.module_utils.backups.server_progress import dumped_bytes
from hypothesis import given
from hypothesis import strategies as st

SIZES = {1: 1000, 2: 500, 3: 200, 4: 10}


def test_the_larger_ones_are_done_and_the_smaller_ones_are_not_begun():
    assert dumped_bytes(SIZES, {1: 300}) == 300
    assert dumped_bytes(SIZES, {2: 100}) == 1100
    assert dumped_bytes(SIZES, {1: 900, 3: 50}) == 900 + 500 + 50, "a second job is further down the list"
    assert dumped_bytes(SIZES, {2: 100_000}) == 1500, "text may be longer than what is stored"
    assert dumped_bytes(SIZES, {}) == 0 == dumped_bytes(SIZES, {99: 10})


@given(st.dictionaries(st.integers(0, 50), st.integers(0, 10**9), max_size=20), st.data())
def test_it_is_never_more_than_all(sizes, data):
    running = data.draw(st.dictionaries(st.integers(0, 60), st.integers(0, 10**10), max_size=4))
    assert 0 <= dumped_bytes(sizes, running) <= sum(sizes.values())
