# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen of certificates: plain values, ready to be judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .sources import Source


@dataclass(frozen=True)
class Certificate:
    """Facts of one certificate; the fields are those of ``X509.describe``, and its ``fingerprint`` (SHA-256 of its DER, hexadecimal)."""

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    key_kind: str
    key_bits: int | None
    signature: str
    key: bytes = b""
    names: tuple[str, ...] = ()
    authority: bool = False
    self_signed: bool = False
    serial: str = ""
    fingerprint: str = ""

    @property
    def root(self) -> bool:
        """Whether it is an authority that vouches for itself; nobody relies on its signature."""
        return self.authority and self.self_signed


@dataclass(frozen=True)
class Problem:
    """Why something could not be looked at, and what to do."""

    message: str
    hint: str = ""


@dataclass(frozen=True)
class Told:
    """What somebody else says of a certificate: a responder of its revocation, a cluster or service of its own record of it.

    ``word`` is good, bad or unknown.
    """

    word: str
    message: str
    hint: str = ""
    observed: str = ""


@dataclass(frozen=True)
class Observation:
    """What one place or endpoint showed.

    ``subject`` is what findings are about. ``leaves`` are the positions of the certificates that a server or client would
    present; the others are authorities. ``chain_faults`` has a word (empty for trusted) and a subject for each leaf whose
    trust was asked for. ``uncovered`` are the wanted host names that no leaf is valid for. ``key_matches`` is None
    where there was no key to compare. ``older_protocol`` is an older one than allowed that the server accepts, empty
    where it refuses them, None where it was not asked. ``hosts`` are the names that the place itself wants in it, where the
    source says none. ``revocation`` has what was said of each certificate that was asked about, ``stapling`` what the server
    stapled, ``record`` what the place says of its certificate, ``caa`` the issuers that the CAA records of each name allow, None
    where there are no records. ``problem`` is set where nothing could be looked at.
    """

    source: Source
    subject: str
    certificates: tuple[Certificate, ...] = ()
    leaves: tuple[int, ...] = ()
    chain_faults: tuple[tuple[int, str, str], ...] = ()
    uncovered: tuple[str, ...] = ()
    key_matches: bool | None = None
    key_problem: Problem | None = None
    protocol: str | None = None
    older_protocol: str | None = None
    older_problem: Problem | None = None
    hosts: tuple[str, ...] = ()
    revocation: tuple[Told, ...] = ()
    stapling: Told | None = None
    record: Told | None = None
    caa: tuple[tuple[str, frozenset[str] | Problem | None], ...] = ()
    problem: Problem | None = None
