# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine is: it looks at a source, produces stored files of it, and can read a backup in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from ..core.finding import Finding
from .manifest import StoredFile
from .payload import Codecs
from .repository import Backup


@dataclass(frozen=True)
class Source:
    """What was seen before a backup: the manifest's ``source``, and an estimate of what the backup will hold.

    ``bytes`` is an upper bound for the stored size. ``stages_coding`` says that the engine's files are on disk in clear until
    they are compressed, ``stages_encryption`` until they are encrypted.

    ``content`` is a digest of all that would be in the backup, for an engine that makes one only when something changed; it is
    compared with the ``content`` in the newest manifest's ``source``. ``diff`` shows that change, in the words of Ansible's diff.
    """

    description: Mapping[str, Any]
    bytes: int | None = None
    stages_coding: bool = False
    stages_encryption: bool = False
    findings: tuple[Finding, ...] = ()
    content: str | None = None
    diff: Mapping[str, Any] | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """The part of the description that says which source it is, whatever its state."""
        return identity_of(self.description)


def identity_of(description: Mapping[str, Any]) -> dict[str, Any]:
    """See `Source.identity`; also for the ``source`` of a manifest."""
    keys = ("host", "port", "database", "namespace", "paths", "exclude", "collections")
    return {key: description[key] for key in keys if key in description}


@dataclass(frozen=True)
class Product:
    """What an engine produced below ``data/``, or in a repository of its own (``native``, see `manifest.Manifest`).

    ``encryption`` is the manifest's, for an engine that encrypts by itself.
    """

    files: tuple[StoredFile, ...]
    data_at: datetime
    source: Mapping[str, Any]
    source_bytes: int | None
    compression: str
    fingerprint: Mapping[str, Any] | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    parent: str | None = None
    native: Mapping[str, Any] | None = None
    encryption: Mapping[str, Any] | None = None


class Engine(Protocol):
    """Makes backups of one source."""

    name: str

    def inspect(self) -> Source:
        """Look at the source; writes nothing.

        :raises OpsError: when it cannot be reached or read
        """

    def produce(self, data: Path, staging: Path, codecs: Codecs, *, encrypt: bool) -> Product:
        """Write the stored files below ``data``, which does not exist yet; ``staging`` is an empty private folder.

        An engine with a repository of its own writes nothing below ``data``, or what it will compare the copy with.

        :raises OpsError: when anything at all was not as it should be; what was written is thrown away then
        """


class Reader(Protocol):
    """Reads backups of one engine in full."""

    def read_in_full(self, backup: Backup, codecs: Codecs, scratch: Path) -> str | None:
        """Check every stored byte, decode it, and have the engine's own program read all of it.

        :return: None, or how deep the look was where it was less (``part 3 of 10``)
        :raises Damaged: when it is not what was written, or the program cannot read it
        :raises OpsError: when one cannot tell: a missing program, no space, no key
        """
