# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this area is handed: who reads, who shakes hands, who asks, who stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from .sources import Source


class Reader(Protocol):
    """``X509`` of adapters/x509.py: reads files, and answers questions about certificates (DER)."""

    def read(self, path: str, *, format: str, password: str | None) -> tuple[list[bytes], bytes | None]: ...
    def public_half(self, path: str, *, password: str | None) -> bytes: ...
    def describe(self, der: bytes, *, accepted: bool = False) -> dict[str, Any]: ...
    def covers(self, der: bytes, host: str) -> bool: ...
    def chain_fault(self, chain: Sequence[bytes], *, ca_cert: str | None, now: datetime) -> tuple[str, str]: ...
    def issuers(self, chain: Sequence[bytes]) -> set[int]: ...


class Prober(Protocol):
    """``Tls`` of adapters/tls.py: shakes hands with endpoints."""

    def look(self, host: str, port: int, *, timeout: float, server_name: str | None, starttls: str | None,
             ca_cert: str | None, verify: bool) -> Any: ...
    def accepts(self, host: str, port: int, *, timeout: float, below: str, server_name: str | None,
                starttls: str | None) -> str | None: ...

    def addresses(self, host: str, port: int) -> list[str]: ...
    def stapled(self, host: str, port: int, *, timeout: float, server_name: str | None, starttls: str | None) -> bytes: ...


class Inquiry(Protocol):
    """``Inquiry`` of adapters/revocation.py and adapters/caa.py together: asks those who know more than the certificate says.

    What is said of a revocation are the fields of `Told`.
    """

    def revocation(self, chain: Sequence[bytes], *, ca_cert: str | None) -> list[tuple[str, str, str, str]]: ...
    def stapled(self, chain: Sequence[bytes], answer: bytes, *, ca_cert: str | None) -> tuple[str, str, str, str]: ...
    def caa(self, name: str) -> frozenset[str] | None: ...


class Held(Protocol):
    """One certificate that a cluster or cloud holds: ``record`` are the fields of `Told`, or None."""

    name: str
    chain: Sequence[bytes]
    key: bytes | None
    hosts: tuple[str, ...]
    record: tuple[str, str, str, str] | None


class IssuedByMount(Protocol):
    """``PkiMount`` of adapters/vault_pki.py: everything that an authority has issued and keeps."""

    certificates: Sequence[tuple[bytes, str]]
    issuers: Sequence[tuple[bytes, ...]]
    gone: int


@dataclass(frozen=True)
class Elsewhere:
    """What only some sources need. ``stores``, by the key of a source that names what they hold, read it; ``inquiry`` makes who asks."""

    stores: Mapping[str, Callable[[Source], Sequence[Held]]]
    inquiry: Callable[[], Inquiry]
