# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs, requests as bytes, and where redirects lead."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, Refused
from ansible_collections.evenkeel.ops.plugins.module_utils.health.web import (
    WebRequest,
    checked_headers,
    checked_method,
    next_hop,
    read_url,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("text, written", [
    ("http://example.com", "http://example.com/"),
    ("https://Example.COM:8443/a?b=c#d", "https://example.com:8443/a?b=c"),
    ("http://[::1]:8080/x", "http://[::1]:8080/x"),
    ("http://bücher.example/straße?q=ä", "http://xn--bcher-kva.example/stra%C3%9Fe?q=%C3%A4"),
    ("http://example.com/%20a", "http://example.com/%20a"),
    ("http://example.com/100%25", "http://example.com/100%25"),
])
def test_a_url_is_taken_apart_and_encoded(text, written):
    assert str(read_url(text)) == written


@pytest.mark.parametrize("text, said", [
    ("example.com/health", "no http or https URL"), ("//example.com", "no http or https URL"), ("ftp://example.com", "no http"),
    ("http://", "no http"), ("http:///path", "no http"), ("http://host:0/", "no http"), ("http://host:65536/", "is no URL"),
    ("http://host:-1/", "is no URL"), ("http://host:abc/", "is no URL"), ("http://a b/", "has a space"),
    ("http://host/a b", "has a space"), ("http://host/\r\nX: y", "control character"), ("http://host\\@evil/", "credentials"),
    ("http://host/a\\b", "backslash"), ("http://[::1/", "is no URL"), ("http://-host/", "is no host name"),
    ("http://ho'st/", "is no host name"),
])
def test_a_url_that_cannot_be_asked_is_refused_with_a_hint(text, said):
    with pytest.raises(InvalidOption) as error:
        read_url(text)
    assert said in error.value.message and error.value.hint


@pytest.mark.parametrize("text", ["http://user:s3cret@host/", "https://s3cret@host", "http://user:s3cret@host:1/?a=b"])
def test_credentials_in_a_url_are_refused_and_not_repeated(text):
    with pytest.raises(InvalidOption) as error:
        read_url(text)
    assert "s3cret" not in str(error.value) and "password" in error.value.hint


def test_an_at_sign_behind_the_host_is_no_credential():
    assert read_url("http://host/@user?mail=a@b").target == "/@user?mail=a@b"


def test_results_show_no_query():
    assert read_url("https://host/x?token=s3cret").shown == "https://host/x"


def test_a_request_says_its_host_once_and_closes():
    request = WebRequest(read_url("http://host:81/x?y"), "POST", {"Host": "other", "Accept": "text/html"}, b"body")
    head, _blank, body = request.encoded().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /x?y HTTP/1.1" and body == b"body"
    assert sorted(lines[1:]) == ["accept-encoding: identity", "accept: text/html", "connection: close", "content-length: 4",
                                 "host: other", "user-agent: evenkeel.ops"]


@pytest.mark.parametrize("headers", [
    {"X-A": "a\r\nX-B: b"}, {"X-A": "a\nb"}, {"X-A": "a\x00b"}, {"X A": "b"}, {"X-A\r\nX-B": "b"}, {"": "b"}, {"X:": "b"},
    {"X-A": "日本"}, {"Content-Length": "5"}, {"transfer-encoding": "chunked"}, {"Connection": "keep-alive"},
])
def test_headers_that_would_break_the_request_are_refused(headers):
    with pytest.raises(InvalidOption):
        checked_headers(headers)


def test_a_refused_header_value_is_not_repeated():
    with pytest.raises(InvalidOption) as error:
        checked_headers({"Authorization": "Bearer s3cret\n"})
    assert "s3cret" not in str(error.value)


@given(st.dictionaries(st.text(), st.text()), st.text())
def test_no_header_and_no_method_adds_a_line_to_a_request(headers, method):
    try:
        request = WebRequest(read_url("http://host/"), checked_method(method), checked_headers(headers))
    except InvalidOption:
        return
    names = {"host", "user-agent", "accept", "accept-encoding", "connection"} | {name.lower() for name in headers}
    body_length = {"content-length"} if request.method in ("POST", "PUT", "PATCH") else set()
    assert request.encoded().count(b"\r\n") == len(names | body_length) + 2


def hop(url, location, status=302, method="GET", body=b""):
    return next_hop(WebRequest(read_url(url), method, {"Authorization": "Bearer s3cret"}, body), status, location)


@pytest.mark.parametrize("url, location, reached", [
    ("http://a/x/y", "z?q", "http://a/x/z?q"), ("http://a/x", "/z", "http://a/z"), ("http://a/x", "//b/z", "http://b/z"),
    ("http://a/x", "https://b:444/", "https://b:444/"), ("https://a/x", "//b/z", "https://b/z"),
])
def test_a_location_is_read_against_the_url(url, location, reached):
    assert str(hop(url, location).url) == reached


@pytest.mark.parametrize("url, location, sent", [
    ("http://a/x", "/y", True), ("http://a/x", "http://a:80/y", True), ("http://a/x", "https://a/y", True),
    ("http://a/x", "http://b/y", False), ("http://a/x", "http://a:81/y", False), ("http://a:81/x", "https://a:444/y", False),
    ("https://a/x", "https://a.b/y", False), ("http://a/x", "http://A/y", True),
])
def test_the_operators_headers_go_to_the_same_origin_only(url, location, sent):
    assert bool(hop(url, location).headers) is sent


@pytest.mark.parametrize("url, location", [
    ("https://a/x", "http://a/y"), ("http://a/", "ftp://b/"), ("http://a/", "file:///etc/passwd"), ("http://a/", "http://u:p@b/"),
    ("http://a/", "http://b:99999/"), ("http://a/", "http://b/ x"), ("http://a/", "javascript:alert(1)"),
    ("http://a/", "http://[::1/"),
])
def test_some_redirects_are_refused(url, location):
    with pytest.raises(Refused) as error:
        hop(url, location)
    assert error.value.hint and "u:p" not in str(error.value)


@pytest.mark.parametrize("status, method, then, body", [
    (301, "POST", "GET", b""), (302, "POST", "GET", b""), (303, "PUT", "GET", b""), (303, "HEAD", "HEAD", b""),
    (307, "POST", "POST", b"x"), (308, "PUT", "PUT", b"x"), (302, "GET", "GET", b""),
])
def test_the_method_changes_as_the_standard_has_it(status, method, then, body):
    request = hop("http://a/", "/b", status, method, b"x" if method in ("POST", "PUT") else b"")
    assert (request.method, request.body) == (then, body)


def test_a_body_is_not_carried_to_another_host():
    with pytest.raises(Refused):
        hop("http://a/", "http://b/", 307, "POST", b"s3cret")
