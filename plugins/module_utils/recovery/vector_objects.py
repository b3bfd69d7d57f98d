# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of Weaviate into a server of Weaviate: collections, objects, references; then every object read again, and its
indexes asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from ..backups.payload import Codecs, checksum, for_each
from ..backups.repository import Backup
from ..backups.vector_store_engine import Part, content_of, read_index, read_objects
from ..backups.vector_tally import Tally, decoded
from ..core.errors import Damaged
from ..core.finding import Finding
from ..core.waiting import Deadline, wait_until
from .judge import Comparison, judge_data
from .neighbours import DISTANCES, Nearest, Recall, share_found
from .vectors import VectorPolicy, compare_collections, compare_samples, judge_indexes, judge_recall, judge_samples

# Spread over machines is a matter of the cluster and not of the data.
_OF_THE_CLUSTER = ("shardingConfig", "replicationConfig")
# What makes vectors from texts belongs to the services that a server can reach; a drill brings its vectors along.
_MAKES_VECTORS = ("vectorizer", "moduleConfig")


class Store(Protocol):
    """The part of `adapters.weaviate.Weaviate` that is used here."""

    version: Callable[[], str]
    collections: Callable[[], list[dict[str, Any]]]
    tenants: Callable[[str], list[dict[str, Any]]]
    objects: Callable[..., Iterator[dict[str, Any]]]
    create: Callable[[Mapping[str, Any]], None]
    add_property: Callable[[str, Mapping[str, Any]], None]
    add_tenants: Callable[[str, Sequence[str]], None]
    delete: Callable[[str], None]
    insert: Callable[[Sequence[Mapping[str, Any]]], None]
    refer: Callable[[Sequence[tuple[str, str, str, str, str | None]]], None]
    shards: Callable[[str, str | None], list[dict[str, Any]]]
    nearest: Callable[[str, str | None, str, Sequence[float], int], list[tuple[str, float]]]


@dataclass(frozen=True)
class Server:
    """Where a backup goes: ``open`` starts or reaches it, ``close`` ends what was started. ``scratch`` is one of our own."""

    open: Callable[[], Store]
    close: Callable[[], None]
    scratch: bool


