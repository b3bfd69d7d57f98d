# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers of Weaviate on the loopback, and small seeded collections in them."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.rest import RestTarget
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.weaviate import Weaviate
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.weaviate_server import WeaviateServer
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline

from tests.testbed.parts import part
from tests.testbed.pgvector import vectors


@contextlib.contextmanager
def serve_weaviate() -> Iterator[RestTarget]:
    """A server until the block ends; yields how to reach it, its key in the headers."""
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-weaviate-"))
    server = WeaviateServer(Commands(), SystemClock(), program=part("weaviate-server"))
    try:
        yield server.start(folder / "server", Deadline(SystemClock(), 60))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def identity(number: int) -> str:
    """The id of an object."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"evenkeel {number}"))


def fill(client: Weaviate, *, count: int = 300, dimensions: int = 16) -> None:
    """Articles with one vector each that refer to their authors, notes with two named vectors, and letters of two tenants."""
    made = vectors(count, dimensions)
    client.create({"class": "Author", "vectorizer": "none", "properties": [{"name": "name", "dataType": ["text"]}]})
    client.create({"class": "Article", "vectorizer": "none", "description": "'quoted' é", "properties": [
        {"name": "title", "dataType": ["text"]}, {"name": "score", "dataType": ["number"]},
        {"name": "tags", "dataType": ["text[]"]}, {"name": "written", "dataType": ["date"]}, {"name": "by", "dataType": ["Author"]}]})
    client.create({"class": "Note", "properties": [{"name": "body", "dataType": ["text"]}], "vectorConfig": {
        "near": {"vectorizer": {"none": {}}, "vectorIndexType": "hnsw", "vectorIndexConfig": {"distance": "l2-squared"}},
        "far": {"vectorizer": {"none": {}}, "vectorIndexType": "flat", "vectorIndexConfig": {"distance": "dot"}}}})
    client.create({"class": "Letter", "vectorizer": "none", "multiTenancyConfig": {"enabled": True},
                   "properties": [{"name": "text", "dataType": ["text"]}]})
    client.add_tenants("Letter", ["north", "south"])
    client.insert([{"class": "Author", "id": identity(1_000_000 + number), "properties": {"name": f"author {number}\n\"x\""}}
                   for number in range(5)])
    client.insert([{"class": "Article", "id": identity(number), "vector": vector, "properties": {
        "title": f"article {number} é \u2603", "score": number / 7, "tags": ["a", "b c"], "written": "2026-01-15T12:00:00Z"}}
        for number, vector in enumerate(made)])
    client.refer([("Article", identity(number), "by", f"weaviate://localhost/Author/{identity(1_000_000 + number % 5)}", None)
                  for number in range(0, count, 3)])
    client.insert([{"class": "Note", "id": identity(2_000_000 + number), "properties": {"body": f"note {number}"},
                    "vectors": {"near": vector, "far": vector[:8]}} for number, vector in enumerate(made[:100])])
    for tenant in ("north", "south"):
        client.insert([{"class": "Letter", "id": identity(number), "tenant": tenant, "vector": vector,
                        "properties": {"text": f"{tenant} {number}"}} for number, vector in enumerate(made[:50])])
