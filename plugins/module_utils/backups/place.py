# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where backups lie: a tree of files that are whole or not there. A folder (`folder.Folder`) or S3 (`adapters.object_store`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Protocol

from ..core.clock import Clock


class Held(Protocol):
    """A lease that is held."""

    def confirm(self) -> None:
        """Go on only while it is still ours; called before every step that cannot be taken back.

        :raises Busy: when it ran out and another run may have taken it
        """


class Place(Protocol):
    """One level of the tree: a repository, a plan in it, or a backup. Names are checked by whoever gives them.

    Reading what is not there raises FileNotFoundError; every other trouble is an OpsError.
    """

    address: PurePath  # a Path for a folder of this host; as text it is what an operator would write
    local: Path | None  # the folder, where it is one of this host
    parallel: int  # how many small files are best read at once

    def at(self, *names: str) -> Place:
        """The place below, whether it exists or not."""

    def folders(self) -> Sequence[str]:
        """The names directly below that have something below them, sorted; none where nothing is here."""

    def files(self) -> Sequence[str]:
        """The names of the files directly here, sorted."""

    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    def read(self, name: str) -> bytes:
        """A small file."""

    def open(self, name: str) -> BinaryIO:
        """A file of any size, for reading in order; closed by the caller."""

    def write(self, name: str, data: bytes) -> None:
        """A small file, whole or not there.

        :raises Busy: when it is a file that may be written once, and another run has done so or taken the right to
        """

    def put(self, name: str, reader: Any, size: int, sha256: str) -> None:
        """A file of any size (``name`` may be a relative path), read to its end; it appears only when it is whole.

        :raises Damaged: when the bytes that came are not of this size and SHA-256; nothing appears then
        """

    def holds(self, name: str, size: int, sha256: str) -> bool:
        """Whether the file is there, whole: read again where that is the only way to know."""

    def announce(self, sizes: Mapping[str, int]) -> None:
        """What is about to be put here, by name, so that whoever clears up after a kill knows of halves that no list shows."""

    def move(self, name: str, to: str) -> None:
        """Give a small file another name; a run that ends in between leaves both, or the old one."""

    def remove(self, name: str) -> None:
        """Delete a small file; one that is gone is no error."""

    def clear(self) -> None:
        """Delete everything that is here, halves too. What is gone meanwhile is no error."""

    def reopen(self) -> None:
        """Let what was cleared be put here again; only for the holder of the lease, and for what is the same whoever puts it.

        :raises Busy: while the run that it was cleared after may still be on its way
        """

    def lease(self, clock: Clock, *, purpose: str, writes: str | None = None) -> AbstractContextManager[Held]:
        """The right to write here, for as long as this is open; ``writes`` is the name of the place below that will be made.

        :raises Busy: names who holds it and since when
        """

    def shared(self, name: str) -> AbstractContextManager[None]:
        """While this is open, nobody gets `alone` with the file.

        :raises FileNotFoundError: when it is not there
        :raises BlockingIOError: while somebody is alone with it
        """

    def alone(self, name: str) -> AbstractContextManager[None]:
        """While this is open, nobody shares the file.

        :raises FileNotFoundError: when it is not there
        :raises BlockingIOError: while somebody shares it
        """