class VectorObjectsDrill:
    """See `drill.Subject`; also what fills a named server."""

    def __init__(self, backup: Backup, codecs: Codecs, server: Server, policy: VectorPolicy, *, jobs: int, deadline: Deadline) -> None:
        self._backup, self._codecs, self._server, self._policy = backup, codecs, server, policy
        self._jobs, self._deadline = jobs, deadline
        self._store: Store | None = None
        self._definitions: list[dict[str, Any]] = []
        self.comparison: Comparison | None = None
        self.notes: list[str] = []
        self.tools: dict[str, str] = {}

    def fetch(self) -> None:
        """Check every stored byte."""
        for_each(self._backup.manifest.files, lambda file: checksum(self._backup, file), jobs=self._jobs)

    def prepare(self) -> None:
        """A server."""
        self._store = self._server.open()
        self.tools = {"weaviate": self._store.version()}

    def restore(self) -> None:
        """Collections first, without what they refer to; then objects; then references, whose ends are all there now."""
        self._definitions, parts = read_index(self._backup, self._codecs)
        if self._server.scratch:
            self._definitions = [self._adapted(one) for one in self._definitions]
        for definition in self._definitions:
            own = [one for one in definition.get("properties") or [] if not _refers(one)]
            # Over how many shards it is spread is the target's affair: it may have other nodes.
            spread = {key: value for key, value in definition.items() if key != "shardingConfig"}
            self._store.create({**spread, "properties": own})
        for definition in self._definitions:
            for one in filter(_refers, definition.get("properties") or []):
                self._store.add_property(definition["class"], one)
            self._store.add_tenants(definition["class"],
                                    [part.tenant for part in parts if part.collection == definition["class"] and part.tenant])
        referring = {one["class"]: [prop["name"] for prop in filter(_refers, one.get("properties") or [])] for one in self._definitions}
        for part in parts:
            self._insert(part, referring[part.collection])
        for part in parts:
            if referring[part.collection]:
                self._refer(part, referring[part.collection])

    def _adapted(self, definition: dict[str, Any]) -> dict[str, Any]:
        adapted, notes = for_one_node(definition)
        self.notes += notes
        return adapted

    def _insert(self, part: Part, references: Sequence[str]) -> None:
        batch: list[dict[str, Any]] = []

        def take(member: Mapping[str, Any]) -> None:
            kept = {key: value for key, value in (member.get("properties") or {}).items() if key not in references}
            batch.append({"class": part.collection, "id": member["id"], "properties": kept,
                          **{key: member[key] for key in ("vector", "vectors") if member.get(key)},
                          **({"tenant": part.tenant} if part.tenant else {})})
            if len(batch) >= self._policy.page:
                self._send(self._store.insert, batch)

        read_objects(self._backup, part, self._codecs, take)
        self._send(self._store.insert, batch)

    def _refer(self, part: Part, references: Sequence[str]) -> None:
        batch: list[tuple[str, str, str, str, str | None]] = []

        def take(member: Mapping[str, Any]) -> None:
            for key in references:
                for one in (member.get("properties") or {}).get(key) or []:
                    batch.append((part.collection, member["id"], key, one["beacon"], part.tenant))
            if len(batch) >= self._policy.page:
                self._send(self._store.refer, batch)

        read_objects(self._backup, part, self._codecs, take)
        self._send(self._store.refer, batch)

    def _send(self, act: Callable[[Sequence[Any]], None], batch: list[Any]) -> None:
        self._deadline.require("writing objects")
        act(batch)
        batch.clear()

    def first_query(self) -> None:
        """Neighbours of the first vector that the manifest keeps; of a store without vectors its first object."""
        for name, entry in self._expected().items():
            for vectors in entry["sample"].values():
                for vector, code in vectors.items():
                    if (coordinates := decoded(code)) is not None:
                        self._store.nearest(*_split(name), vector, coordinates, 1)
                        return
        for name in self._expected():
            next(iter(self._store.objects(*_split(name), page=1)), None)
            return

    def verify(self) -> list[Finding]:
        """Every object is read again: numbers, ids, properties, vectors, and the true neighbours of the queries on the way."""
        expected, plan, policy = self._expected(), self._backup.plan, self._policy
        try:
            there = {one["class"]: one for one in self._store.collections()}
            reached = {name: self._ready(*_split(name)) for name in expected if _split(name)[0] in there}
            actual, recalls = {}, []
            for name in reached:
                entry, measured = self._read(name, expected[name], there[_split(name)[0]])
                actual[name] = {**entry, "schema": there[_split(name)[0]]}
                recalls += measured
            actual |= {name: {"count": 0, "ids": "", "content": "", "schema": there[name]}
                       for name in there.keys() - {_split(name)[0] for name in expected} if self._server.scratch}
            schemas = {one["class"]: _compared(one) for one in self._definitions}
            wanted = {name: {**entry, "schema": schemas[_split(name)[0]]} for name, entry in expected.items()}
            differences = compare_collections(wanted, actual)
            sampled = compare_samples(expected, actual, tolerance=policy.tolerance)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise Damaged(f"The fingerprint in the manifest makes no sense: {error!r}",
                          hint="The manifest was altered: use another backup") from error
        self.comparison = Comparison(len(expected), tuple(differences), of="collections")
        findings = judge_data(plan, self.comparison)
        if any(entry["dimensions"] for entry in expected.values()):
            findings.append(judge_samples(plan, sampled, tolerance=policy.tolerance))
        findings.append(judge_indexes(plan, [name for name, entry in expected.items() if entry["dimensions"]],
                                      {name: said for name, said in reached.items() if expected[name]["dimensions"]}))
        return [*findings, *judge_recall(plan, recalls, policy.recall_minimum)]

    def stop(self) -> None:
        """End what was started."""
        self._server.close()

    def _expected(self) -> Mapping[str, Any]:
        return (self._backup.manifest.fingerprint or {}).get("vector_collections") or {}

    def _ready(self, collection: str, tenant: str | None) -> str:
        """What is wrong with the index of a collection once its queue is empty; empty where nothing is."""
        def settled() -> list[dict[str, Any]]:
            shards = self._store.shards(collection, tenant)
            return shards if shards and not any(one.get("vectorQueueSize") for one in shards) else []

        shards = wait_until(settled, deadline=self._deadline, what=f"the index of {collection}")
        states = sorted({str(one["status"]) for one in shards} - {"READY"})
        return f"is {', '.join(states)}" if states else ""

    def _read(self, name: str, expected: Mapping[str, Any], definition: Mapping[str, Any]) -> tuple[dict[str, Any], list[Recall]]:
        """Tally a restored collection, and measure the recall of each of its vectors."""
        collection, tenant = _split(name)
        queries = _queries(expected["sample"], self._policy.recall_queries)
        nearest = {vector: Nearest(list(of.values()), metric, self._policy.recall_at) for vector, of in queries.items()
                   if (metric := metric_of(definition, vector)) in DISTANCES}
        tally = Tally(max(1, len(expected["sample"])))
        for member in self._store.objects(collection, tenant, page=self._policy.page):
            id, content, vectors = content_of(member)
            tally.see(id, content, vectors)
            for vector, found in nearest.items():
                if vector in vectors:
                    found.see(vectors[vector])
        recalls = []
        for vector in expected["dimensions"]:
            title, at = f"{name}.{vector}" if vector else name, self._policy.recall_at
            if vector not in nearest:
                recalls.append(Recall(title, at, 0, None, f"there is no exact scan here for {metric_of(definition, vector)}"))
                continue
            answered = [[distance for _id, distance in self._store.nearest(collection, tenant, vector, query, at)]
                        for query in queries[vector].values()]
            recalls.append(Recall(title, at, len(answered), share_found(nearest[vector].distances(), answered), "no neighbours to find"))
        return tally.result(), recalls


