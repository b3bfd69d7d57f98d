# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the bytes of a log to the events in it that have one of some words, in constant memory.

Words are looked for in whole blocks, so that only the lines that have one are touched one by one. An event is a line with what goes on
behind it: lines that are indented or empty, and those by which Python and Java go on with an exception.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from typing import Protocol

BLOCK = 1 << 18  # stays in a core's own cache
_SAMPLE = 1 << 14
_SAMPLE_EVERY = 64
_RARE = 1 / 1000
LONGEST_EVENT = 1 << 16  # bytes of an event that are looked at; what goes on behind them belongs to it
_KEPT_OF_HUGE = 1 << 13
_GOES_ON = re.compile(
    rb"(?:[ \t]|Traceback \(most recent|Caused by: |During handling of the above|The above exception was|Suppressed: |\.\.\. \d+ more"
    rb"|[A-Za-z_][\w.$]*(?:Error|Exception|Exit|Interrupt|Warning|Throwable)(?:: |\r?\n)"
    rb"|\r?\n)")
_ALL_THAT_GO_ON = re.compile(rb"(?:(?=" + _GOES_ON.pattern + rb")[^\n]*\n)*+")
_MAY_GO_ON = frozenset(byte for byte in range(256) if chr(byte) in " \t\r\n._" or 65 <= byte <= 90 or 97 <= byte <= 122)  # its first signs


class Bytes(Protocol):
    """What is read from: a file, as far as it is wanted."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


class Scanner:
    """One log. ``consumed`` are the bytes that were looked at, always up to the end of a line; ``within`` where what stands behind them may
    belong to the last event. A last line without an end is left for the next run.
    """

    def __init__(self, words: Sequence[str], *, within: bool = False) -> None:
        self.consumed = 0
        self.within = within
        self._words = [word.encode() for word in words]
        self._rare: dict[bytes, tuple[bytes, int] | None] = {}
        self._blocks = 0

    def events(self, stream: Bytes, *, limit: int = 1 << 62) -> Iterator[bytes]:
        """Events that have one of the words, until the log ends or ``limit`` bytes were looked at."""
        for events in self.batches(stream, limit=limit):
            yield from events

    def batches(self, stream: Bytes, *, limit: int = 1 << 62) -> Iterator[list[bytes]]:
        """As `events`, those of one block together."""
        carry = b""
        while self.consumed < limit:
            block = stream.read(BLOCK)
            if self._blocks % _SAMPLE_EVERY == 0:
                self._rare = {word: _rare_sign(word, (block or carry)[:_SAMPLE]) for word in self._words}
            self._blocks += 1
            events, start = self._joined(carry, block)
            if events:
                yield events
            data = block if start or not carry else carry + block
            end = data.rfind(b"\n") + 1
            if block and not end and len(data) >= LONGEST_EVENT:
                carry = yield from self._huge(stream, data)
                continue
            events, done = self._look(data, start, end, final=not block)
            self.consumed += done - start
            if events:
                yield events
            carry = data[done:]
            if not block:
                return

    def _joined(self, carry: bytes, block: bytes) -> tuple[list[bytes], int]:
        """The events of a line that was cut by the end of a block, which is put together alone, and where the block's next line begins; 0
        where the two have to be looked at as one.
        """
        end = block.find(b"\n") + 1
        if not carry or not end or b"\n" in carry:
            return [], 0
        line = carry + block[:end]
        events, done = self._look(line, 0, len(line), final=False)
        if done < len(line):
            return [], 0
        self.consumed += done
        return events, end

    def _look(self, data: bytes, start: int, end: int, *, final: bool) -> tuple[list[bytes], int]:
        """The events of the lines from ``start`` to ``end``, and up to where they were looked at: short of an event that may go on."""
        if self.within:
            start = _after(data, start, end)
            self.within = start == end
        places = [(word, place) for word in self._words if (place := self._find(data, word, start, end)) >= 0]
        events: list[bytes] = []
        while places:
            only = places[0][0] if len(places) == 1 else b""
            first = places[0][1] if only else min(place for _word, place in places)
            while first >= 0:
                begin = data.rfind(b"\n", start, first) + 1 or start
                start = data.find(b"\n", first) + 1
                if start < end and data[start] in _MAY_GO_ON:
                    start = _after(data, start, end)
                if start == end and not final and len(data) - begin < LONGEST_EVENT:
                    return events, begin
                events.append(data[begin:start] if start - begin <= LONGEST_EVENT else data[begin:begin + LONGEST_EVENT])
                self.within = start == end
                first = self._find(data, only, start, end) if only else -1
            places = [] if only else [(word, next_one) for word, place in places if (
                next_one := place if place >= start else self._find(data, word, start, end)) >= 0]
        return events, end

    def _find(self, data: bytes, word: bytes, start: int, end: int) -> int:
        """Where the word is first, or -1. One sign is found far more quickly than several, so where the log hardly has one of the word's
        signs, that one is looked for.
        """
        rare = self._rare[word]
        if rare is None:
            return data.find(word, start, end)
        sign, offset = rare
        place = data.find(sign, start + offset, end)
        while place >= 0 and not data.startswith(word, place - offset):
            place = data.find(sign, place + 1, end)
        return place - offset if place >= 0 else -1

    def _huge(self, stream: Bytes, data: bytes) -> Generator[list[bytes], None, bytes]:
        """A line that has no end yet, passed over in pieces; it counts once its end is there. Gives what stands behind it."""
        overlap = max(map(len, self._words), default=1) - 1
        kept, size, goes_on = data[:_KEPT_OF_HUGE], 0, self.within and _GOES_ON.match(data)
        has = next((word for word in self._words if word in data), b"")
        while (end := data.find(b"\n") + 1) == 0:
            size += len(data) - min(overlap, len(data))
            block = stream.read(BLOCK)
            if not block:
                return b""
            data = data[len(data) - min(overlap, len(data)):] + block
            stop = data.find(b"\n")
            stop = stop if stop >= 0 else len(data)
            has = has or next((word for word in self._words if data.find(word, 0, stop) >= 0), b"")
        self.consumed += size + end
        if not goes_on:
            self.within = bool(has)
            if has:
                yield [kept + b" " + has + b"\n"]  # it may have stood beyond what is kept
        return data[end:]


def _rare_sign(word: bytes, sample: bytes) -> tuple[bytes, int] | None:
    """The sign of a word that a sample has least, and its place in the word; None where it has each of them often."""
    number, offset = min((sample.count(word[place]), place) for place in range(len(word)))
    return (word[offset:offset + 1], offset) if number <= _RARE * len(sample) else None


def _after(data: bytes, place: int, end: int) -> int:
    """Where the lines that go on with an event end; ``place`` is the beginning of a line."""
    return _ALL_THAT_GO_ON.match(data, place, end).end()
