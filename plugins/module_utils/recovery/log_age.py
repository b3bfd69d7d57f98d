# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How old is the newest write-ahead log that left the server? What is younger would be lost with it."""

from __future__ import annotations

import math
import os
import re
from datetime import datetime
from pathlib import Path

from ..core.files import storage_errors

# A segment (24 hexadecimal digits: timeline and position), one that is being received, and what archivers add to the name
# (pgBackRest: a checksum and the compression).
_SEGMENT = re.compile(r"[0-9A-F]{24}(?:\.partial)?(?:-[0-9a-f]{40})?(?:\.(?:gz|lz4|zst|bz2))?", re.ASCII)


def log_age(folder: Path, now: datetime) -> float:
    """Seconds since the newest segment below ``folder`` was written; infinite where there is none, never below 0.

    :raises StorageFailed: when folders cannot be read
    """
    newest = -math.inf
    with storage_errors(folder):
        for where, _folders, files in os.walk(folder, onerror=_raise):
            for name in files:
                if _SEGMENT.fullmatch(name):
                    newest = max(newest, os.lstat(os.path.join(where, name)).st_mtime)
    return max(0.0, now.timestamp() - newest)


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
