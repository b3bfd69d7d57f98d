# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Critical paths: how steps are read, where taken values may stand, and that none of them is ever shown."""

from __future__ import annotations

import json

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.health.steps import blank_out
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets
from hypothesis import given
from hypothesis import strategies as st

LOGIN = {"name": "log in", "url": "/login", "method": "POST", "take": {"token": {"json": "data.token"}}}


def path(*steps, **target):
    [read] = read_targets([{"name": "t", "url": "https://shop.test/app/", "steps": [LOGIN, *steps], **target}])
    return read.steps


@pytest.mark.parametrize("options, value, expected", [
    ({"url": "/a/${token}/b?x=${token}"}, "a/../b c&d", "https://shop.test/a/a%2F..%2Fb%20c%26d/b?x=a%2F..%2Fb%20c%26d"),
    ({"url": "orders?id=${token}"}, "ü#1", "https://shop.test/app/orders?id=%C3%BC%231"),
    ({"url": "https://other.test:8443/${token}"}, "//evil.test", "https://other.test:8443/%2F%2Fevil.test"),
])
def test_a_taken_value_stays_where_it_stands_in_a_url(options, value, expected):
    assert str(path({"name": "use", **options})[1].request({"token": value}).url) == expected


@given(st.text())
def test_no_taken_value_says_where_to_connect(value):
    for place in ("/${token}", "x${token}", "?${token}", "https://shop.test/${token}"):
        try:
            url = path({"name": "use", "url": place})[1].request({"token": value}).url
        except InvalidOption:
            continue
        assert (url.scheme, url.host, url.port) == ("https", "shop.test", 443)


@pytest.mark.parametrize("body, headers, expected", [
    ({"q": "${token}"}, {}, b'{"q": "a\\"b\\\\c&d"}'), ("q=${token}", {"Content-Type": "application/x-www-form-urlencoded"},
                                                        b"q=a%22b%5Cc%26d"),
    ("<q>${token}</q>", {}, b'<q>a"b\\c&d</q>'),
])
def test_a_body_is_encoded_as_it_is_one(body, headers, expected):
    step = path({"name": "use", "url": "/", "method": "POST", "body": body if isinstance(body, str) else json.dumps(body),
                 "public_headers": headers})[1]
    assert step.request({"token": 'a"b\\c&d'}).body == expected


def test_a_value_with_a_line_break_does_not_become_a_header():
    step = path({"name": "use", "url": "/", "headers": {"Authorization": "Bearer ${token}"}})[1]
    with pytest.raises(InvalidOption, match="line break"):
        step.request({"token": "abc\r\nX-Evil: 1"})


def test_what_the_target_says_goes_to_its_own_origin_only():
    here, there, own = path({"name": "here", "url": "/a"}, {"name": "there", "url": "https://other.test/a"},
                            {"name": "own", "url": "/b", "headers": {"X-Key": "mine-here"}}, user="u", password="p4ssw0rd",
                            headers={"X-Key": "s3cret-key"})[1:]
    assert {"Authorization", "X-Key"} <= set(here.request({}).headers) and not there.request({}).headers
    assert own.request({}).headers["X-Key"] == "mine-here"


@pytest.mark.parametrize("steps, said", [
    ([], "there is no step"), ([{"url": "/"}], "is no name"), ([{"name": "a"}], "url is missing"),
    ([{"name": "a", "url": "/"}, {"name": "a", "url": "/"}], "another step has it"),
    ([{"name": "a", "url": "/", "colour": 1}], "unknown key"),
    ([{"name": "a", "url": "/${gone}"}], "no step before this one takes 'gone'"),
    ([{"name": "a", "url": "/", "body": "${gone}"}], "takes 'gone'"),
    ([{"name": "a", "url": "/", "take": {"x": {"json": "a"}}, "headers": {"X": "${x}-more"}}], "takes 'x'"),
    ([{"name": "a", "url": "/", "take": {"a b": {"json": "a"}}}], "is no name"),
    ([{"name": "a", "url": "/", "take": {"x": "a"}}], "one of json"),
    ([{"name": "a", "url": "/", "take": {"x": {"json": "a", "header": "b"}}}], "one of json"),
    ([{"name": "a", "url": "/", "take": {"x": {"matches": "abc"}}}], "has 0 groups"),
    ([{"name": "a", "url": "ftp://x/"}], "no http or https URL"),
    ([{"name": "a", "url": "//x y/"}], "space"), ([{"name": "a", "url": "http://u:p@h/"}], "credentials"),
    ([{"name": "a", "url": "/", "latency_fail": "-1s"}], "not a duration"),
    ([{"name": "a", "url": "/", "status": ["9"]}], "no HTTP status"),
])
def test_what_makes_no_sense_is_refused(steps, said):
    with pytest.raises(InvalidOption) as error:
        read_targets([{"name": "t", "url": "https://shop.test/", "steps": steps}])
    assert said in error.value.message and error.value.hint


@pytest.mark.parametrize("url", ["https://${token}/", "//${token}/x", "https://shop.test:${token}/", "${token}:x", "https:${token}"])
def test_a_taken_value_is_no_host(url):
    with pytest.raises(InvalidOption):
        path({"name": "use", "url": url})


@pytest.mark.parametrize("options, said", [({"method": "POST"}, "method beside steps"), ({"json": {"a": 1}}, "json beside steps"),
                                           ({"secrets": {"x": "abc"}}, "too short"), ({"secrets": {"a-b": "abcdef"}}, "is no name")])
def test_a_target_with_steps_says_nothing_for_them(options, said):
    with pytest.raises(InvalidOption, match=said):
        path(**options)


def test_secrets_want_steps_and_stay_out_of_repr():
    with pytest.raises(InvalidOption, match="secrets without steps"):
        read_targets([{"name": "t", "url": "https://h/", "secrets": {"x": "s3cret"}}])
    [target] = read_targets([{"name": "t", "url": "https://h/", "secrets": {"x": "s3cret"}, "steps": [
        {"name": "a", "url": "/", "headers": {"X-Key": "k3y-value"}}]}])
    assert "s3cret" not in repr(target) and "k3y-value" not in repr(target)


@pytest.mark.parametrize("take, expected", [
    ({"json": "a[0].b"}, "deep"), ({"json": "n"}, "5"), ({"json": "none"}, None), ({"header": "X-Csrf"}, "c5rf"),
    ({"cookie": "sid"}, "new"),
    ({"cookie": "gone"}, None), ({"matches": '"b": "(.+?)"'}, "deep"), ({"matches": "(zzz)"}, None), ({"json": "half"}, None),
])
def test_what_is_taken(take, expected):
    [step] = read_targets([{"name": "t", "url": "https://h/", "steps": [{"name": "a", "url": "/", "take": {"x": take}}]}])[0].steps
    headers = [("x-csrf", "c5rf"), ("set-cookie", "sid=old"), ("set-cookie", "sid=new; Path=/; HttpOnly")]
    assert step.takes[0].value(headers, '{"a": [{"b": "deep"}], "n": 5, "none": null, "half": "\\ud800"}') == expected


@given(st.text(min_size=4), st.text(), st.text())
def test_a_taken_value_is_in_nothing_that_is_told(value, before, after):
    blank = blank_out({"x": value})
    for told in (before + value + after, json.dumps([before, value]), json.dumps({"a": value}, ensure_ascii=False)):
        clean = blank(told)
        assert value not in clean.replace("********", "") or value in "********"
