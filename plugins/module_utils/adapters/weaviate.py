# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Weaviate through its REST and GraphQL interfaces: schema, objects with their vectors, neighbours, shards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core.errors import CommandFailed, Damaged, NotFound
from ..core.quantities import parse_duration
from .rest import Rest, RestTarget

# What Weaviate admits as names (its documentation, "Collection definition"); they go into paths and GraphQL unquoted.
_CLASS = re.compile(r"[A-Z][_0-9A-Za-z]{0,255}", re.ASCII)
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,230}", re.ASCII)
_TENANT = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def target_from(options: Mapping[str, Any]) -> RestTarget:
    """The server that ``vector_store`` names.

    :raises InvalidOption: for an address or a duration that is none
    """
    headers = {"Authorization": f"Bearer {options['api_key']}"} if options.get("api_key") else {}
    return RestTarget(str(options.get("url") or "").rstrip("/"), headers=headers, ca_cert=options.get("ca_cert"),
                      timeout=parse_duration(options["request_timeout"], option="vector_store.request_timeout"))


class Weaviate:
    """One server.

    Every method raises what `rest.Rest.ask` does; names that Weaviate would not admit are `Damaged`, for they come from backups.
    """

    def __init__(self, target: RestTarget) -> None:
        self._rest = Rest(target, what="Weaviate")
        self.url = target.url
        self.host, self.port = target.host, target.port

    def close(self) -> None:
        """Hang up."""
        self._rest.close()

    def version(self) -> str:
        """``1.35.2``."""
        return str(self._rest.ask("GET", "/v1/meta")["version"])

    def collections(self) -> list[dict[str, Any]]:
        """The definitions of all collections, by name."""
        return sorted(self._rest.ask("GET", "/v1/schema")["classes"] or [], key=lambda one: one["class"])

    def tenants(self, collection: str) -> list[dict[str, Any]]:
        """The tenants of a collection: ``name`` and ``activityStatus``."""
        return sorted(self._rest.ask("GET", f"/v1/schema/{_class(collection)}/tenants") or [], key=lambda one: one["name"])

    def objects(self, collection: str, tenant: str | None, *, page: int) -> Iterator[dict[str, Any]]:
        """Every object with its vectors, in the order of ids; what is written meanwhile may or may not be among them."""
        query = {"class": _class(collection), "limit": page, "include": "vector", **_of(tenant)}
        after = ""
        while True:
            found = self._rest.ask("GET", "/v1/objects", query={**query, "after": after})["objects"] or []
            yield from found
            if len(found) < page:
                return
            after = found[-1]["id"]

    def count(self, collection: str, tenant: str | None) -> int:
        """How many objects it says to hold."""
        narrowed = f"(tenant: {json.dumps(_tenant(tenant))})" if tenant else ""
        answer = self._graphql(f"{{ Aggregate {{ {_class(collection)}{narrowed} {{ meta {{ count }} }} }} }}")
        return int(answer["Aggregate"][collection][0]["meta"]["count"])

    def create(self, definition: Mapping[str, Any]) -> None:
        """Create a collection."""
        self._rest.ask("POST", "/v1/schema", body=dict(definition))

    def add_property(self, collection: str, definition: Mapping[str, Any]) -> None:
        """Add a property to a collection."""
        self._rest.ask("POST", f"/v1/schema/{_class(collection)}/properties", body=dict(definition))

    def add_tenants(self, collection: str, tenants: Sequence[str]) -> None:
        """Create tenants, active."""
        if tenants:
            self._rest.ask("POST", f"/v1/schema/{_class(collection)}/tenants", body=[{"name": _tenant(one)} for one in tenants])

    def delete(self, collection: str) -> None:
        """Delete a collection with all that is in it; one that is not there is no error."""
        try:
            self._rest.ask("DELETE", f"/v1/schema/{_class(collection)}")
        except NotFound:
            return

    def insert(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """Write objects, each with its class, id, properties and vectors.

        :raises CommandFailed: names the first one that was refused, and why
        """
        if not objects:
            return
        answer = self._rest.ask("POST", "/v1/batch/objects", body={"objects": list(objects)})
        for one in answer or []:
            result = one.get("result") or {}
            if result.get("errors") or result.get("status") != "SUCCESS":
                said = "; ".join(error["message"] for error in (result.get("errors") or {}).get("error") or []) or str(result)[:300]
                raise CommandFailed(f"Weaviate refuses object {one.get('id')} of {one.get('class')}: {said}",
                                    hint="See that the server has the version and the modules of the one that was backed up",
                                    evidence={"status": 200, "object": one.get("id")})

    def refer(self, references: Sequence[tuple[str, str, str, str, str | None]]) -> None:
        """Write references: class, id and property they start from, the beacon they lead to, the tenant.

        :raises CommandFailed: names the first one that was refused, and why
        """
        if not references:
            return
        body = [{"from": f"weaviate://localhost/{_class(name)}/{id}/{_name(key)}", "to": beacon, **_of(tenant)}
                for name, id, key, beacon, tenant in references]
        for one in self._rest.ask("POST", "/v1/batch/references", body=body) or []:
            result = one.get("result") or {}
            if result.get("errors") or result.get("status") != "SUCCESS":
                said = "; ".join(error["message"] for error in (result.get("errors") or {}).get("error") or []) or str(result)[:300]
                raise CommandFailed(f"Weaviate refuses the reference from {one.get('from')}: {said}",
                                    hint="See its log", evidence={"status": 200})

    def shards(self, collection: str, tenant: str | None) -> list[dict[str, Any]]:
        """``name``, ``status`` (READY, READONLY, INDEXING) and ``vectorQueueSize`` of each shard."""
        return self._rest.ask("GET", f"/v1/schema/{_class(collection)}/shards", query=_of(tenant)) or []

    def nearest(self, collection: str, tenant: str | None, name: str, vector: Sequence[float], count: int) -> list[tuple[str, float]]:
        """Ids and distances of the neighbours that the index finds; ``name`` of the vector is empty for the only one."""
        near = f"vector: {json.dumps(list(vector))}" + (f", targetVectors: [{json.dumps(_name(name))}]" if name else "")
        arguments = f"nearVector: {{{near}}}, limit: {int(count)}" + (f", tenant: {json.dumps(_tenant(tenant))}" if tenant else "")
        answer = self._graphql(f"{{ Get {{ {_class(collection)}({arguments}) {{ _additional {{ id distance }} }} }} }}")
        return [(one["_additional"]["id"], float(one["_additional"]["distance"])) for one in answer["Get"][collection] or []]

    def _graphql(self, query: str) -> dict[str, Any]:
        answer = self._rest.ask("POST", "/v1/graphql", body={"query": query})
        if answer.get("errors"):
            raise CommandFailed(f"Weaviate refuses a query: {answer['errors'][0].get('message', answer['errors'])}",
                                hint="See its log", evidence={"status": 200})
        return answer["data"]


def _of(tenant: str | None) -> dict[str, str]:
    return {"tenant": _tenant(tenant)} if tenant else {}


def _class(name: str) -> str:
    return _checked(_CLASS, name, "collection")


def _name(name: str) -> str:
    return _checked(_NAME, name, "vector or property")


def _tenant(name: str | None) -> str:
    return _checked(_TENANT, name or "", "tenant")


def _checked(pattern: re.Pattern[str], name: str, what: str) -> str:
    if not isinstance(name, str) or not pattern.fullmatch(name):
        raise Damaged(f"{name!r} cannot be the name of a {what} in Weaviate", hint="The backup was altered: use another")
    return name
