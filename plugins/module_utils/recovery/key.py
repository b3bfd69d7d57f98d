# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the private key here that a restore would want? Found out by decrypting, not by comparing names."""

from __future__ import annotations

from ..backups.payload import Codecs, load
from ..backups.repository import Backup
from ..core.errors import AccessDenied, Damaged


def key_reaches(backup: Backup, codecs: Codecs) -> bool | None:
    """Whether the smallest stored file of a backup can be decrypted; None for a backup in clear.

    A copy in a repository of its engine's own is read with that engine's key: only a drill that passed shows that it is here.

    :raises StorageFailed: when the file cannot be read
    """
    if not backup.manifest.encrypted:
        return None
    if not backup.manifest.files:
        return backup.proven_at is not None
    try:
        load(backup, min(backup.manifest.files, key=lambda file: file.bytes), _Nowhere(), codecs)
    except AccessDenied:
        return False
    except Damaged:  # which is noticed after the key has fitted, and told by verification
        return codecs.cipher.can_decrypt
    return True


class _Nowhere:
    """Takes everything and keeps nothing."""

    def write(self, block: bytes) -> int:
        return len(block)

    def flush(self) -> None:
        """Nothing is kept."""
