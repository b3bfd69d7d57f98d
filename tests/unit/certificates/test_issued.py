# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of all that an authority has issued count: never a name without its newest, never two of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.issued import issued, split
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.policy import CertificatePolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.sources import Source, read_sources
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)
DAY = timedelta(days=1)
AUTHORITY = b"authority"


@dataclass(frozen=True)
class Kept:
    certificates: tuple[tuple[bytes, str], ...]
    issuers: tuple[tuple[bytes, ...], ...] = ()
    gone: int = 0


class Book:
    """A reader of certificates that are no more than the numbers of its lines."""

    def __init__(self) -> None:
        self.lines: dict[bytes, dict[str, Any]] = {
            AUTHORITY: {"subject": "CN=Shop CA", "names": (), "not_before": NOW - 900 * DAY, "not_after": NOW + 900 * DAY, "serial": "ca"}}

    def add(self, *names: str, age: float, days: float = 90, subject: str | None = None) -> bytes:
        der = f"{len(self.lines):03}".encode()
        self.lines[der] = {"subject": f"CN={names[0]}" if subject is None else subject, "names": names, "not_before": NOW - age * DAY,
                           "not_after": NOW + (days - age) * DAY, "serial": f"{len(self.lines):x}"}
        return der

    def describe(self, der: bytes, **_more: Any) -> dict[str, Any]:
        return self.lines[der]

    def issuers(self, chain: list[bytes]) -> set[int]:
        return {1} if chain[1] == AUTHORITY and chain[0] != AUTHORITY else set()

    def counting(self, *ders: bytes, revoked: tuple[bytes, ...] = (), name: str = "pki/*", patterns: tuple[str, ...] = (),
                 ended: bool = False, gone: int = 0) -> tuple[tuple[str, ...] | None, dict[str, bytes]]:
        """The word and sentence of the mount's own record, and what counts by its name."""
        source = Source(name, CertificatePolicy(include_ended=ended), vault=name, patterns=patterns)
        kept = tuple((der, "2026-11-01T00:00:00Z" if der in revoked else "") for der in ders)
        found = issued(Kept(kept, ((AUTHORITY,),), gone), source, self, NOW)  # type: ignore[arg-type]
        [record] = [one.record for one in found if not one.chain] or [None]
        assert all(one.chain[1:] == (() if one.chain[0] == AUTHORITY else (AUTHORITY,)) for one in found if one.chain)
        return record, {one.name: one.chain[0] for one in found if one.chain}


@pytest.fixture
def book() -> Book:
    return Book()


def test_of_one_name_the_newest_counts_and_a_wider_one_replaces_a_narrower(book):
    old, new = book.add("a.test", age=80), book.add("a.test", "b.test", age=2)
    alone = book.add("a.test", "c.test", age=50)
    record, found = book.counting(old, new, alone)
    assert found == {"pki/shop ca": AUTHORITY, "pki/a.test (2)": new, "pki/a.test (3)": alone}
    assert record[:2] == ("good", "2 certificates count of this mount; passed over: 1 replaced by newer ones")


def test_revoked_and_ended_ones_are_passed_over_and_counted(book):
    revoked, ended, well = book.add("r.test", age=1), book.add("e.test", age=100), book.add("w.test", age=1)
    record, found = book.counting(revoked, ended, well, revoked=(revoked,), gone=2)
    assert set(found) == {"pki/shop ca", "pki/w.test"}
    assert record[1] == "1 certificate counts of this mount; passed over: 1 revoked, 1 expired, 2 removed meanwhile"
    assert "pki/e.test" in book.counting(revoked, ended, well, revoked=(revoked,), ended=True)[1]


def test_a_revoked_one_replaces_nothing(book):
    old, new = book.add("a.test", age=80), book.add("a.test", age=1)
    assert book.counting(old, new, revoked=(new,))[1]["pki/a.test"] == old


def test_patterns_narrow_names_but_not_issuers(book):
    inside, outside = book.add("API.shop.test", age=1), book.add("api.other.test", age=1)
    record, found = book.counting(inside, outside, patterns=("*.Shop.test",))
    assert set(found) == {"pki/shop ca", "pki/api.shop.test"} and record[1].endswith("passed over: 1 of other names")


def test_a_mount_of_which_only_issuers_count_is_unknown(book):
    for ders, patterns in (((), ()), ((book.add("a.test", age=1),), ("*.tset",)), ((book.add("a.test", age=100),), ())):
        record, found = book.counting(*ders, patterns=patterns)
        assert set(found) == {"pki/shop ca"} and record[0] == "unknown" and record[2]


def test_a_single_name_is_its_newest_and_says_whether_it_was_revoked(book):
    old, new = book.add("a.test", age=80), book.add("a.test", age=1)
    for name, revoked, word, der in (("pki/A.test", (), "good", new), ("pki/a.test", (new,), "bad", new)):
        source = Source(name, CertificatePolicy(), vault=name)
        kept = Kept(tuple((one, "2026-11-01T00:00:00Z" if one in revoked else "") for one in (old, new)), ((AUTHORITY,),))
        [found] = issued(kept, source, book, NOW)  # type: ignore[arg-type]
        assert found.chain == (der, AUTHORITY) and found.record[0] == word
    assert issued(kept, Source("pki/z.test", CertificatePolicy(), vault="pki/z.test"), book, NOW) == []  # type: ignore[arg-type]


def test_a_name_may_stand_in_the_subject_alone(book):
    der = book.add(age=1, subject=r"O=Shop,CN=worker\, 7")
    assert set(book.counting(der)[1]) == {"pki/shop ca", "pki/worker, 7"}
    nameless = book.add(age=1, subject="")
    assert "pki/nameless" in book.counting(der, nameless)[1]


CERTIFICATES = st.lists(st.tuples(st.sets(st.sampled_from("abcd"), min_size=1), st.integers(0, 120), st.booleans()), max_size=12)


@given(CERTIFICATES)
def test_no_valid_certificate_is_passed_over_without_a_newer_one_that_has_its_names(drawn):
    book = Book()
    ders = [(book.add(*sorted(names), age=age), frozenset(names), age, revoked) for names, age, revoked in drawn]
    _record, found = book.counting(*(der for der, *_rest in ders), revoked=tuple(der for der, _n, _a, revoked in ders if revoked))
    kept = set(found.values())
    for der, names, age, revoked in ders:
        covering = [(born, other) for other, theirs, born, bad in ders if names <= theirs and not bad and other != der]
        if not revoked and age <= 90 and all(born > age for born, _other in covering):
            assert der in kept
        if der in kept:
            assert not revoked and age <= 90 and all(born >= age for born, _other in covering)


@pytest.mark.parametrize("name, parts", [("pki/*", ("pki", "*")), ("teams/a/pki/x.test", ("teams/a/pki", "x.test"))])
def test_the_name_is_what_stands_after_the_last_slash(name, parts):
    [source] = read_sources([{"vault": f"/{name}/"}], CertificatePolicy())
    assert split(source.vault) == parts


@pytest.mark.parametrize("name", ["pki", "../sys/x", "pki/../x", "pki/a b", "pki/x?list=true", "pki//x", "p%2e/x", "pki/x\n", "/",
                                  "pki/a#b"])
def test_a_name_that_would_lead_elsewhere_is_refused(name):
    with pytest.raises(InvalidOption):
        read_sources([{"vault": name}], CertificatePolicy())
