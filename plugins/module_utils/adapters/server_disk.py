# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of a PostgreSQL server, where it runs on the very host that we run on."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import StorageFailed
from .storage import free_bytes

# The line of postmaster.pid that has the epoch of the server's start (PostgreSQL source, src/include/utils/pidfile.h).
_START_LINE = 2
# postmaster.pid is written a moment before the server takes down the time of its start.
_APART = 5.0


def server_free_bytes(data_directory: str, folder: str, started: float) -> int | None:
    """Free bytes below ``folder``, None where ``data_directory`` is not here, is not that server's, or may not be read by us.

    A server is known by its start: through a tunnel or in a container, the same path may lead to another one.
    """
    try:
        lines = (Path(data_directory) / "postmaster.pid").read_text(encoding="ascii", errors="replace").splitlines()
        if abs(float(lines[_START_LINE]) - started) > _APART or not Path(folder).is_dir():
            return None
        return free_bytes(Path(folder))
    except (OSError, ValueError, IndexError, StorageFailed):
        return None
