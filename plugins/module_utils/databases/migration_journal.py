# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a migration that is under way wrote down before it began, for the run after it was killed.

One small file for each database, written before the first change and removed when the database is at one end or the other.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ..core.errors import Damaged
from ..core.files import private_folder, storage_errors, sync_folder, write_atomically

_FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """Where the database stood (``before``, the digest of its ``schema``), where it was to go, and the backup of that moment."""

    database: str
    tool: str
    began_at: str
    before: tuple[str, ...]
    target: tuple[str, ...]
    pending: tuple[str, ...]
    schema: str
    backup_id: str


class Journal:
    """The file of one database below ``folder``; ``database`` is its name with the server's, as messages call it."""

    def __init__(self, folder: Path, database: str) -> None:
        self.path = folder / "migrations" / f"{hashlib.sha256(database.encode()).hexdigest()[:16]}.json"

    def read(self) -> Entry | None:
        """What was written down; None where no migration is under way.

        :raises Damaged: where the file says nothing that can be read
        """
        with storage_errors(self.path):
            try:
                text = self.path.read_bytes()
            except FileNotFoundError:
                return None
        try:
            data = json.loads(text)
            if data.pop("format") != _FORMAT:
                raise ValueError("another format")
            return Entry(**{key: tuple(value) if isinstance(value, list) else value for key, value in data.items()})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Damaged(f"{self.path}: what a broken-off migration wrote down cannot be read: {error!r}",
                          hint="See by hand at which revision the database is (alembic current), put it in order, and remove the file"
                          ) from error

    def write(self, entry: Entry) -> None:
        """Before the first change.

        :raises StorageFailed: where it cannot be kept
        """
        private_folder(self.path.parent)
        write_atomically(self.path, json.dumps({"format": _FORMAT, **asdict(entry)}, indent=1).encode() + b"\n")

    def clear(self) -> None:
        """The database is where it should be.

        :raises StorageFailed: where it cannot be removed
        """
        with storage_errors(self.path):
            self.path.unlink(missing_ok=True)
        if self.path.parent.is_dir():
            sync_folder(self.path.parent)
