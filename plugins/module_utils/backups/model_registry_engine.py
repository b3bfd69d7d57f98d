# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``model_registry``: records of a registry of MLflow as one document, and the files of every registered version."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.clock import Clock
from ..core.errors import Damaged
from ..core.finding import Finding, Status
from .documents import load_document, load_plain
from .engine import Product, Source
from .model_registry import FORMAT, Hashing, Registry, fingerprint_of, read_files, read_records
from .payload import Codecs, store
from .repository import Backup

NAME = "model_registry"
DOCUMENT = "registry.json"
_FOUND = "backup.complete"


class ModelRegistryEngine:
    """See `engine.Engine`. Records are read before the files and again after them: where they differ, a finding says so."""

    name = NAME

    def __init__(self, registry: Registry, clock: Clock, *, compress: bool) -> None:
        self._registry, self._clock, self._compress = registry, clock, compress

    def inspect(self) -> Source:
        """That it answers as MLflow does."""
        return Source(self._describe())

    def produce(self, data: Path, staging: Path, codecs: Codecs, *, encrypt: bool) -> Product:
        """Every file once, as it streams from the server; then the document."""
        data_at, began = self._clock.now(), self._clock.monotonic()
        files = []

        def keep(stream: Any, path: str) -> dict[str, Any]:
            name, hashing = f"artifacts/{len(files):06d}", Hashing(stream)
            files.append(store(hashing, data, name, codecs, compress=self._compress, encrypt=encrypt))
            return {**hashing.entry, "stored": name}

        records, told = read_records(self._registry)
        read_files(self._registry, records, told, keep)
        document = io.BytesIO(json.dumps(records, sort_keys=True).encode())
        files.append(store(document, data, DOCUMENT, codecs, compress=self._compress, encrypt=encrypt))
        after, _told = read_records(self._registry)
        return Product(
            files=tuple(files), data_at=data_at, source=self._describe(), source_bytes=sum(file.plain_bytes for file in files),
            compression="zstd" if self._compress else "none",
            fingerprint={"format": FORMAT, "mode": "full", "registry": fingerprint_of(records)},
            tools={"mlflow": self._registry.version()}, timings={"export": round(self._clock.monotonic() - began, 3)},
            findings=self._judge(records, after))

    def _describe(self) -> dict[str, Any]:
        return {"driver": "mlflow", "host": self._registry.host, "port": self._registry.port, "url": self._registry.url,
                "server_version": self._registry.version()}

    def _judge(self, records: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Finding, ...]:
        url, findings = self._registry.url, []
        versions = [(model["name"], version) for model in records["models"] for version in model["versions"]]
        if not records["models"]:
            findings.append(Finding(_FOUND, url, Status.WARN, "the registry has no models", 0, unit="models",
                                    hint="See whether this is the server that you mean"))
        bare = [f"{name} version {version['version']}" for name, version in versions if not version["files"]]
        if bare:
            findings.append(Finding(_FOUND, url, Status.WARN, f"{len(bare)} versions have no files: {', '.join(bare[:5])}", len(bare), 0,
                                    "versions", "They cannot be loaded even now: restore their files, or delete them"))
        if _bare(records) != _bare(after):
            findings.append(Finding(_FOUND, url, Status.WARN, "the registry was written to while it was read",
                                    hint="The copy is of what was read first: back up when nobody registers, or again"))
        return tuple(findings)


def _bare(records: Mapping[str, Any]) -> str:
    """The document without files."""
    models = [{**model, "versions": [{**version, "files": []} for version in model["versions"]]} for model in records["models"]]
    return json.dumps({**records, "models": models}, sort_keys=True)


def read_document(backup: Backup, codecs: Codecs) -> dict[str, Any]:
    """The records of a backup; what they name is there, and is what the fingerprint says.

    :raises Damaged: when it is not what was written
    """
    records = load_document(backup, DOCUMENT, codecs, format=FORMAT)
    if fingerprint_of(records) != (backup.manifest.fingerprint or {}).get("registry"):
        raise Damaged(f"{DOCUMENT} is not what the fingerprint in the manifest is of", hint="Restore from another backup")
    return records


class ModelRegistryReader:
    """See `engine.Reader`."""

    def read_in_full(self, backup: Backup, codecs: Codecs, scratch: Path) -> str | None:
        """The document, and every file of every version decoded and compared with the digest that it had on the server."""
        records = read_document(backup, codecs)
        seen: set[str] = set()
        for model in records["models"]:
            for version in model["versions"]:
                for file in version["files"]:
                    if file["stored"] not in seen:
                        seen.add(file["stored"])
                        sink = _Digest()
                        load_plain(backup, file["stored"], sink, codecs)
                        if sink.entry != {"bytes": file["bytes"], "sha256": file["sha256"]}:
                            raise Damaged(f"{file['path']} of {model['name']} version {version['version']} is not the file that it was",
                                          hint="Restore from another backup")
        return None


class _Digest:
    """A writer that keeps only size and SHA-256."""

    def __init__(self) -> None:
        self._hash, self._bytes = hashlib.sha256(), 0

    def write(self, block: bytes) -> int:
        self._hash.update(block)
        self._bytes += len(block)
        return len(block)

    def flush(self) -> None:
        """Nothing is kept back."""

    @property
    def entry(self) -> dict[str, Any]:
        return {"bytes": self._bytes, "sha256": self._hash.hexdigest()}
