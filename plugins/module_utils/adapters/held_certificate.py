# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One certificate that somebody keeps for others: a cluster, a cloud."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Content of PEM, to the certificates (DER) and the public half of a key beside them: X509.parse.
Parse = Callable[[bytes], tuple[list[bytes], "bytes | None"]]


@dataclass(frozen=True)
class HeldCertificate:
    """``chain`` is DER, the certificate first, empty where there is none yet; ``key`` the public half of the key beside it.

    ``hosts`` are the names that its keeper wants in it. ``record`` is what its keeper says of it: good, bad or unknown; a
    sentence; what to do; a word of its own. None where it says nothing.
    """

    name: str
    chain: tuple[bytes, ...] = ()
    key: bytes | None = None
    hosts: tuple[str, ...] = ()
    record: tuple[str, str, str, str] | None = None
