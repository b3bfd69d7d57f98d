# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that have one of some words, found in whole blocks of bytes. Pure.

One byte is found at the speed of memory (memchr), a word ten times more slowly. So what is looked for is the byte that most of the words
have, and the log in hardly anything else: for ERROR and SECURITY one search for R will mostly do. Whether it will is counted in a sample,
and taken back where a block is different; what has no such byte is looked for as a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

_SAMPLE = 1 << 14
_SAMPLE_EVERY = 32  # blocks
_RARE = 1 / 1000  # of the bytes of a sample: from about there on a byte in vain costs more than the word would
_IN_VAIN = 256  # between two samples


class WordSearch:
    """``words`` have no end of a line in them and are not empty."""

    def __init__(self, words: Sequence[bytes]) -> None:
        self._words = list(dict.fromkeys(words))
        self._needles: list[_Needle] = [_Needle(None, [(word, 0)]) for word in self._words]
        self._left = 0

    def learn(self, block: bytes) -> None:
        """To be told each block before it is searched; it looks into some of them. This changes what is looked for, never what is found."""
        if self._left == 0 or any(needle.given_up for needle in self._needles):
            self._needles, self._left = _needles(self._words, block[:_SAMPLE]), _SAMPLE_EVERY
        self._left -= 1

    def lines(self, data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Beginning and end of each line that has a word, between ``start``, the beginning of a line, and ``end``, the end of one."""
        places = [(place, needle) for needle in self._needles if (place := needle.first(data, start, end)) >= 0]
        while len(places) > 1:
            place = min(place for place, _needle in places)
            begin = data.rfind(b"\n", start, place) + 1 or start
            start = data.find(b"\n", place) + 1
            yield begin, start
            places = [(after, needle) for place, needle in places
                      if (after := place if place >= start else needle.first(data, start, end)) >= 0]
        for place, needle in places:
            first, find, rfind, line_end = needle.first, data.find, data.rfind, b"\n"  # most events pass here
            while place >= 0:
                begin = rfind(line_end, start, place) + 1 or start
                start = find(line_end, place) + 1
                yield begin, start
                place = first(data, start, end)


class _Needle:
    """Some words and the byte by which they are found, each with its place in the word; without a byte it is one word."""

    def __init__(self, sign: bytes | None, words: Sequence[tuple[bytes, int]]) -> None:
        self._sign, self._words = sign, words
        self._word = words[0][0]
        self._left = _IN_VAIN

    @property
    def given_up(self) -> bool:
        """Whether its byte was found in vain too often."""
        return not self._left

    def first(self, data: bytes, start: int, end: int) -> int:
        """A place in the first line that has one of the words, or -1."""
        if self._sign is None:
            return data.find(self._word, start, end)
        place = data.find(self._sign, start, end) if self._left else start
        while place >= 0 and self._left:
            for word, offset in self._words:
                if data.startswith(word, place - offset):
                    return place
            self._left -= 1
            place = data.find(self._sign, place + 1, end)
        if place < 0:
            return -1
        # For the rest of this block: all words in one pass, from the beginning of the line, since a word may begin before its byte.
        found = self._pattern.search(data, data.rfind(b"\n", start, place) + 1 or start, end)
        return found.start() if found else -1

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        return re.compile(b"|".join(re.escape(word) for word, _offset in self._words))


def _needles(words: Sequence[bytes], sample: bytes) -> list[_Needle]:
    """As few as will do: first the byte that most words have, and of those the one that the sample has least in vain."""
    in_vain = {sign: _in_vain(sign, words, sample) for sign in {bytes([byte]) for word in words for byte in word}}
    rare = [sign for sign, number in in_vain.items() if number <= _RARE * len(sample)]
    found, left = [], list(words)
    while left and rare:
        sign = max(rare, key=lambda one: (sum(one in word for word in left), -in_vain[one], one))
        having = [word for word in left if sign in word]
        if not having:
            break
        found.append(_Needle(sign, [(word, word.index(sign)) for word in having]))
        left = [word for word in left if sign not in word]
    return found + [_Needle(None, [(word, 0)]) for word in left]


def _in_vain(sign: bytes, words: Sequence[bytes], sample: bytes) -> int:
    """How often a sample has a byte, but for those that stand in one of the words: after these the search goes on in the next line."""
    return max(0, sample.count(sign) - sum(sample.count(word) * word.count(sign) for word in words if sign in word))