def for_one_node(definition: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A definition as a single server without modules takes it, and what is other than in the backup."""
    adapted = {key: value for key, value in definition.items() if key not in (*_OF_THE_CLUSTER, *_MAKES_VECTORS)}
    makers = {str(definition.get("vectorizer") or "none")}
    if "vectorConfig" in definition:
        adapted["vectorConfig"] = {}
        for name, one in (definition["vectorConfig"] or {}).items():
            makers |= set(one.get("vectorizer") or ())
            adapted["vectorConfig"][name] = {**one, "vectorizer": {"none": {}}}
    else:
        adapted["vectorizer"] = "none"
    adapted["properties"] = [{key: value for key, value in one.items() if key != "moduleConfig"}
                             for one in definition.get("properties") or []]
    makers = sorted(makers - {"none"})
    return adapted, [f"Collection {definition['class']} was restored without its module {', '.join(makers)}"] if makers else []


def metric_of(definition: Mapping[str, Any], vector: str) -> str:
    """The distance of a vector's index; ``vector`` is empty for the only one."""
    config = definition.get("vectorIndexConfig") if not vector else \
        ((definition.get("vectorConfig") or {}).get(vector) or {}).get("vectorIndexConfig")
    config = config or {}
    return "multi-vector" if (config.get("multivector") or {}).get("enabled") else str(config.get("distance") or "cosine")


def _compared(definition: Mapping[str, Any]) -> dict[str, Any]:
    """What of a definition a restore must bring back."""
    return {key: value for key, value in definition.items() if key not in _OF_THE_CLUSTER}


def _refers(definition: Mapping[str, Any]) -> bool:
    """Whether a property leads to objects: its type is then a collection, which begins with a capital letter."""
    kinds = definition.get("dataType") or [""]
    return str(kinds[0])[:1].isupper()


def _queries(sample: Mapping[str, Mapping[str, str]], count: int) -> dict[str, dict[str, list[float]]]:
    """For each vector's name the first so many vectors of the sample, by id."""
    found: dict[str, dict[str, list[float]]] = {}
    for id, vectors in sample.items():
        for name, code in vectors.items():
            if (coordinates := decoded(code)) is not None and any(coordinates):
                found.setdefault(name, {})[id] = coordinates
    return {name: dict(islice(of.items(), count)) for name, of in found.items()}


def _split(name: str) -> tuple[str, str | None]:
    collection, _slash, tenant = name.partition("/")
    return collection, tenant or None


def collections_of(backup: Backup) -> list[str]:
    """The collections that a backup brings, by name."""
    return sorted({_split(name)[0] for name in (backup.manifest.fingerprint or {}).get("vector_collections") or {}})
