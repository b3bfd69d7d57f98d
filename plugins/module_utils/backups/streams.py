# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams of what is made as it is read, and of what is kept as it is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator


class Produced:
    """Reads what an iterator gives, piece by piece, and hashes it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left, self._hash = pieces, bytearray(), hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """As a file's."""
        while size < 0 or len(self._left) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._hash.update(piece)
            self._left += piece
        size = len(self._left) if size < 0 else size
        block = bytes(self._left[:size])
        del self._left[:size]
        return block

    @property
    def sha256(self) -> str:
        """Of what was read so far."""
        return self._hash.hexdigest()


class Collected:
    """Keeps what is written in memory; for what is small by its nature."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, block: bytes) -> int:
        """As a file's."""
        self.content += block
        return len(block)

    def flush(self) -> None:
        """As a file's."""
