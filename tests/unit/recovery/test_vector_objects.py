# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of objects with vectors and their restore, with a store in memory; tests/integration has the real one."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.compression import Zstd
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.encryption import AgeCipher
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.create import CreationPolicy, create_backup
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.payload import Codecs
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.vector_store_engine import StorePolicy, VectorStoreReader, WeaviateEngine
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import NotFound, Refused
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.vector_objects import Server, VectorObjectsDrill
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.vectors import VectorPolicy

CODECS = Codecs(Zstd(), AgeCipher())
REFERRING = {"class": "Article", "vectorizer": "none", "properties": [
    {"name": "title", "dataType": ["text"]}, {"name": "by", "dataType": ["Author"]}]}


class Memory:
    """A store that keeps what it is given; ``blind`` makes its index find nothing near."""

    url, host, port = "memory", "memory", 1

    def __init__(self, *, blind: bool = False) -> None:
        self.definitions: dict[str, Any] = {}
        self.members: dict[Any, dict[str, Any]] = {}
        self.states: dict[str, str] = {}
        self.blind = blind

    def version(self) -> str:
        return "1"

    def collections(self) -> list[dict[str, Any]]:
        return [json.loads(json.dumps(self.definitions[name])) for name in sorted(self.definitions)]

    def tenants(self, collection: str) -> list[dict[str, Any]]:
        return [{"name": name, "activityStatus": state} for name, state in self.states.items()]

    def objects(self, collection: str, tenant: str | None, *, page: int):
        yield from sorted(self.members.get((collection, tenant), {}).values(), key=lambda one: one["id"])

    def create(self, definition: Any) -> None:
        self.definitions[definition["class"]] = json.loads(json.dumps(definition))

    def add_property(self, collection: str, definition: Any) -> None:
        self.definitions[collection].setdefault("properties", []).append(definition)

    def add_tenants(self, collection: str, tenants: Any) -> None:
        self.states |= dict.fromkeys(tenants, "HOT")

    def insert(self, objects: Any) -> None:
        for one in json.loads(json.dumps(list(objects))):
            self.members.setdefault((one["class"], one.get("tenant")), {})[one["id"]] = one

    def refer(self, references: Any) -> None:
        for collection, id, key, beacon, tenant in references:
            self.members[collection, tenant][id]["properties"].setdefault(key, []).append({"beacon": beacon})

    def shards(self, collection: str, tenant: str | None) -> list[dict[str, Any]]:
        return [{"name": "one", "status": "READY", "vectorQueueSize": 0}]

    def nearest(self, collection: str, tenant: str | None, name: str, vector: Any, count: int) -> list[tuple[str, float]]:
        def away(one: dict[str, Any]) -> float:
            other = one["vector"]
            return 1 - sum(a * b for a, b in zip(other, vector, strict=True)) / (math.hypot(*other) * math.hypot(*vector))

        found = sorted((away(one), id) for id, one in self.members[collection, tenant].items() if one.get("vector"))
        return [(id, distance) for distance, id in (found[::-1] if self.blind else found)[:count]]


@pytest.fixture
def filled() -> Memory:
    """Articles of two authors, the letters of two tenants."""
    store = Memory()
    store.create({"class": "Author", "vectorizer": "none", "properties": []})
    store.create(REFERRING)
    store.create({"class": "Letter", "vectorizer": "none", "multiTenancyConfig": {"enabled": True}, "properties": []})
    store.add_tenants("Letter", ["north", "south"])
    store.insert([{"class": "Author", "id": f"a{number}", "properties": {}} for number in range(2)])
    store.insert([{"class": "Article", "id": f"{number:03}", "vector": [math.cos(number), math.sin(number)],
                   "properties": {"title": f"t{number}\n"}} for number in range(60)])
    store.refer([("Article", "003", "by", "weaviate://localhost/Author/a1", None)])
    for tenant in ("north", "south"):
        store.insert([{"class": "Letter", "id": "l", "tenant": tenant, "vector": [1.0, 0.0], "properties": {"text": tenant}}])
    return store


def copied(store: Memory, folder: Any, clock: Any, **policy: Any) -> Any:
    engine = WeaviateEngine(store, StorePolicy(page=7, **policy), clock)
    return create_backup(Repository(folder / "r", "s", "e"), "vectors", engine, CODECS, CreationPolicy(), clock,
                         free_bytes=lambda _place: 2**40)


def drilled(backup: Any, into: Memory, clock: Any) -> tuple[VectorObjectsDrill, dict[str, Any]]:
    drill = VectorObjectsDrill(backup, CODECS, Server(lambda: into, lambda: None, scratch=True), VectorPolicy(page=7, recall_minimum=0.9),
                               jobs=1, deadline=Deadline(clock, 60))
    for phase in ("fetch", "prepare", "restore", "first_query"):
        getattr(drill, phase)()
    found = drill.verify()
    return drill, {finding.check: finding for finding in found}


def test_what_was_copied_comes_back_with_references_and_tenants(filled, tmp_path, clock):
    backup, into = copied(filled, tmp_path, clock).backup, Memory()
    assert VectorStoreReader(None).read_in_full(backup, CODECS, tmp_path) is None
    _drill, found = drilled(backup, into, clock)
    assert {finding.status.value for finding in found.values()} == {"pass"}, found
    assert into.members["Article", None]["003"]["properties"]["by"] == [{"beacon": "weaviate://localhost/Author/a1"}]
    assert into.members["Letter", "south"]["l"]["properties"] == {"text": "south"}


def test_an_index_that_finds_the_farthest_fails(filled, tmp_path, clock):
    drill, _found = drilled(copied(filled, tmp_path, clock).backup, Memory(blind=True), clock)
    by_subject = {finding.subject: finding for finding in drill.verify() if finding.check == "recovery.recall"}
    assert by_subject["vectors: Article"].status.value == "fail" and by_subject["vectors: Article"].observed < 0.5


def test_a_store_that_loses_an_object_or_a_property_is_found_out(filled, tmp_path, clock):
    class Leaky(Memory):
        def insert(self, objects):
            super().insert([one for one in objects if one["id"] != "007"])

    drill, found = drilled(copied(filled, tmp_path, clock).backup, Leaky(), clock)
    assert "collection Article has 59 objects, had 60" in found["recovery.data"].message and drill.comparison.names == ["Article"]


def test_a_tenant_that_sleeps_is_not_left_out_silently(filled, tmp_path, clock):
    filled.states["south"] = "COLD"
    with pytest.raises(Refused) as refused:
        copied(filled, tmp_path, clock)
    assert "south" in refused.value.message and refused.value.hint
    assert copied(filled, tmp_path, clock, collections=("Article",)).backup.status == "created"


def test_a_collection_that_is_not_there_is_told_with_those_that_are(filled, tmp_path, clock):
    with pytest.raises(NotFound) as missing:
        copied(filled, tmp_path, clock, collections=("Artcle",))
    assert "Article" in missing.value.hint


def test_what_is_written_meanwhile_is_counted(filled, tmp_path, clock):
    filled.members["Article", None]["001"]["lastUpdateTimeUnix"] = int(clock.now().timestamp() * 1000) + 5
    assert "1 objects were written while they were read" in copied(filled, tmp_path, clock).findings[-1].message
