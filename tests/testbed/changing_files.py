# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking into folders in which others are at work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def files_below(folder: Path) -> Iterator[Path]:
    """What is not a folder, at any depth. A folder that goes meanwhile is passed over, where `pathlib.Path.rglob` raises."""
    for parent, _folders, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)
