# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``vector_store``: a copy that another server of the same kind can be filled from, and what to compare it with.

Of pgvector it is a dump of the database (`dump_engine`), which has every table, index and row; of Weaviate the definition of each
collection and its objects with their vectors, a line of JSON each. Indexes for neighbours are built anew by a restore.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ..core.clock import Clock
from ..core.errors import Damaged, InvalidOption, NotFound, Refused
from ..core.finding import Finding, Status
from .documents import load_document, load_plain
from .dump_engine import DumpEngine
from .engine import Product, Reader, Source
from .fingerprint import Session, take_fingerprint
from .payload import Codecs, store
from .repository import Backup
from .vector_columns import begin_on, read_collections, require_vectors
from .vector_tally import Tally

NAME = "vector_store"
PGVECTOR, WEAVIATE = "pgvector", "weaviate"
FORMAT = 1
_INDEX = "collections.json"
_FOUND = "backup.complete"


class Store(Protocol):
    """The part of `adapters.weaviate.Weaviate` that is read."""

    url: str
    host: str
    port: int

    def version(self) -> str:
        """Of the server."""

    def collections(self) -> list[dict[str, Any]]:
        """Definitions."""

    def tenants(self, collection: str) -> list[dict[str, Any]]:
        """Names and states."""

    def objects(self, collection: str, tenant: str | None, *, page: int) -> Iterator[dict[str, Any]]:
        """All of them."""


@dataclass(frozen=True)
class StorePolicy:
    """``collections``: those that are backed up, none for all; ``sample``: how many vectors of each the manifest keeps."""

    collections: tuple[str, ...] = ()
    page: int = 200
    sample: int = 20
    compress: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.page <= 10_000:
            raise InvalidOption(f"vector_store.page: {self.page} objects cannot be read at once", hint="Give 1 to 10000")
        if not 1 <= self.sample <= 1000:
            raise InvalidOption(f"vector_store.sample: {self.sample} is no size of a sample", hint="Give 1 to 1000; 20 is usual")


class PgvectorEngine:
    """See `engine.Engine`. A dump whose fingerprint also has the vectors, read from the snapshot that is dumped.

    ``dump`` is made with `fingerprint_with_vectors`.
    """

    name = NAME

    def __init__(self, dump: DumpEngine, open_session: Callable[[], Session]) -> None:
        self._dump = dump
        self._open = open_session

    def inspect(self) -> Source:
        """As the dump's, and that there are vectors.

        :raises NotFound: where the database has not the extension
        """
        session = self._open()
        try:
            version = require_vectors(session)
        finally:
            session.close()
        source = self._dump.inspect()
        return replace(source, description={**source.description, "driver": PGVECTOR, "pgvector": version})

    def produce(self, data: Path, staging: Path, codecs: Codecs, *, encrypt: bool) -> Product:
        """The dump."""
        product = self._dump.produce(data, staging, codecs, encrypt=encrypt)
        found = (product.fingerprint or {}).get("vector_collections")
        findings = product.findings if found else (*product.findings, _nothing(str(product.source.get("database"))))
        return replace(product, source={**product.source, "driver": PGVECTOR}, findings=findings)


def fingerprint_with_vectors(sample: int) -> Callable[..., dict[str, Any]]:
    """`fingerprint.take_fingerprint`, with ``vector_collections`` read from the same snapshot."""
    def take(open_session: Callable[[], Session], *, snapshot: str | None = None, **options: Any) -> dict[str, Any]:
        found = take_fingerprint(open_session, snapshot=snapshot, **options)
        session = open_session()
        try:
            begin_on(session, snapshot)
            return {**found, "vector_collections": read_collections(session, sample=sample)}
        finally:
            session.close()

    return take


