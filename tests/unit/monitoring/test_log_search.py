# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick search finds the lines that a plain one finds, for any words, in any block, however often it changes its mind."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring import log_search
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_search import WordSearch
from hypothesis import example, given
from hypothesis import strategies as st

SIGNS = st.sampled_from([b"A", b"R", b"E", b" ", b"\x00", b"\xff"])
WORDS = st.lists(st.one_of(st.lists(SIGNS, min_size=1, max_size=4).map(b"".join), st.sampled_from([b"ERROR", b"SECURITY", b'"error"'])),
                 min_size=1, max_size=5)
LINE = st.one_of(st.lists(SIGNS, max_size=12).map(b"".join), st.sampled_from([b"x ERROR y", b"SECURITY", b"SECURIT", b"RRRRRRRRRR", b""]))
BLOCK = st.lists(LINE, max_size=40).map(lambda lines: b"".join(line + b"\n" for line in lines))


def plainly(words, data, start, end):
    found = []
    while start < end:
        stop = data.index(b"\n", start) + 1
        if any(word in data[start:stop] for word in words):
            found.append((start, stop))
        start = stop
    return found


@example([b"AE", b"E"], [b"AE\n"], b"", 1, 1.0)
@given(WORDS, st.lists(BLOCK, max_size=4), st.binary(max_size=9), st.sampled_from([1, 2, 5, 256]), st.sampled_from([0.0, 0.001, 0.1, 1.0]))
def test_any_words_in_any_blocks(words, blocks, behind, in_vain, rare):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_search, "_IN_VAIN", in_vain)
        patch.setattr(log_search, "_RARE", rare)
        search = WordSearch(words)
        for block in blocks:
            search.learn(block)
            for before in (b"", b"A line that is not asked for: ERROR\n"):
                data, start, end = before + block + behind, len(before), len(before) + len(block)
                assert list(search.lines(data, start, end)) == plainly(words, data, start, end)


def test_words_share_the_byte_that_the_log_hardly_has():
    search = WordSearch([b"ERROR", b"SECURITY"])
    search.learn(b"INFO GET /orders/17 200 3 ms\n" * 500 + b"ERROR x\n")
    [needle] = search._needles
    assert needle._sign == b"R" and [word for word, _offset in needle._words] == [b"ERROR", b"SECURITY"]
    search = WordSearch([b"ERROR"])
    search.learn(b"THE ROAD TO ROME\n" * 500)
    assert search._needles[0]._sign is None, "it would be found in vain too often"


def test_a_block_that_is_different_is_searched_otherwise_and_the_next_one_is_sampled():
    search = WordSearch([b"ERROR", b"SECURITY"])
    quiet, loud = b"nothing at all\n" * 100, b"ROAD\n" * 3000 + b"x SECURITY\nRRR ERROR\n"
    search.learn(quiet)
    assert list(search.lines(quiet, 0, len(quiet))) == []
    assert list(search.lines(loud, 0, len(loud))) == plainly([b"ERROR", b"SECURITY"], loud, 0, len(loud))
    assert any(needle.given_up for needle in search._needles)
    search.learn(loud)
    assert not any(needle.given_up for needle in search._needles) and b"R" not in {needle._sign for needle in search._needles}
