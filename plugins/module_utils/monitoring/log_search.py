# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that have one of some words, found in whole blocks of bytes. Pure.

One byte is found at the speed of memory (memchr), a word ten times more slowly. So what is looked for is the byte that most of the words
have, and the log in hardly anything else: for ERROR and SECURITY one search for R will mostly do. Whether it will is counted in a sample,
and taken back where a block is different; what has no such byte is looked for as a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat

_SAMPLE = 1 << 14
_SAMPLE_EVERY = 64  # blocks
_RARE = 1 / 1000  # of the bytes of a sample: from about there on a byte in vain costs more than the word would
_IN_VAIN = 256  # lines, before a block is thought to be different
_TOGETHER = 1024  # lines
_END = b"\n"


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

    def lines(self, data: bytes, start: int, end: int) -> Iterable[tuple[int, int]]:
        """Beginning and end of each line that has a word, between ``start``, the beginning of a line, and ``end``, the end of one."""
        if len(self._needles) == 1:
            return self._needles[0].lines(data, start, end)
        found = [one for needle in self._needles if (one := list(needle.lines(data, start, end)))]
        return found[0] if len(found) == 1 else sorted(set(chain.from_iterable(found)))


class _Needle:
    """Some words and the byte by which they are found, each with its place in the word; without a byte it is one word."""

    def __init__(self, sign: bytes | None, words: Sequence[tuple[bytes, int]]) -> None:
        self._sign, self._words = sign, words
        self._left = _IN_VAIN

    @property
    def given_up(self) -> bool:
        """Whether its byte was found in vain too often."""
        return not self._left

    def lines(self, data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
        """As those of the search, of its words."""
        word, offset = self._words[0]
        while self._sign is not None and self._left and start < end:
            # In two loops: the one that passes over the block leaves little of what the other one needs in the cache next to the core.
            places, stops = _some(data, self._sign, start, end)
            for place, stop, before in zip(places, stops, map(data.rfind, repeat(_END), repeat(start), places), strict=True):
                begin = before + 1 or start
                if data.startswith(word, place - offset) or self._has_one(data, begin, stop):
                    yield begin, stop
            start = stops[-1] if len(places) == _TOGETHER else end
        if start < end:
            yield from self._plainly(data, start, end)

    def _has_one(self, data: bytes, begin: int, stop: int) -> bool:
        """Of a line that has the byte, though not where the first word has it."""
        found = any(data.find(word, begin, stop) >= 0 for word, _offset in self._words)
        self._left = max(0, self._left - (not found))
        return found

    def _plainly(self, data: bytes, start: int, end: int) -> list[tuple[int, int]]:
        found = set()
        for word, _offset in self._words:
            at = start
            while (place := data.find(word, at, end)) >= 0:
                begin, at = data.rfind(_END, at, place) + 1 or at, data.find(_END, place) + 1
                found.add((begin, at))
        return sorted(found)


def _some(data: bytes, sign: bytes, start: int, end: int) -> tuple[list[int], list[int]]:
    """Where the byte is first in each line that has it, and where these lines end; as many as are handled together."""
    places: list[int] = []
    stops: list[int] = []
    find = data.find
    place = find(sign, start, end)
    while place >= 0 and len(places) < _TOGETHER:
        stop = find(_END, place) + 1
        places.append(place)
        stops.append(stop)
        place = find(sign, stop, end)
    return places, stops


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
