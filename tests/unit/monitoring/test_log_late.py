# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whenever documents arrive and however often one looks: each is counted once, or it is told that it was not."""

from __future__ import annotations

import json

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_late import Arrivals
from hypothesis import example, given
from hypothesis import strategies as st

DELAY = 5


def identity(number):
    return number.to_bytes(8, "big")


class Server:
    """Documents as pairs of instant and arrival, in milliseconds."""

    def __init__(self, documents):
        self.documents = documents

    def between(self, begin, end, now):
        return [(identity(number), at) for number, (at, arrived) in enumerate(self.documents) if begin <= at < end and arrived <= now]


def look(server, kept, until, now, *, most, late, look_back=10**6):
    """One run as log_scan makes it: what it counts, how many it says it missed, what it keeps."""
    to = now - DELAY
    if until is None:
        arrivals, missed = Arrivals(max(0, now - look_back), most=most), 0
    else:
        to = max(to, until)
        arrivals = Arrivals.load(json.loads(kept), until, "q", most=most)
        newest = min(max(arrivals.older_from, now - look_back), arrivals.begin)
        missed = arrivals.missed(len(server.between(arrivals.older_from, arrivals.begin, now)),
                                 len(server.between(arrivals.older_from, newest, now)), newest)
    counted = [one for one, at in server.between(arrivals.begin, to, now) if arrivals.is_new(one, at, to)]
    arrivals.read_to(to, late)
    assert len(arrivals.kept("q")["documents"]) <= 16 * most * 4 / 3 + 4
    return counted, missed, json.dumps(arrivals.kept("q")), to, arrivals


DOCUMENTS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 120)).map(lambda pair: (pair[0], sum(pair))), max_size=40)


@example([(0, 0), (0, 0), (0, 50)], [20, 40, 80], 2, 100)
@given(DOCUMENTS, st.lists(st.integers(1, 400), min_size=1, max_size=8), st.sampled_from([1, 2, 5, 100]),
       st.sampled_from([0, 10, 50, 1000]))
def test_each_document_is_counted_once_or_told(documents, runs, most, late):
    server, kept, until, counted, missed = Server(documents), "", None, [], 0
    for now in sorted(runs):
        new, told, kept, until, _arrivals = look(server, kept, until, now, most=most, late=late)
        counted, missed = counted + new, missed + told
    assert len(counted) == len(set(counted))
    there = {one for one, _at in server.between(0, until, max(runs))}
    assert set(counted) <= there and len(counted) + missed == len(there)
    if most == 100 and late == 1000:
        assert missed == 0


def test_what_is_late_is_told_with_how_late():
    server = Server([(10, 10), (20, 90), (15, 95), (100, 100)])
    new, missed, kept, until, arrivals = look(server, "", None, 50, most=9, late=1000)
    assert (len(new), missed, arrivals.late) == (1, 0, 0)
    new, missed, kept, until, arrivals = look(server, kept, until, 120, most=9, late=1000)
    assert (len(new), missed, arrivals.late, arrivals.earliest) == (3, 0, 2, 15)


def test_documents_that_are_away_for_a_while_are_not_counted_twice():
    whole, half = Server([(10, 10), (20, 20)]), Server([(10, 10)])
    new, _missed, kept, until, _arrivals = look(whole, "", None, 50, most=9, late=1000)
    assert len(new) == 2
    for server in (half, whole):
        new, missed, kept, until, _arrivals = look(server, kept, until, until + 50, most=9, late=1000)
        assert (new, missed) == ([], 0)


def test_old_documents_that_are_deleted_or_fall_out_of_sight_are_not_missed_ones():
    server, kept, until = Server([(number, number) for number in range(100)]), "", None
    for now in (40, 80, 120, 200):
        _new, missed, kept, until, arrivals = look(server, kept, until, now, most=9, late=0, look_back=50)
        assert missed == 0
        server.documents = [(at, arrived) for at, arrived in server.documents if at >= now - 60]
    assert arrivals.older_from == 115, "how far one looks for them moves on"


@pytest.mark.parametrize("kept", [None, {}, "x", {"question": "q"}, *({
    "question": "q", "begin": 1, "older_from": 0, "older": 0, "documents": "", **change} for change in (
        {"question": "other"}, {"documents": "AAAA"}, {"documents": "\u00e9"}, {"begin": 99}, {"older": -1}, {"begin": "soon"}))])
def test_what_makes_no_sense_is_begun_anew(kept):
    arrivals = Arrivals.load(kept, 50, "q")
    assert (arrivals.begin, arrivals.older_from, arrivals.older) == (50, 50, 0) and arrivals.is_new(b"12345678", 60, 70)
    assert arrivals.is_new(b"87654321", None, 70) and arrivals.late == 0
