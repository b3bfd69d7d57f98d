# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of a container's log: each once, in whatever blocks they come and wherever a run ends."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import kubernetes_logs
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.kubernetes_logs import ContainerLog
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Unreachable
from hypothesis import given, settings
from hypothesis import strategies as st

BEGIN = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
TEXTS = st.text(st.sampled_from("aé 2026-01-15T12:00:00Z \t"), max_size=40)


def spelled(seconds, zone="Z"):
    at = BEGIN + timedelta(seconds=seconds)
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}000{zone}"


def kubelet(lines, size=7):
    """What gives a log in blocks; whole seconds of ``since`` are what a kubelet is told."""
    def opened(since):
        told = b"".join(f"{spelled(at)} {text}\n".encode() for at, text in lines
                        if since is None or (BEGIN + timedelta(seconds=at)).timestamp() >= int(since))
        yield from (told[place:place + size] for place in range(0, len(told), size))

    return opened


def read(opened, *, last="", same=0, since=None, limit=1 << 30, final=False):
    log = ContainerLog(opened, last=last, same=same, since=since, limit=limit, final=final)
    given = b""
    while block := log.read(1):
        given += block
    return given, log


@given(st.lists(st.tuples(st.sampled_from([0, 0, 0, 0.25, 1.5, 3]), TEXTS), max_size=30), st.integers(1, 90), st.integers(1, 60),
       st.sampled_from([40, 1 << 20]))
@settings(deadline=None)
def test_each_line_comes_once_however_many_runs_it_takes(steps, size, limit, longest):
    lines, at = [], 0.0
    for step, text in steps:
        at += step
        lines.append((at, text))
    expected, told, last, same, rounds = "".join(f"{text}\n" for _at, text in lines).encode(), b"", "", 0, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kubernetes_logs, "_LONGEST", longest)
        while True:
            given, log = read(kubelet(lines, size), last=last, same=same, limit=limit)
            assert not log.lost and log.error is None and (given.endswith(b"\n") or not given)
            told, last, same, rounds = told + given, log.last, log.same, rounds + 1
            if log.whole:
                break
            assert given and rounds < 40
    assert told == expected


def test_a_line_without_an_end_waits_unless_nothing_is_written_any_more():
    opened = [spelled(0).encode() + b" one\n" + spelled(1).encode() + b" tw"]
    assert read(lambda since: iter(opened))[0] == b"one\n"
    given, log = read(lambda since: iter(opened), final=True)
    assert given == b"one\ntw\n" and log.last == spelled(1)


def test_where_the_last_line_was_rotated_away_the_later_ones_come_and_it_is_told():
    lines = [(number, f"line {number}") for number in range(9)]
    given, log = read(kubelet(lines[5:]), last=spelled(2), same=1)
    assert log.lost and given == b"line 5\nline 6\nline 7\nline 8\n"
    given, log = read(kubelet(lines[:2]), last=spelled(2), same=1)
    assert log.lost and given == b"" and log.last == spelled(2)
    given, log = read(kubelet(lines), last=spelled(2), same=2)  # one line of that instant only: it is another log
    assert log.lost and given.startswith(b"line 2\nline 3\n")


def test_lines_out_of_order_by_a_little_are_neither_lost_nor_told_twice():
    lines = [(1.0, "a"), (1.2, "c"), (1.1, "b")]
    given, log = read(kubelet(lines))
    assert given == b"a\nc\nb\n" and log.last == spelled(1.1)
    given, log = read(kubelet([*lines, (1.15, "d"), (2, "e")]), last=log.last, same=log.same)
    assert given == b"d\ne\n" and not log.lost


def test_the_kubelets_own_words_are_no_line_of_the_log():
    opened = [spelled(0).encode() + b" one\nfailed to try resolving symlinks\n" + spelled(1).encode() + b" two\n"]
    given, log = read(lambda since: iter(opened))
    assert given == b"one\n" and "without an instant" in log.error.message and log.last == spelled(0) and not log.whole
    given, log = read(lambda since: iter([b"\0no instant\n"]))
    assert given == b"" and log.error and log.last == ""


def test_what_came_before_the_connection_broke_is_kept():
    def opened(_since):
        yield f"{spelled(0)} one\n{spelled(1)} two\n{spelled(2)} th".encode()
        raise Unreachable("gone", hint="h")

    given, log = read(opened)
    assert given == b"one\ntwo\n" and isinstance(log.error, Unreachable) and log.last == spelled(1) and not log.whole


def test_instants_with_another_zone_are_instants():
    opened = [f"{spelled(0, '+02:00')} one\n2026-01-15T12:00:01Z two\n".encode()]
    assert read(lambda since: iter(opened))[0] == b"one\ntwo\n"
