# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer should be like."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.health.expectations import (
    Content,
    read_comparison,
    read_path,
    read_pattern,
    read_statuses,
    shown,
    value_at,
)

DOCUMENT = {"status": "UP", "checks": [{"name": "db", "lag": 3, "ok": True}], "a.b": {"": 1}, "m/n": {"~": 2}, "0": "zero"}


@pytest.mark.parametrize("words, inside, outside", [
    (["200"], [200], [201]), ([200, "301-303"], [200, 301, 303], [300, 304]), (["2xx", "404"], [200, 299, 404], [300, 403]),
])
def test_statuses_are_numbers_ranges_and_classes(words, inside, outside):
    statuses = read_statuses(words)
    assert all(status in statuses for status in inside) and not any(status in statuses for status in outside)


@pytest.mark.parametrize("words", [[], ["ok"], ["99"], ["600"], ["300-200"], ["200-"], ["-1"], ["0xx"], ["٢٠٠"]])
def test_what_is_no_status_is_refused(words):
    with pytest.raises(InvalidOption):
        read_statuses(words)


@pytest.mark.parametrize("text, value", [
    ("status", "UP"), ("checks[0].name", "db"), ("checks.0.name", "db"), ("/checks/0/lag", 3), ('"a.b".""', 1), ("/m~1n/~0", 2),
    ("0", "zero"),
])
def test_paths_lead_into_json(text, value):
    assert value_at(DOCUMENT, read_path(text)) == value


@pytest.mark.parametrize("text", ["", ".", "a..b", "a.", ".a", "a[", "a[x]", "a[-1]", "a]b", 'a"b', "/a/~2", "[0]x"])
def test_what_is_no_path_is_refused(text):
    with pytest.raises(InvalidOption) as error:
        read_path(text)
    assert "checks[0].name" in error.value.hint


@pytest.mark.parametrize("expected, value, holds", [
    ("UP", "UP", True), ("UP", "up", False), (3, 3, True), (3, 3.0, True), ("3", 3, False), (True, 1, False), (1, True, False),
    (None, None, True), ({"ge": 3, "lt": 10}, 3, True), ({"ge": 3, "lt": 10}, 10, False), ({"gt": "2"}, "3", True),
    ({"gt": 2}, "many", False), ({"gt": 0}, True, False), ({"ne": "DOWN"}, "UP", True), ({"in": ["A", "B"]}, "B", True),
    ({"in": [1]}, True, False), ({"matches": "^v2"}, "v2.1", True), ({"matches": "^v2"}, "v1", False),
    ({"exists": True}, 0, True), ({"eq": {"a": 1}}, {"a": 1}, True),
])
def test_comparisons(expected, value, holds):
    assert read_comparison(expected, option="json").holds(value) is holds


@pytest.mark.parametrize("expected", [
    {"equals": 1}, {}, {"in": "abc"}, {"exists": "yes"}, {"lt": "x"}, {"lt": True}, {"matches": 3}, {"matches": "("},
])
def test_comparisons_that_make_no_sense_are_refused(expected):
    with pytest.raises(InvalidOption):
        read_comparison(expected, option="json")


def content(**json):
    return Content(json={path: (read_path(path), read_comparison(value, option="json")) for path, value in json.items()})


def test_a_missing_value_meets_nothing_but_its_absence():
    said = [one.message for one in content(gone="x", lost={"ne": 1}).complaints_of_json("{}", cut=False)]
    assert said == ['JSON value gone is missing, expected "x"', "JSON value lost is missing, expected ne 1"]
    assert not content(gone={"exists": False}).complaints_of_json("{}", cut=False)


@pytest.mark.parametrize("text", ["", "<html>", "{", "[" * 100000])
def test_a_body_that_is_no_json_is_a_complaint(text):
    [complaint] = content(a=1).complaints_of_json(text, cut=False)
    assert complaint.message.startswith("the body is no JSON") and complaint.hint


def test_text_and_headers_are_compared():
    wanted = Content(contains="nominal", matches=read_pattern("^v[0-9]", option="matches"),
                     header={"X-Served-By": read_comparison({"matches": "web"}, option="header"),
                             "X-Gone": read_comparison("x", option="header")})
    assert len(wanted.complaints_of_text("all systems down", what="body", cut=True)) == 2
    assert wanted.complaints_of_text("v1 nominal", what="body", cut=False) == []
    [gone] = wanted.complaints_of_headers([("x-served-by", "a"), ("x-served-by", "web3")])
    assert gone.message == 'header X-Gone is missing, expected "x"'


def test_foreign_text_cannot_write_to_the_console():
    assert shown("a\x1b[31mred\nline\u202e") == "a\\x1b[31mred\\nline\\u202e"
    assert len(shown("x" * 10000)) == 121