class WeaviateEngine:
    """See `engine.Engine`. Objects are read page by page in the order of their ids, which is no snapshot: what is written
    meanwhile may be in the copy or not. The fingerprint is of what is in the copy.
    """

    name = NAME

    def __init__(self, vectors: Store, policy: StorePolicy, clock: Clock) -> None:
        self._store, self._policy, self._clock = vectors, policy, clock

    def inspect(self) -> Source:
        """Version, and that every collection that was named is there."""
        self._selected()
        return Source(self._describe())

    def produce(self, data: Path, staging: Path, codecs: Codecs, *, encrypt: bool) -> Product:
        """Each collection, of one with tenants each tenant, as one file of lines; then the file that says what is in which."""
        data_at, began = self._clock.now(), self._clock.monotonic()
        since = int(data_at.timestamp() * 1000)
        files, index, collections, moving = [], [], {}, 0
        for definition in self._selected():
            name, parts = definition["class"], []
            for tenant in self._tenants(definition):
                tally, path = Tally(self._policy.sample), f"objects/{len(files):05d}.jsonl"
                lines = _Lines(self._store.objects(name, tenant, page=self._policy.page), tally, since)
                files.append(store(lines, data, path, codecs, compress=self._policy.compress, encrypt=encrypt))
                parts.append({"path": path, "tenant": tenant})
                collections[part_name(name, tenant)] = {**tally.result(), "schema": definition, "indexes": {}}
                moving += lines.moving
            index.append({"definition": definition, "parts": parts})
        head = io.BytesIO(json.dumps({"format": FORMAT, "collections": index}, sort_keys=True).encode())
        files.append(store(head, data, _INDEX, codecs, compress=self._policy.compress, encrypt=encrypt))
        return Product(
            files=tuple(files), data_at=data_at, source=self._describe(), source_bytes=sum(file.plain_bytes for file in files),
            compression="zstd" if self._policy.compress else "none",
            fingerprint={"format": FORMAT, "mode": "full", "vector_collections": collections},
            tools={"weaviate": self._store.version()}, timings={"export": round(self._clock.monotonic() - began, 3)},
            findings=self._judge(collections, moving))

    def _describe(self) -> dict[str, Any]:
        return {"driver": WEAVIATE, "host": self._store.host, "port": self._store.port, "url": self._store.url,
                "server_version": self._store.version(), "collections": sorted(self._policy.collections)}

    def _selected(self) -> list[dict[str, Any]]:
        there = {one["class"]: one for one in self._store.collections()}
        missing = [name for name in self._policy.collections if name not in there]
        if missing:
            raise NotFound(f"{self._store.url} has no collection {missing[0]!r}",
                           hint=f"There are {', '.join(there) or 'none'}; correct vector_store.collections")
        return [there[name] for name in (self._policy.collections or there)]

    def _tenants(self, definition: Mapping[str, Any]) -> list[str | None]:
        """:raises Refused: for a tenant that the server does not serve just now: the copy would lack it"""
        if not (definition.get("multiTenancyConfig") or {}).get("enabled"):
            return [None]
        tenants = self._store.tenants(definition["class"])
        for tenant in tenants:
            if tenant.get("activityStatus", "HOT") not in ("HOT", "ACTIVE"):
                raise Refused(f"Tenant {tenant['name']} of {definition['class']} is {tenant['activityStatus']} and cannot be read",
                              hint="Nothing was kept: activate it, or name the other collections in vector_store.collections")
        return [tenant["name"] for tenant in tenants]

    def _judge(self, collections: Mapping[str, Any], moving: int) -> tuple[Finding, ...]:
        if not collections:
            return (_nothing(self._store.url),)
        if not moving:
            return ()
        return (Finding(_FOUND, self._store.url, Status.WARN, f"{moving} objects were written while they were read", moving, 0, "objects",
                        "Their neighbours may be of another instant: back up when few write"),)


def part_name(collection: str, tenant: str | None) -> str:
    """How a fingerprint calls a collection, or a tenant of it."""
    return collection if tenant is None else f"{collection}/{tenant}"


def content_of(member: Mapping[str, Any]) -> tuple[str, Any, dict[str, Any]]:
    """Id, properties and vectors by name of an object as Weaviate tells it, or as a line of a backup has it.

    :raises Damaged: for what is no such object
    """
    try:
        vectors = dict(member.get("vectors") or {})
        if member.get("vector"):
            vectors[""] = member["vector"]
        return str(member["id"]), member.get("properties") or {}, vectors
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise Damaged(f"An object of a collection cannot be read: {error!r}", hint="Restore from another backup") from error


@dataclass(frozen=True)
class Part:
    """One file of objects: its collection, tenant, and path in the backup before coding."""

    collection: str
    tenant: str | None
    path: str


