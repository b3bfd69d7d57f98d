# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zstandard through python-zstandard, streaming."""

from __future__ import annotations

from typing import Any

from ..core.errors import Damaged, LibraryMissing

try:
    import zstandard
except ImportError:  # told when something is to be compressed
    zstandard = None


class Zstd:
    """One frame per stream, with its own checksum. ``threads`` 0 compresses in the calling thread."""

    def __init__(self, *, level: int = 1, threads: int = 0) -> None:
        self.level = level
        self.threads = threads

    @staticmethod
    def version() -> str:
        """Of the library.

        :raises LibraryMissing: without python-zstandard
        """
        if zstandard is None:
            raise LibraryMissing("zstandard")
        return zstandard.__version__

    def compressing(self, reader: Any) -> Any:
        """A reader that yields the compressed form of ``reader``.

        :raises LibraryMissing: without python-zstandard
        """
        self.version()
        compressor = zstandard.ZstdCompressor(level=self.level, threads=self.threads, write_checksum=True)
        return compressor.stream_reader(reader, read_size=1024 * 1024, closefd=False)

    def decompressing(self, writer: Any) -> _Decompressing:
        """A writer that writes the decompressed form to ``writer``, in pieces of bounded size.

        :raises LibraryMissing: without python-zstandard
        """
        self.version()
        return _Decompressing(zstandard.ZstdDecompressor().stream_writer(writer, write_size=1024 * 1024, closefd=False))


class _Decompressing:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, block: bytes) -> int:
        try:
            self._stream.write(block)
        except zstandard.ZstdError as error:
            raise Damaged(f"zstd cannot decompress it: {error}") from error
        return len(block)

    def flush(self) -> None:
        """What was decompressed is handed on as it comes."""
