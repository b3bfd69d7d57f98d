# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup says of itself: one JSON file, written last, never changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from ..core.clock import format_instant, parse_instant
from ..core.errors import Damaged, OpsError
from .seal import SEALED, UNSEALED, sealed, unsealed

# How a stored file was coded, in the order of doing; each coding adds its suffix to the name.
SUFFIXES = {"zstd": ".zst", "age": ".age"}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file below ``data/``: its relative path, and size and SHA-256 of the bytes as they are stored.

    ``coding`` is what was done to the engine's own file, in order: ``("zstd", "age")`` is compressed, then encrypted;
    ``plain_bytes`` is its size before that.
    """

    path: str
    bytes: int
    sha256: str
    plain_bytes: int
    coding: tuple[str, ...] = ()

    @property
    def plain_path(self) -> str:
        """The path that the engine gave the file, before it was coded: ``3012.dat`` for ``3012.dat.zst.age``."""
        plain = self.path
        for coding in reversed(self.coding):
            plain = plain.removesuffix(SUFFIXES[coding])
        return plain


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that is known of a backup when it is finished.

    ``created_at`` is when the run began, ``data_at`` the instant that the data is of (the snapshot of a dump, the start of
    reading of an archive): what was written after it is lost by a restore (RPO). ``source`` describes what was backed up,
    with keys by engine: ``pg_dump`` has host, port, database, server_version (as the server counts: 150008),
    ``archive`` has paths, exclude, members. ``source_bytes`` is its size there, None where it is not known. ``encryption``
    is ``{"method": "age", "recipients": [public keys]}`` or None. ``fingerprint`` is opaque here (see fingerprint.py).
    ``tools`` maps programs and libraries to their versions, ``timings`` phases to seconds.

    ``parent`` is the id of the backup that this one rests on (differential, incremental), None where it stands alone.
    ``native`` is set where the engine keeps the copy in a repository of its own; ``files`` is empty then, or what it keeps
    beside the copy to compare it with: ``repository`` (where), ``name`` (what the engine calls the copy) and ``bytes`` (what it
    adds to that repository), and what the engine needs to find it again; never a secret.
    """

    id: str
    system: str
    environment: str
    plan: str
    engine: str
    created_at: datetime
    data_at: datetime
    files: tuple[StoredFile, ...]
    source_bytes: int | None = None
    tags: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    compression: str = "none"
    encryption: Mapping[str, Any] | None = None
    fingerprint: Mapping[str, Any] | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    parent: str | None = None
    native: Mapping[str, Any] | None = None

    @property
    def bytes(self) -> int:
        """The size of all stored files, or what the engine says that its repository holds of this copy alone."""
        return int(self.native["bytes"]) if self.native else sum(file.bytes for file in self.files)

    @property
    def encrypted(self) -> bool:
        """Whether reading the payload takes a private key."""
        return self.encryption is not None

    def to_json(self) -> bytes:
        """Sealed JSON (`seal.sealed`)."""
        data = {
            "id": self.id, "system": self.system, "environment": self.environment, "plan": self.plan,
            "engine": self.engine, "created_at": format_instant(self.created_at), "data_at": format_instant(self.data_at),
            "files": [{"path": file.path, "bytes": file.bytes, "sha256": file.sha256,
                       "plain_bytes": file.plain_bytes, "coding": list(file.coding)}
                      for file in self.files],
            "source_bytes": self.source_bytes, "tags": list(self.tags), "source": dict(self.source),
            "compression": self.compression, "encryption": self.encryption, "fingerprint": self.fingerprint,
            "tools": dict(self.tools), "timings": dict(self.timings), "parent": self.parent, "native": self.native,
        }
        return sealed(data)

    @classmethod
    def from_json(cls, text: bytes) -> Manifest:
        """The inverse of `to_json`. Paths that lead out of the backup are refused: the file may have been altered.

        :raises Damaged: for anything but a whole manifest of a format that this version knows
        """
        try:
            data = unsealed(text)
            if data["format"] not in (UNSEALED, SEALED):
                raise Damaged(f"The manifest has format {data['format']!r}, this version reads up to {SEALED}",
                              hint="Use the version of evenkeel.ops that wrote it")
            return cls(
                id=str(data["id"]), system=str(data["system"]), environment=str(data["environment"]), plan=str(data["plan"]),
                engine=str(data["engine"]), created_at=parse_instant(data["created_at"]), data_at=parse_instant(data["data_at"]),
                files=tuple(_stored_file(entry) for entry in data["files"]), source_bytes=data["source_bytes"],
                tags=tuple(data["tags"]), source=dict(data["source"]), compression=str(data["compression"]),
                encryption=data["encryption"], fingerprint=data["fingerprint"], tools=dict(data["tools"]),
                timings=dict(data["timings"]), parent=data.get("parent"), native=_native(data.get("native")),
            )
        except Damaged:
            raise
        except (OpsError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Damaged(f"The manifest cannot be read: {error!r}",
                          hint="Use another backup; this one cannot be trusted") from error


def _native(entry: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if entry is None:
        return None
    if not entry["repository"] or not entry["name"] or not isinstance(entry["bytes"], int):
        raise Damaged("The manifest does not say where the engine keeps the copy", hint="It was altered: use another backup")
    return dict(entry)


def _stored_file(entry: Mapping[str, Any]) -> StoredFile:
    file = StoredFile(entry["path"], entry["bytes"], entry["sha256"], entry["plain_bytes"], tuple(entry["coding"]))
    path = PurePosixPath(file.path)
    if not file.path or path.is_absolute() or ".." in path.parts or "\0" in file.path or str(path) != file.path:
        raise Damaged(f"The manifest names the path {file.path!r}", hint="It was altered: use another backup")
    sizes = (file.bytes, file.plain_bytes)
    if any(not isinstance(size, int) or isinstance(size, bool) or size < 0 for size in sizes) or not _SHA256.fullmatch(file.sha256) \
            or set(file.coding) - set(SUFFIXES):
        raise Damaged(f"The manifest's entry for {file.path!r} makes no sense", hint="It was altered: use another backup")
    return file
