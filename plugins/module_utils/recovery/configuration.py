# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill of a configuration: that of an archive, after its content was compared with the one that was recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..backups.engine import Reader
from .files import FilesDrill


class ConfigurationDrill(FilesDrill):
    """See `drill.Subject`."""

    def __init__(self, *arguments: Any, reader: Reader, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._reader = reader

    def fetch(self) -> None:
        """Read all of it: every stored byte, and the digest of what it holds."""
        self._reader.read_in_full(self._backup, self._codecs, Path(self._target).parent)
