# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository that a request names, and the codecs for what is in it."""

from __future__ import annotations

from collections.abc import Sequence

from ..adapters import storage
from ..adapters.compression import Zstd
from ..adapters.encryption import AgeCipher
from ..backups.payload import Codecs
from ..backups.repository import Repository
from ..core.edge import Request


def open_repository(request: Request) -> Repository:
    """For the options of `adapters.storage.OPTIONS`.

    :raises StorageFailed: where a mount is asked for and nothing is mounted
    :raises InvalidOption: for a system or environment that cannot be a folder's name
    """
    root = storage.checked_repository(request["repository"], require_mount=request["require_mount"])
    return Repository(root, request["system"], request["environment"])


def writing_codecs(recipients: Sequence[str], *, level: int, threads: int) -> Codecs:
    """Compress, and encrypt for these public keys."""
    return Codecs(Zstd(level=level, threads=threads), AgeCipher(recipients))


def reading_codecs(identity_file: str | None) -> Codecs:
    """Decompress, and decrypt where there is a private key."""
    return Codecs(Zstd(), AgeCipher(identity_file=identity_file))
