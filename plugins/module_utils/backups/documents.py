# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a backup by the path that they had before coding; and documents of JSON among them, which say their format."""

from __future__ import annotations

import io
import json
from typing import Any

from ..core.errors import Damaged
from .payload import Codecs, load
from .repository import Backup


def load_plain(backup: Backup, path: str, writer: Any, codecs: Codecs) -> None:
    """`payload.load` of the file that had this path before it was coded.

    :raises Damaged: where there is none
    """
    for file in backup.manifest.files:
        if file.plain_path == path:
            load(backup, file, writer, codecs)
            return
    raise Damaged(f"The backup has no file {path}", hint="Restore from another backup")


def load_document(backup: Backup, path: str, codecs: Codecs, *, format: int) -> dict[str, Any]:
    """A document of the given format.

    :raises Damaged: when it is none
    :raises AccessDenied, StorageFailed: as `payload.load`
    """
    into = io.BytesIO()
    load_plain(backup, path, into, codecs)
    try:
        document = json.loads(into.getvalue())
        found = document["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path} cannot be read: {error!r}", hint="Restore from another backup") from error
    if found != format:
        raise Damaged(f"The backup has format {found!r}, this version reads {format}", hint="Use the version of evenkeel.ops that wrote it")
    return document
