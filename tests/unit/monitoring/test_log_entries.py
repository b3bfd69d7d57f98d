# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an event says: level, marker, instant, class; and nothing that nobody may see."""

from __future__ import annotations

import base64
import json
import secrets
import string
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_entries import EntryReader, class_form, level_name
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_instants import Instants, zone_of
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
READER = EntryReader(["ERROR", "CRITICAL", '"error"'], ["SECURITY"], Instants(NOW))


def read(text):
    return READER.entry(text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize("line, level, markers", [
    ("2026-01-15 10:00:00,123 ERROR [main] no route", "ERROR", ()),
    ("2026-01-15T10:00:00Z app[7]: INFO the word ERROR is only mentioned", None, ()),
    ("INFO SECURITY login failed", "", ("SECURITY",)), ("ERROR SECURITY both", "ERROR", ("SECURITY",)),
    ("ERROR_CODE=0 all is well", None, ()), ("MYERROR", None, ()), ("INSECURITY", None, ()),
    ("E0115 10:00:00.000001 1 main.go:3] ERROR from klog", "ERROR", ()), ("I0115 10:00:00.000001 1 main.go:3] ERROR seen", None, ()),
    ('time="x" level=error msg="ERROR down"', "ERROR", ()), ('time="x" level=info msg="no ERROR"', None, ()),
    ("2026/01/15 10:00:00 [error] 1#1: ERROR upstream", "ERROR", ()), ("2026/01/15 10:00:00 [warn] 1#1: ERROR upstream", None, ()),
    ('{"level": "error", "msg": "down"}', "ERROR", ()), ('{"severity": "INFO", "msg": "no ERROR"}', None, ()),
    ('{"level": {"name": "error"}, "msg": "x"}', "ERROR", ()), ('{"log": {"level": "error"}, "message": "ecs"}', "ERROR", ()),
    ('{"level": 17, "msg": "ERROR in words"}', "ERROR", ()), ('{"msg": "cut off ERROR', "ERROR", ()), ('["ERROR"]', "ERROR", ()),
    ("{" * 5000 + "ERROR", "ERROR", ()), ("\ufffd\x00 ERROR \x1b[31m", "ERROR", ())])
def test_levels_and_markers(line, level, markers):
    entry = read(line)
    assert (entry and (entry.level, entry.markers)) == (None if level is None else (level, markers))


def test_lines_that_differ_before_or_far_behind_are_not_taken_for_each_other():
    reader = EntryReader(["ERROR"], ["SECURITY"], Instants(NOW))
    texts = ["I0115 10:00:00.000001 1 main.go:3] ERROR x", "E0115 10:00:00.000001 1 main.go:3] ERROR x", "y" * 3000, "y" * 3000 + " ERROR",
             "y" * 3000 + " SECURITY"]
    entries = [reader.entry(text.encode()) for text in texts]
    assert [entry and (entry.level, entry.markers) for entry in entries] == [None, ("ERROR", ()), None, ("ERROR", ()), ("", ("SECURITY",))]


@given(st.lists(st.sampled_from([
    b"2026-01-15T10:00:0%d.%d%dZ ERROR a %d", b"2026-01-15 10:00:0%d,%d%d5 ERROR b %d", b"Jan 1%d 10:00:%d%d ERROR c %d",
    b"ERROR %d %d %d %d", b"INFO %d %d %d ERROR %d", b"ERROR %d%d%d%d\n  at x\nKeyError: 1",
    b"\xc3\xa9 2026-01-15T1%d:%d%d:00Z ERROR %d"]), max_size=12),
    st.lists(st.integers(0, 9), min_size=48, max_size=48))
def test_what_is_remembered_says_the_same(forms, digits):
    """Events one after the other, and each by a reader that has seen no other."""
    shared = EntryReader(["ERROR"], [], Instants(NOW))
    for number, form in enumerate(forms):
        raw = form % tuple(digits[4 * number:4 * number + 4])
        alone, after = EntryReader(["ERROR"], [], Instants(NOW)).entry(raw), shared.entry(raw)
        assert (alone and alone._replace(at=None)) == (after and after._replace(at=None))
        assert (alone and alone.at) == (after and (after.at if after.at is None else pytest.approx(after.at, abs=1e-6)))


@pytest.mark.parametrize("text, at", [
    ("2026-01-15T10:00:00Z", "2026-01-15T10:00:00"), ("2026-01-15 10:00:00,250", "2026-01-15T10:00:00.25"),
    ("2026-01-15T12:00:00.5+02:00", "2026-01-15T10:00:00.5"), ("2026-01-15 10:00:00 +0000", "2026-01-15T10:00:00"),
    ("2026/01/15 10:00:00", "2026-01-15T10:00:00"), ('1.2.3.4 - - [15/Jan/2026:11:00:00 +0100] "GET /"', "2026-01-15T10:00:00"),
    ("15 Jan 2026 10:00:00,5 x", "2026-01-15T10:00:00.5"), ("Jan 15 10:00:00 host app[1]: x", "2026-01-15T10:00:00"),
    ("Dec 31 23:59:59 host x", "2025-12-31T23:59:59"), ("Jan  5 10:00:00 host x", "2026-01-05T10:00:00"),
    ("E0115 10:00:00.500000 7 x", "2026-01-15T10:00:00.5"), ("Thu Jan 15 10:00:00 2026 x", "2026-01-15T10:00:00"),
    ("2026-13-45T99:00:00Z", None), ("Foo 15 10:00:00 x", None), ("no time", None), ("0000-00-00 00:00:00", None)])
def test_instants_of_text(text, at):
    expected = None if at is None else datetime.fromisoformat(at + "+00:00").timestamp()
    assert Instants(NOW).in_text(text) == pytest.approx(expected) if expected else Instants(NOW).in_text(text) is None


def test_instants_of_values_and_zones():
    instants, at = Instants(NOW), 1768471200.25
    assert [instants.of_value(value) for value in (at, 1768471200250, "1768471200250000", "2026-01-15T10:00:00.25Z")] == [at] * 4
    # Where the last line said its instant is where the next is looked for first, and not where it must be.
    lines = ["2026-01-15T10:00:00.25Z x", "app: 2026-01-15T10:00:00.25Z y", "2026-01-15T10:00:00.25Z 2026-02-02T02:02:02Z", "no",
             "2026-01-15T10:00:00.25Z z"]
    assert [instants.in_text(line) for line in lines] == [at, at, at, None, at]
    assert [instants.of_value(value) for value in (None, "", True, "soon", {}, -5)] == [None] * 6
    assert Instants(NOW, ZoneInfo("Europe/Berlin")).in_text("2026-01-15 11:00:00") == int(at)
    assert zone_of("UTC") is timezone.utc
    for wrong in ("Nowhere/City", "../../etc/passwd", "-x", ""):
        with pytest.raises(InvalidOption):
            zone_of(wrong)


def test_what_differs_in_numbers_names_and_identifiers_only_is_one_class():
    lines = ["2026-01-15 10:00:00 ERROR order 17 of 'ann' failed after 3.5s 7c9e6679-7425-40de-944b-e07fc1f90ae7 at 10.0.0.1:5432 0xdead",
             "2026-01-15 11:30:09 ERROR order 918 of 'bob' failed after 120s 0b54a5c6-1111-4f22-8a4d-c0ffee000001 at 10.9.8.7:1 0x1f"]
    assert len({read(line).id for line in lines}) == 1 and read(lines[0]).id != read("2026-01-15 10:00:00 ERROR another").id
    traces = [f"ERROR job {number}\nTraceback (most recent call last):\n  File x\n{error}: gone\n" for number, error in
              ((1, "KeyError"), (2, "KeyError"), (3, "OSError"))]
    first, second, third = map(read, traces)
    assert first.id == second.id != third.id and first.form.endswith("[KeyError]")
    assert read("ERROR can't reach the server's socket").form == "ERROR can\u2019t reach the server\u2019s socket"
    assert [level_name(word) for word in ("ERROR", '"error"', "level=error", "WARN")] == ["ERROR", "ERROR", "ERROR", "WARNING"]


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
KEY = "-----BEGIN RSA PRIVATE KEY-----\\nMIIEcanaryCANARY\\n-----END RSA PRIVATE KEY-----"
CANARIES = {
    "password=%s": "hunter2", "password: %s": "hunter2", '"password": "%s"': "hunter 2", "PASSWORD='%s'": "hun ter",
    "pwd=%s&x=1": "hunter2",
    "DB_PASSWORD=%s": "hunter2", "token=%s": "abcdef", "api_key=%s": "abcdef", "X-Api-Key: %s": "abcdef", "client_secret=%s": "abcdef",
    "postgresql://shop:%s@db/shop": "hunter2", "redis://:%s@cache": "p@ss/w", "https://%s@host/x": "gho_secret", "amqp://a:%s@b": "x:y/z",
    "Authorization: Bearer %s": "abcdefgh", "authorization: Basic %s": "dXNlcjpwYXNz", "curl -H Bearer %s": "abcdefgh", "jwt %s": JWT,
    "login with password %s failed": "hunter2", "the password is %s": "correcthorse", "key %s": "AKIAIOSFODNN7EXAMPLE",
    "aws %s": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1", "git %s": "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "slack %s": "xoxb-1-a-canary",
    "stripe %s": "sk_live_canaryCANARY", "vault %s": "hvs.CAESICanary", "sent to %s": "ann@example.com", "session_id=%s": "zzcanary",
    "Cookie: sid=%s": "zzcanary", "Set-Cookie: %s": "sid=zzcanary", "hash %s": "5f4dcc3b5aa765d61d8327deb882cf99", "%s": KEY,
    "user 'ann' said '%s'": "hunter two", 'quoted "%s"': "hunter two", '{\\"password\\":\\"%s\\"}': "hunter2",
    "card %s": "4111 1111 1111 1111",
    "age %s": "AGE-SECRET-KEY-1QQQQQQQQQQQQ", "pin=%s": "9876", "password => %s": "hunter2", "?access_token=%s&a=b": "zzcanary",
}


@pytest.mark.parametrize("frame, canary", CANARIES.items(), ids=list(CANARIES))
@pytest.mark.parametrize("form", ["plain", "json", "exception"])
def test_no_secret_is_left(frame, canary, form):
    text = frame % canary
    line = {"plain": f"2026-01-15 10:00:00 ERROR {text} end",
            "exception": f"ERROR x\nTraceback (most recent call last):\n  {text}\nKeyError: {text}\n",
            "json": json.dumps({"level": "ERROR", "message": text, "password": canary})}[form]
    entry = read(line)
    assert entry.level == "ERROR"
    for piece in {canary, *canary.replace("\\n", " ").split()}:
        assert len(piece) < 3 or piece not in entry.form, entry.form


def test_a_secret_that_is_cut_in_two_is_not_left():
    secret = "".join(secrets.choice("abcdefgh12345678") for _sign in range(40))
    for length in range(1950, 2010):
        line = f"ERROR 'quoted {'x' * (length - 30)}' {secret} end"
        assert not any(secret[:part] in read(line).form for part in range(6, 41)), length


@given(st.text(alphabet=string.printable + "\u00e9\u202e\x00", max_size=300))
def test_anything_can_be_read(text):
    entry = read(f"ERROR {text}")
    assert entry is None or (entry.form.isprintable() and len(entry.form) < 330 and "\n" not in entry.form)


@given(st.binary(min_size=24, max_size=48))
def test_random_keys_in_base64_and_hex_do_not_pass(key):
    for text in (base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode().rstrip("="), key.hex()):
        if any(sign.isdigit() for sign in text) and any(sign.isalpha() for sign in text):
            assert text[:20] not in class_form(f"value {text} end")


def test_a_redaction_takes_no_long_time():
    for text in ("a" * 2000, "password" * 250, "://" * 600, "'" * 2000, "-----BEGIN " * 180, "eyJ" * 600, "a=" * 1000, "a-" * 1000):
        assert len(class_form(text)) <= 200


def test_the_journal_and_documents():
    reader = EntryReader(["ERROR", "CRITICAL"], ["SECURITY"], Instants(NOW))
    record = {"MESSAGE": "no disk", "PRIORITY": "3", "__REALTIME_TIMESTAMP": "1768471200000000"}
    assert reader.document(record)[:3] == ("ERROR", (), 1768471200.0)
    assert reader.document({**record, "PRIORITY": "0"}).level == "CRITICAL" and reader.document({**record, "PRIORITY": "6"}) is None
    assert reader.document({**record, "PRIORITY": "6", "MESSAGE": "ERROR printed"}).level == "ERROR"
    assert reader.document({**record, "MESSAGE": list(b"\xff ERROR bytes")}).form.endswith("ERROR bytes")
    assert reader.document({**record, "MESSAGE": None}).form == ""
    assert reader.document({"level": "warn", "message": "x"}, always=True).level == "WARNING"
    assert reader.document({"level": "hunter2 is the password", "message": "x"}, always=True).level == "unlabelled"
    assert reader.document({"text": 5}, always=True).level == "unlabelled" and reader.document({}) is None
    assert secrets.token_hex(16) not in reader.document(record).form
