# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON over HTTP: addresses, answers that are none, and services that do not finish."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.rest import Rest, RestTarget
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import (
    AccessDenied,
    CommandFailed,
    InvalidOption,
    NotFound,
    TimedOut,
    Unreachable,
)


@contextmanager
def saying(answer: bytes, *, close: bool = True) -> Iterator[str]:
    """A server that gives every connection the same bytes; yields its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    open_ones: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                client, _address = listening.accept()
            except OSError:
                return
            client.recv(65536)
            client.sendall(answer)
            client.close() if close else open_ones.append(client)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()
        for one in open_ones:
            one.close()


def answer(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize("url", ["", "vectors:8080", "ftp://x", "http://", "http://x?y=1", "http://x#y", "http://[", "http://x:99999",
                                 "http://user:word@x"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(InvalidOption) as refused:
        RestTarget(url)
    assert refused.value.hint and "word" not in refused.value.message


def test_the_port_is_the_schemes_where_none_is_written():
    assert (RestTarget("https://x").port, RestTarget("http://x").port, RestTarget("http://x:81").port) == (443, 80, 81)


def test_credentials_are_in_no_text_of_a_target():
    assert "canary" not in repr(RestTarget("http://x", headers={"Authorization": "Bearer canary"}))


@pytest.mark.parametrize("said, error, word", [
    (answer("401 Unauthorized", b"who?"), AccessDenied, "who?"),
    (answer("404 Not Found", b""), NotFound, "said nothing"),
    (answer("422 Unprocessable", b"class\nexists"), CommandFailed, "answers 422: class exists"),
    (answer("302 Found", b"", "Location: http://elsewhere/"), Unreachable, "redirect to http://elsewhere/"),
    (answer("200 OK", b"<html>"), Unreachable, "not as Store does"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", Unreachable, "does not answer"),
])
def test_each_answer_that_is_no_success_gets_its_error_and_a_hint(said, error, word):
    with saying(said) as url, pytest.raises(error) as raised:
        Rest(RestTarget(url, timeout=5), what="Store").ask("POST", "/v1/x", body={})
    assert word in raised.value.message and raised.value.hint


def test_an_answer_without_a_body_is_none_and_json_is_read():
    with saying(answer("200 OK", b"")) as url:
        assert Rest(RestTarget(url), what="Store").ask("DELETE", "/x") is None
    with saying(answer("200 OK", b'{"a": [1]}')) as url:
        assert Rest(RestTarget(url), what="Store").ask("GET", "/x") == {"a": [1]}


def test_a_body_that_breaks_off_is_no_whole_one():
    with saying(answer("200 OK", b"half", length=8)) as url, Rest(RestTarget(url), what="Store").download("/x") as stream, \
            pytest.raises(Unreachable) as raised:
        while stream.read(3):
            pass
    assert "broke off" in raised.value.message


def test_a_service_that_never_answers_is_given_up_once():
    began = time.monotonic()
    with saying(b"", close=False) as url, pytest.raises(TimedOut):
        Rest(RestTarget(url, timeout=0.3), what="Store").ask("GET", "/x")
    assert time.monotonic() - began < 3
