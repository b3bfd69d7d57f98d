# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cryptography says of certificates, answers and lists that it cannot make sense of, in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..core.errors import Damaged, LibraryMissing


@contextmanager
def understood(what: str, hint: str) -> Iterator[None]:
    """Inside, whatever cannot be parsed is damaged. cryptography reads the parts of a certificate only when they are asked for, and
    lets errors of several kinds out.

    :raises Damaged: then; ``what`` begins its message
    :raises LibraryMissing: without cryptography
    """
    try:
        from cryptography import x509
        from cryptography.exceptions import UnsupportedAlgorithm
    except ImportError as error:
        raise LibraryMissing("cryptography") from error
    try:
        yield
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension) as error:
        raise Damaged(f"{what}: {' '.join(str(error).split())[:300]}", hint=hint) from error
