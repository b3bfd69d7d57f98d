# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes in, an HTTP answer out, however the bytes are cut."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.http import AnswerReader, BadAnswer, exchange
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.sockets import Dialer
from hypothesis import given
from hypothesis import strategies as st

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: t\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + PLAIN
BARE_LINE_FEEDS = b"HTTP/1.0 200\nContent-Length: 5\nX-A: b\n\nhello"


def read(pieces, *, bodyless=False, most=1000, end=True):
    reader = AnswerReader(bodyless=bodyless, most=most)
    for piece in pieces:
        answer = reader.feed(piece)
        if answer:
            return answer
    return reader.end() if end else None


@given(st.sampled_from([PLAIN, CHUNKED, INTERIM, BARE_LINE_FEEDS]), st.lists(st.integers(1, 150)))
def test_an_answer_is_the_same_however_it_is_cut(data, cuts):
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    answer = read([data[start:end] for start, end in itertools.pairwise(places)], end=False)
    assert (answer.status, answer.body, answer.cut) == (200, b"hello", False)


@given(st.binary(max_size=200))
def test_whatever_comes_is_an_answer_or_a_bad_one(data):
    for start in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        with contextlib.suppress(BadAnswer):
            assert 100 <= read([start + data]).status <= 999


def test_headers_are_pairs_in_lower_case():
    assert read([PLAIN]).headers == (("content-length", "5"), ("x-a", "b"))


@pytest.mark.parametrize("data", [b"HTTP/1.1 204 No\r\n\r\n", b"HTTP/1.1 304 No\r\nContent-Length: 10\r\n\r\n"])
def test_some_answers_have_no_body(data):
    assert read([data], end=False).body == b""


def test_the_answer_to_head_has_none_either():
    assert read([b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"], bodyless=True, end=False).body == b""


def test_a_body_without_length_ends_with_the_connection():
    assert read([b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo"]).body == b"hello"


@pytest.mark.parametrize("data, cut", [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", False), (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd", True),
    (b"HTTP/1.1 200 OK\r\n\r\nabcd", True), (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n", True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", False),
])
def test_a_body_is_read_up_to_its_bound(data, cut):
    answer = read([data], most=3, end=False)
    assert (answer.body, answer.cut) == (b"abc", cut)


@pytest.mark.parametrize("data, said", [
    (b"", "without an answer"), (b"HTTP/1.1 200 OK\r\nX", "within its headers"), (PLAIN[:-1], "within the body, after 4 bytes"),
    (CHUNKED[:-9], "within the body"), (b"220 mail ESMTP\r\n", "does not speak HTTP: its answer begins '220 mail"),
    (b"HTTP/2 200\r\n\r\n", "does not speak HTTP"), (b"HTTP/1.1 20 OK\r\n\r\n", "does not speak HTTP"),
    (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "header line"), (b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "header line"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "contradicting"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "contradicting"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", "contradicting"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "size cannot be read"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "longer than its size"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 2000, "trailers without end"),
    (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 70000, "64 KiB of headers"),
])
def test_what_is_no_whole_answer_says_why(data, said):
    with pytest.raises(BadAnswer) as error:
        read([data])
    assert said in error.value.message and error.value.hint


def exchanged(pieces, *, timeout=5.0):
    """What an exchange with a server that sends these pieces comes to, and what it said that it was waiting for."""
    stages, gone = [], asyncio.Event()

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        if b"never" in pieces[-1]:
            await reader.read()
        writer.close()
        gone.set()

    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            async with asyncio.timeout(timeout):
                return await exchange(Dialer(), "127.0.0.1", port, b"GET / HTTP/1.1\r\n\r\n", tls=None, bodyless=False, max_body=1000,
                                      stage=stages.append)
        finally:
            done, _waiting = await asyncio.wait({asyncio.ensure_future(gone.wait())}, timeout=5)
            server.close()
            assert done, "the connection was left open"

    return asyncio.run(run(), debug=True), [words.rpartition(" of ")[0] for words in stages]


def test_what_comes_in_parts_is_put_together_and_what_is_waited_for_is_told():
    answer, stages = exchanged([PLAIN[:20], PLAIN[20:-3], PLAIN[-3:]])
    assert (answer.status, answer.body) == (200, b"hello")
    assert stages[-3:] == ["the answer", "the rest of the answer", "the rest of the answer"]


def test_who_hangs_up_within_an_answer_is_told():
    with pytest.raises(BadAnswer, match="hung up within the body, after 2 bytes"):
        exchanged([PLAIN[:-3]])


def test_a_wait_that_is_given_up_hangs_up():
    with pytest.raises(TimeoutError):
        exchanged([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnever"], timeout=0.2)
