# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of all that an authority has issued count: it keeps what it issued, whether anybody uses it or not."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .ports import IssuedByMount, Reader
from .sources import Source

_COMMON_NAME = re.compile(r"(?:^|[,+])CN=((?:\\.|[^\\,+])*)")
_ESCAPED = re.compile(r"\\(.)")
# How Vault writes serial numbers: pairs of hexadecimal digits.
SERIAL = re.compile(r"[0-9a-f]{2}(?:[:-][0-9a-f]{2}){3,}", re.IGNORECASE)


@dataclass(frozen=True)
class Issued:
    """A certificate that counts, as `ports.Held`; or, without a chain, what is said of the mount."""

    name: str
    chain: tuple[bytes, ...] = ()
    key: bytes | None = None
    hosts: tuple[str, ...] = ()
    record: tuple[str, str, str, str] | None = None


@dataclass(frozen=True)
class _One:
    der: bytes
    revoked: str
    facts: Mapping[str, Any]
    names: frozenset[str]
    title: str

    @property
    def age(self) -> tuple[datetime, datetime, str]:
        """The newest is the greatest."""
        return self.facts["not_before"], self.facts["not_after"], self.facts["serial"]


def issued(mount: IssuedByMount, source: Source, reader: Reader, now: datetime) -> list[Issued]:
    """What counts of a mount for ``source.vault``: the certificate of a name or serial number, or with ``*`` the newest of each name.

    Of one name the newest counts, and where Vault revoked it that is said. With ``*`` a certificate is passed over that was revoked;
    for all names of which there is a newer one; or that has ended, unless the policy says ``include_ended``; ``source.patterns``
    narrow the names. Issuers count whatever their names. How many there were is said of the mount itself, and a mount of which
    no certificate counts, issuers apart, is unknown.
    """
    path, wanted = split(source.vault or "")
    found = [_read(der, revoked, reader) for der, revoked in mount.certificates]
    if wanted != "*":
        named = found if SERIAL.fullmatch(wanted) else [one for one in found if wanted.lower() in one.names]
        return [_single(max(named, key=lambda one: one.age), mount, reader)] if named else []
    seen = {one.der for one in found}
    issuers = [_read(chain[0], "", reader) for chain in mount.issuers if chain[0] not in seen]
    heads = {chain[0] for chain in mount.issuers}
    passed: Counter[str] = Counter()
    kept: list[_One] = []
    narrowed = [one for one in (*issuers, *found) if one.der in heads or _matches(one, source.patterns)]
    for one, newer in _with_newer(narrowed):
        why = "revoked" if one.revoked else "replaced by newer ones" if newer else \
            "expired" if one.facts["not_after"] < now and not source.policy.include_ended else ""
        if why:
            passed[why] += 1
        else:
            kept.append(one)
    passed["of other names"] = len(issuers) + len(found) - len(narrowed)
    passed["removed meanwhile"] = mount.gone
    count = sum(one.der not in heads for one in kept)
    return [Issued(path, record=_summary(count, passed)), *_named(path, kept, mount, reader)]


def split(name: str) -> tuple[str, str]:
    """Mount and name, serial number or ``*`` of ``pki/int/shop.example.com``."""
    path, _slash, wanted = name.rpartition("/")
    return path, wanted


def _read(der: bytes, revoked: str, reader: Reader) -> _One:
    facts = reader.describe(der)
    common = _COMMON_NAME.search(facts["subject"])
    name = _ESCAPED.sub(r"\1", common[1]).lower() if common else ""
    names = frozenset(one.lower() for one in facts["names"]) | ({name} if name else frozenset())
    return _One(der, revoked, facts, names, name or min(names, default="") or facts["subject"] or "nameless")


def _matches(one: _One, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(name, pattern.lower()) for name in one.names for pattern in patterns)


def _with_newer(ones: Iterable[_One]) -> list[tuple[_One, bool]]:
    """Each with whether a newer one, not revoked, has all of its names; one without any name is never replaced."""
    by_name: dict[str, list[_One]] = {}
    ones = list(ones)
    for one in ones:
        for name in one.names if not one.revoked else ():
            by_name.setdefault(name, []).append(one)
    latest = {}
    for names in {one.names for one in ones if one.names and not one.revoked}:
        rarest = min((by_name[name] for name in names), key=len)
        latest[names] = max(other.age for other in rarest if names <= other.names)
    return [(one, not one.revoked and one.names in latest and latest[one.names] > one.age) for one in ones]


def _summary(count: int, passed: Counter[str]) -> tuple[str, str, str, str]:
    over = ", ".join(f"{number} {why}" for why, number in passed.items() if number)
    more = f"; passed over: {over}" if over else ""
    if count:
        return ("good", f"{count} certificate{' counts' if count == 1 else 's count'} of this mount{more}", "", "")
    return ("unknown", f"no certificate of this mount counts{more}", "Correct the mount or the patterns, or set include_ended in its "
            "policy; nothing is never a pass", "")


def _single(one: _One, mount: IssuedByMount, reader: Reader) -> Issued:
    record = ("bad", f"Vault revoked it at {one.revoked}", "Have another issued and install it; if an older one is to stay, name its "
              "serial number", "revoked") if one.revoked else ("good", "Vault issued it, and has not revoked it", "", "issued")
    return Issued(one.title, _chain(one, mount, reader), record=record)


def _named(path: str, ones: Sequence[_One], mount: IssuedByMount, reader: Reader) -> list[Issued]:
    """By name; where several have one name, with their serial numbers."""
    count = Counter(one.title for one in ones)
    return [Issued(f"{path}/{one.title}" + (f" ({one.facts['serial']})" if count[one.title] > 1 else ""), _chain(one, mount, reader))
            for one in sorted(ones, key=lambda one: (one.title, one.age))]


def _chain(one: _One, mount: IssuedByMount, reader: Reader) -> tuple[bytes, ...]:
    """The certificate and the chain of the issuer that signed it; after a change of keys several issuers have one subject."""
    for chain in mount.issuers:
        if chain[0] == one.der or reader.issuers([one.der, chain[0]]) == {1}:
            return (one.der, *(der for der in chain if der != one.der))
    return (one.der,)
