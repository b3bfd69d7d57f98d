# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zstandard through python-zstandard, streaming."""

from __future__ import annotations

import ctypes
import io
import os
from pathlib import Path
from typing import Any, BinaryIO

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
        """A reader that yields the compressed form of ``reader``. One that is given up before its end holds nothing up.

        :raises LibraryMissing: without python-zstandard
        """
        self.version()
        return _Compressing(zstandard.ZstdCompressor(level=self.level, threads=self.threads, write_checksum=True), reader)

    def opened(self, path: str) -> BinaryIO:
        """A file to be read in its decompressed form, frame after frame; it ends where the file is cut off.

        :raises LibraryMissing: without python-zstandard
        """
        self.version()
        raw = Path(path).open("rb")  # noqa: SIM115  the stream closes it
        stream = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True, closefd=True)
        return io.BufferedReader(_Sound(stream, path), 1024 * 1024)

    def decompressing(self, writer: Any) -> _Decompressing:
        """A writer that writes the decompressed form to ``writer``, in pieces of bounded size.

        :raises LibraryMissing: without python-zstandard
        """
        self.version()
        return _Decompressing(zstandard.ZstdDecompressor().stream_writer(writer, write_size=1024 * 1024, closefd=False))


class _Compressing:
    """Reads what a compressor makes, and sees to it that no one waits for a compressor that was given up.

    To free one waits until its threads have finished their blocks, many MiB each and seconds at high levels, with every other
    thread of Python stopped; zstd has no way to break a block off. So its memory is given back only at the end of the stream:
    where that never comes (a run that is cancelled, a disk that is full), it is left to the end of the process, which waits for no
    thread.
    """

    def __init__(self, compressor: Any, reader: Any) -> None:
        self._stream = compressor.stream_reader(reader, read_size=1024 * 1024, closefd=False)
        self._kept: Any = ctypes.py_object(compressor)
        ctypes.pythonapi.Py_IncRef(self._kept)

    def read(self, size: int = -1) -> bytes:
        """As a file; at the end the compressor may go."""
        block = self._stream.read(size)
        if not block and size and self._kept is not None:
            ctypes.pythonapi.Py_DecRef(self._kept)
            self._kept = None
        return block


class _Sound(io.RawIOBase):
    """A reader whose errors are ours; it goes forwards only."""

    def __init__(self, stream: Any, path: str) -> None:
        self._stream, self._path, self._at = stream, path, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        while whence == os.SEEK_SET and self._at < offset:
            if not self.readinto(bytearray(min(1024 * 1024, offset - self._at))):
                break
        return self._at

    def readinto(self, buffer: Any) -> int:
        try:
            block = self._stream.read(len(buffer))
        except zstandard.ZstdError as error:
            raise Damaged(f"{self._path} cannot be decompressed: {error}", hint="Move it out of the way") from error
        buffer[:len(block)] = block
        self._at += len(block)
        return len(block)

    def close(self) -> None:
        self._stream.close()
        super().close()


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