def read_index(backup: Backup, codecs: Codecs) -> tuple[list[dict[str, Any]], list[Part]]:
    """The definitions of a backup of Weaviate, and where the objects are.

    :raises Damaged: when it is not what was written
    """
    data = load_document(backup, _INDEX, codecs, format=FORMAT)
    try:
        definitions = [dict(entry["definition"]) for entry in data["collections"]]
        parts = [Part(str(entry["definition"]["class"]), part["tenant"], str(part["path"]))
                 for entry in data["collections"] for part in entry["parts"]]
        return definitions, parts
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{_INDEX} cannot be read: {error!r}", hint="Restore from another backup") from error


def read_objects(backup: Backup, part: Part, codecs: Codecs, take: Callable[[dict[str, Any]], None]) -> None:
    """Hand every object of a part to ``take``; what was taken before an alteration was noticed is to be thrown away.

    :raises Damaged, AccessDenied, StorageFailed: as `payload.load`
    """
    lines = _LineWriter(take)
    load_plain(backup, part.path, lines, codecs)
    lines.end()


class VectorStoreReader:
    """See `engine.Reader`; ``dump`` reads what pg_dump wrote."""

    def __init__(self, dump: Reader) -> None:
        self._dump = dump

    def read_in_full(self, backup: Backup, codecs: Codecs, scratch: Path) -> str | None:
        """Every object is read, and ids, contents and vectors are summed up again."""
        if backup.manifest.source.get("driver") == PGVECTOR:
            return self._dump.read_in_full(backup, codecs, scratch)
        expected = (backup.manifest.fingerprint or {}).get("vector_collections") or {}
        _definitions, parts = read_index(backup, codecs)
        for part in parts:
            name, tally = part_name(part.collection, part.tenant), Tally(1)
            read_objects(backup, part, codecs, lambda member, tally=tally: tally.see(*content_of(member)))
            found, entry = tally.result(), expected.get(name)
            if entry is None:
                raise Damaged(f"The fingerprint knows no {name}", hint="Restore from another backup")
            for key in ("count", "ids", "content", "vectors"):
                if found[key] != entry.get(key):
                    raise Damaged(f"{part.path} does not hold what was read from {name}: its {key} differ",
                                  hint="Restore from another backup")
        if len(parts) != len(expected):
            raise Damaged(f"The backup has {len(parts)} collections where {len(expected)} were read", hint="Restore from another backup")
        return None


def _nothing(subject: str) -> Finding:
    return Finding(_FOUND, subject, Status.WARN, "the store has no collection of vectors", 0, unit="collections",
                   hint="See whether this is the server or database that you mean")


class _Lines:
    """Objects as a stream of lines of JSON, counted on their way; ``moving`` is how many were written since an instant (ms)."""

    def __init__(self, objects: Iterator[dict[str, Any]], tally: Tally, since: int) -> None:
        self._objects, self._tally, self._since = objects, tally, since
        self._buffer = bytearray()
        self.moving = 0

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._buffer) < size:
            member = next(self._objects, None)
            if member is None:
                break
            self._tally.see(*content_of(member))
            self.moving += int(member.get("lastUpdateTimeUnix") or 0) >= self._since
            kept = {key: value for key, value in member.items() if key not in ("class", "tenant") and value is not None}
            self._buffer += json.dumps(kept, separators=(",", ":")).encode() + b"\n"
        taken = bytes(self._buffer) if size < 0 else bytes(self._buffer[:size])
        del self._buffer[:len(taken)]
        return taken


class _LineWriter:
    """Takes a stream of lines of JSON apart."""

    def __init__(self, take: Callable[[dict[str, Any]], None]) -> None:
        self._take = take
        self._rest = b""

    def write(self, block: bytes) -> int:
        *lines, self._rest = (self._rest + bytes(block)).split(b"\n")
        for line in lines:
            try:
                member = json.loads(line)
            except ValueError as error:
                raise Damaged(f"A line of the backup is no JSON: {error}", hint="Restore from another backup") from error
            self._take(member)
        return len(block)

    def flush(self) -> None:
        """Nothing is kept back but half a line."""

    def end(self) -> None:
        """:raises Damaged: where the last line has no end"""
        if self._rest:
            raise Damaged("The backup ends within a line", hint="Restore from another backup")
