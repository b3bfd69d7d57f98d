# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies and sources are read strictly."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.policy import CertificatePolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.sources import (
    parse_endpoint,
    printable,
    read_sources,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from hypothesis import given
from hypothesis import strategies as st


def test_a_policy_is_frozen_and_strict_where_it_is_silent():
    policy = CertificatePolicy.from_options({"max_age": "365d"})
    assert policy.max_age_days == 365 and policy.verify_chain and policy.verify_host and not policy.allow_self_signed
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.max_age = 1


def test_a_source_overlays_some_keys_and_takes_others_out():
    general = CertificatePolicy.from_options({"warn_days": 30, "fail_days": 14, "max_age": "90d"})
    own = general.overlaid({"warn_days": 60, "max_age": None})
    assert (own.warn_days, own.fail_days, own.max_age) == (60, 14, None)


@pytest.mark.parametrize("options, said", [
    ({"warn_day": 30}, "unknown key 'warn_day'"),
    ({"warn_days": -1}, "-1 is not a number"),
    ({"warn_days": "30"}, "'30' is not a number"),
    ({"warn_days": True}, "True is not a number"),
    ({"warn_days": float("nan")}, "nan is not a number"),
    ({"warn_days": 7, "fail_days": 14}, "fail_days (14) is above warn_days (7)"),
    ({"max_age": "a year"}, "'a year' is not a duration"),
    ({"max_age": "-1d"}, "'-1d' is not a duration"),
    ({"signature_hashes": "sha256"}, "no list of signature hashes"),
    ({"signature_hashes": []}, "no list of signature hashes"),
    ({"signature_hashes": ["sha257"]}, "'sha257' is no signature hash"),
    ({"min_protocol": "TLS 1.2"}, "'TLS 1.2' is no protocol"),
    ({"refuse_older": True}, "refuse_older is set without min_protocol"),
    ({"verify_chain": "yes"}, "'yes' is neither true nor false"),
])
def test_a_policy_that_makes_no_sense_is_refused_with_a_hint(options, said):
    with pytest.raises(InvalidOption) as error:
        CertificatePolicy.from_options(options)
    assert said in error.value.message and error.value.hint


@pytest.mark.parametrize("text, starttls, expected", [
    ("api.example.com:8443", None, ("api.example.com", 8443)),
    ("API.Example.COM.", None, ("api.example.com", 443)),
    ("mail.example.com", "smtp", ("mail.example.com", 25)),
    ("db", "postgres", ("db", 5432)),
    ("[::1]:636", None, ("::1", 636)),
    ("[2001:db8::1]", "ldap", ("2001:db8::1", 389)),
    ("192.0.2.1:1", None, ("192.0.2.1", 1)),
    ("münchen.example:443", None, ("xn--mnchen-3ya.example", 443)),
    ("_service.example:443", None, ("_service.example", 443)),
])
def test_endpoints(text, starttls, expected):
    assert parse_endpoint(text, starttls=starttls) == expected


@pytest.mark.parametrize("text", ["", ":443", "x:", "x:0", "x:65536", "x:-1", "x:http", "::1:443", "[x]:443", "[::1:443", "a b:1",
                                  "https://x", "x/y", "user@x:1", "-x:1", "a..b:1", "x:443:443", "x\n:1", "'; drop:1", "x:４４３"])
def test_what_is_no_endpoint_is_refused_with_a_hint(text):
    with pytest.raises(InvalidOption) as error:
        parse_endpoint(text)
    assert error.value.hint


@given(st.text(max_size=40))
def test_any_text_is_an_endpoint_or_refused(text):
    try:
        host, port = parse_endpoint(text)
    except InvalidOption:
        return
    assert host and host.isascii() and host == host.lower() and 0 < port < 65536


def test_names_and_sni_follow_the_endpoint_unless_told():
    plain, told, address = read_sources([
        {"endpoint": "a.example:1"}, {"endpoint": "a.example:1", "server_name": "b.example"},
        {"endpoint": "192.0.2.1:1", "hosts": ["c.example", "::1"]}], CertificatePolicy())
    assert (plain.server_name, plain.hosts, plain.subject) == ("a.example", ("a.example",), "a.example:1")
    assert (told.server_name, told.hosts, told.host) == ("b.example", ("b.example",), "a.example")
    assert (address.server_name, address.hosts) == (None, ("c.example", "::1"))


@pytest.mark.parametrize("entry, said", [
    ({"file": "/a", "server_name": "x"}, "server_name does not go with file"),
    ({"folder": "/a", "hosts": ["x"]}, "hosts does not go with folder"),
    ({"endpoint": "x:1", "recursive": True}, "recursive does not go with endpoint"),
    ({"endpoint": "x:1", "hosts": ["a b"]}, "'a b' is no host name"),
    ({"name": "x"}, "names nothing to look at"),
])
def test_a_source_that_makes_no_sense_is_refused_with_its_place(entry, said):
    with pytest.raises(InvalidOption) as error:
        read_sources([{"file": "/fine"}, entry], CertificatePolicy())
    assert said in error.value.message and "sources[1]" in error.value.message and error.value.hint


@pytest.mark.parametrize("path, shown", [
    ("/a/b.pem", "/a/b.pem"), ("/a/new\nline", "/a/new\\nline"), ("/a/\udcff", "/a/\\xff"), ("/größe %s 'x'", "/größe %s 'x'"),
])
def test_paths_are_shown_on_one_line(path, shown):
    assert printable(path) == shown
