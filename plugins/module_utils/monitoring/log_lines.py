# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the bytes of a log to the events in it that have one of some words, in constant memory.

Words are looked for in whole blocks, so that only the lines that have one are touched one by one. An event is a line with what goes on
behind it: lines that are indented or empty, and those by which Python and Java go on with an exception.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Iterator, Sequence
from typing import Protocol

from .log_search import WordSearch

BLOCK = 1 << 20  # each block has its own cost: what is worked with has to come back into the caches
LONGEST_EVENT = 1 << 16  # bytes of an event that are looked at; what goes on behind them belongs to it
_KEPT_OF_HUGE = 1 << 13
_GOES_ON = re.compile(
    rb"(?:[ \t]|Traceback \(most recent|Caused by: |During handling of the above|The above exception was|Suppressed: |\.\.\. \d+ more"
    rb"|[A-Za-z_][\w.$]*(?:Error|Exception|Exit|Interrupt|Warning|Throwable)(?:: |\r?\n)"
    rb"|\r?\n)")
_ALL_THAT_GO_ON = re.compile(rb"(?:(?:[ \t][^\n]*+\n)++|(?=" + _GOES_ON.pattern + rb")[^\n]*\n)*+")
_MAY_GO_ON = frozenset(byte for byte in range(256) if chr(byte) in " \t\r\n._" or 65 <= byte <= 90 or 97 <= byte <= 122)  # its first signs


class Bytes(Protocol):
    """What is read from: a file, as far as it is wanted."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


class Scanner:
    """One log. ``consumed`` are the bytes that were looked at, always up to the end of a line; ``within`` where what stands behind them may
    belong to the last event. A last line without an end is left for the next run, and ``endless`` are its bytes where it is longer than any
    event. ``cut`` are the events that were longer, of which only the beginning is given.
    """

    def __init__(self, words: Sequence[str], *, within: bool = False) -> None:
        self.consumed = self.endless = self.cut = 0
        self.within = within
        self._words = [word.encode() for word in words]
        self._search = WordSearch(self._words)
        self._bounded = {word: _bounded(word) for word in self._words}

    def events(self, stream: Bytes, *, limit: int = 1 << 62) -> Iterator[bytes]:
        """Events that have one of the words, until the log ends or ``limit`` bytes were looked at."""
        for events in self.batches(stream, limit=limit):
            yield from events

    def batches(self, stream: Bytes, *, limit: int = 1 << 62) -> Iterator[list[bytes]]:
        """As `events`, those of one block together."""
        carry = b""
        while self.consumed < limit:
            block = stream.read(BLOCK)
            self._search.learn(block or carry)
            events, start = self._joined(carry, block)
            if events:
                yield events
            data = block if start or not carry else carry + block
            end = data.rfind(b"\n") + 1
            if block and not end and len(data) >= LONGEST_EVENT:
                carry = yield from self._huge(stream, data, limit)
                if self.endless:
                    return
                continue
            events, done = self._look(data, start, end, final=not block)
            self.consumed += done - start
            if events:
                yield events
            carry = data[done:]
            if not block:
                self.endless = len(carry) if len(carry) >= LONGEST_EVENT else 0
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
        events: list[bytes] = []
        for begin, stop in self._search.lines(data, start, end):
            if begin < start:  # the line belongs to the event before it
                continue
            start = stop
            if start < end and data[start] in _MAY_GO_ON:
                start = _after(data, start, end)
            if start == end and not final and len(data) - begin < LONGEST_EVENT:
                return events, begin
            events.append(data[begin:start])
            if start - begin > LONGEST_EVENT:
                events[-1] = data[begin:begin + LONGEST_EVENT] if stop - begin <= LONGEST_EVENT else self._shortened(data[begin:stop])
                self.cut += 1
        self.within = start == end if events else self.within
        return events, end

    def _shortened(self, line: bytes) -> bytes:
        """The beginning of a line, and the words that it has behind that."""
        return self._composed(line.lstrip(b"\0")[:_KEPT_OF_HUGE], self._having(line, 0))

    def _having(self, line: bytes, first: int) -> set[bytes]:
        return {word for word, bounded in self._bounded.items() if word in line and bounded.search(line, first)}

    def _composed(self, kept: bytes, found: Collection[bytes]) -> bytes:
        beyond = [word for word in self._words if word in found and not self._bounded[word].search(kept)]
        return b" ".join([kept.rstrip(b"\n"), *beyond]) + b"\n"

    def _huge(self, stream: Bytes, data: bytes, limit: int) -> Generator[list[bytes], None, bytes]:
        """A line that has no end yet, passed over in pieces; it counts once its end is there. Gives what stands behind it. What is kept of
        it begins behind the zeros that a file has which was truncated under a program that writes on.
        """
        overlap = max(map(len, self._words), default=0) + 1
        kept, size, goes_on, first = b"", 0, self.within and _GOES_ON.match(data), 0
        found: set[bytes] = set()
        while True:
            end = data.find(b"\n") + 1
            line = data[:end] if end else data
            found |= self._having(line, first)
            if len(kept) < _KEPT_OF_HUGE:
                piece = line[overlap * first:]
                kept = (kept + (piece if kept else piece.lstrip(b"\0")))[:_KEPT_OF_HUGE]
            if end:
                break
            size += len(data) - overlap
            block = stream.read(BLOCK) if self.consumed + size < limit else b""
            if not block:
                self.endless = size + overlap
                return b""
            data, first = data[len(data) - overlap:] + block, 1  # what stands before the first of them was seen
        self.consumed += size + end
        if not goes_on:
            self.within = bool(found)
            if found:
                self.cut += 1
                yield [self._composed(kept, found)]
        return data[end:]


def _bounded(word: bytes) -> re.Pattern[bytes]:
    """A word as such, with the sign behind it: without, it may go on."""
    return re.compile((rb"(?<!\w)" if word[:1].isalnum() else b"") + re.escape(word) + (rb"(?=\W)" if word[-1:].isalnum() else b""))


def _after(data: bytes, place: int, end: int) -> int:
    """Where the lines that go on with an event end; ``place`` is the beginning of a line."""
    return _ALL_THAT_GO_ON.match(data, place, end).end()
