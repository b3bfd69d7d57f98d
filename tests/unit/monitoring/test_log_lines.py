# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events are found in blocks as they are line by line, however the bytes come and however often one stops."""

from __future__ import annotations

import io
import re
import tracemalloc

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring import log_lines
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_lines import LONGEST_EVENT, Scanner
from hypothesis import given
from hypothesis import strategies as st

LINES = (b"INFO fine", b"ERROR one", b"x ERROR two\r", b"SECURITY three", b"  at frame ERROR", b"\tat frame", b"ValueError: bad",
         b"Traceback (most recent call last):", b"Caused by: java.io.IOException: SECURITY", b"", b"\r", b"\x00\xff\xfe garbage",
         b"During handling of the above it failed")
GOES_ON = (b"  ", b"\t", b"Traceback (most", b"Caused by: ", b"ValueError: ", b"During handling of the above")


class Pieces:
    """A stream that gives its bytes in pieces of given sizes."""

    def __init__(self, data, sizes):
        self.stream, self.sizes = io.BytesIO(data), list(sizes)

    def read(self, size):
        return self.stream.read(min(size, self.sizes.pop() if self.sizes else size))


def by_lines(data, words):
    """The same, line by line, of everything at once: first lines of the events."""
    lines = data.split(b"\n")[:-1]
    found, number, inside = [], 0, False
    while number < len(lines):
        line = lines[number]
        if inside and (line in (b"", b"\r") or line.startswith(GOES_ON)):
            number += 1
            continue
        inside = any(word in line for word in words)
        if inside:
            found.append(line)
        number += 1
    return found


def first_lines(events):
    return [event.split(b"\n")[0] for event in events]


@given(st.lists(st.sampled_from(LINES), max_size=30), st.lists(st.integers(1, 40), max_size=80), st.booleans())
def test_blocks_and_lines_agree(lines, sizes, unfinished):
    data = b"".join(line + b"\n" for line in lines) + (b"ERROR without end" if unfinished else b"")
    scanner = Scanner(["ERROR", "SECURITY"])
    assert first_lines(scanner.events(Pieces(data, sizes))) == by_lines(data, [b"ERROR", b"SECURITY"])
    assert scanner.consumed == data.rfind(b"\n") + 1


@given(st.lists(st.sampled_from(LINES), max_size=30), st.lists(st.integers(0, 600), max_size=4))
def test_a_log_that_grows_is_read_as_one_that_was_whole(lines, stops):
    data = b"".join(line + b"\n" for line in lines)
    found, offset, within = [], 0, False
    for stop in [*sorted(stops), len(data)]:
        scanner = Scanner(["ERROR", "SECURITY"], within=within)
        found += first_lines(scanner.events(io.BytesIO(data[offset:stop])))
        offset, within = offset + scanner.consumed, scanner.within
    assert found == by_lines(data, [b"ERROR", b"SECURITY"]) and offset == len(data)


def test_a_stack_trace_is_one_event():
    trace = b"ERROR boom\nTraceback (most recent call last):\n  File x\nKeyError: 'a'\n\nDuring handling of the above exception, another" \
            b"\n\nTraceback (most recent call last):\n  File y\nValueError: ERROR\nERROR next\n"
    events = list(Scanner(["ERROR"]).events(io.BytesIO(trace)))
    assert len(events) == 2 and events[0].endswith(b"ValueError: ERROR\n") and events[1] == b"ERROR next\n"


@pytest.mark.parametrize("before", [b"", b"INFO first\n"])
@pytest.mark.parametrize("place", [0, LONGEST_EVENT - 3, 100_000, 5 << 20])
def test_a_huge_line_is_one_event_and_the_next_line_is_whole(before, place):
    huge = b"x" * place + b" ERROR " + b"y" * (6 << 20)
    scanner = Scanner(["ERROR"])
    events = list(scanner.events(io.BytesIO(before + huge + b"\nERROR next\n" + huge)))
    assert len(events) == 2 and b"ERROR" in events[0] and len(events[0]) <= LONGEST_EVENT and events[1] == b"ERROR next\n"
    assert scanner.consumed == len(before) + len(huge) + len(b"\nERROR next\n")  # the last one has no end yet


TOKENS = st.sampled_from([b"ERROR", b"SECURITY", b"MYERROR", b"ERRORS", b" ", b"x", b"\x00", b"ER", b"ROR", b"_", b"\xff"])


@given(st.lists(TOKENS, max_size=30).map(b"".join), st.lists(st.integers(1, 24), max_size=60), st.sampled_from([16, 40, 1 << 16]))
def test_words_are_found_in_long_lines_wherever_they_are_cut(line, sizes, longest):
    """What begins an event is shortened; the words that are looked for it keeps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_lines, "LONGEST_EVENT", longest)
        patch.setattr(log_lines, "_KEPT_OF_HUGE", 8)
        scanner = Scanner(["ERROR", "SECURITY"])
        events = list(scanner.events(Pieces(b"-" + line + b"\n-next\n", sizes)))
    assert scanner.consumed == len(line) + 8 and scanner.endless == 0 and len(events) <= 1
    for word in (rb"(?<!\w)ERROR(?!\w)", rb"(?<!\w)SECURITY(?!\w)"):
        assert bool(re.search(word, line)) == bool(events and re.search(word, events[0]))


def test_an_event_without_end_and_a_line_without_end_take_no_memory():
    class Endless:
        def __init__(self, piece):
            self.piece, self.left = piece, 60

        def read(self, _size):
            self.left -= 1
            return self.piece if self.left >= 0 else b""

    for piece in (b"x" * (1 << 20), b"ERROR\n" + b" at x\n" * 100_000, b" " * (1 << 20)):
        tracemalloc.start()
        for _event in Scanner(["ERROR"]).events(Endless(piece)):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert used < 12 << 20, (piece[:10], used)


def test_a_limit_ends_between_events():
    data = b"".join(b"ERROR %d\n  at x\n" % number for number in range(200_000))
    offset = count = 0
    within = False
    while offset < len(data):
        scanner = Scanner(["ERROR"], within=within)
        count += sum(1 for _event in scanner.events(io.BytesIO(data[offset:]), limit=1))
        offset, within = offset + scanner.consumed, scanner.within
    assert count == 200_000
