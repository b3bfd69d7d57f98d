# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model registry holds, as one JSON document, and the fingerprint of it.

::

    {"format": 1,
     "models": [{"name", "description", "tags": {…}, "aliases": {alias: version},
                 "versions": [{"version": int, "stage", "description", "tags": {…}, "run_id", "run_link", "source", "created": ms,
                               "files": [{"path", "bytes", "sha256", "stored"}]}]}],
     "runs": {run id: {"experiment", "name", "user", "status", "started": ms, "ended": ms, "params": {…}, "tags": {…},
                       "metrics": [{"key", "value", "timestamp", "step"}]}}}

``stored`` is the file's path in the backup, before coding. Ids of runs and instants of registration are given by a server and not
taken by one: a restored registry has its own, and keeps the old ones in tags that begin with ``evenkeel.``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ..core.errors import Damaged

FORMAT = 1
OURS = "evenkeel."
_BLOCK = 1024 * 1024
# Kept of a version or a run and compared after a restore.
_OF_A_VERSION = ("stage", "description", "tags", "run_link")
_OF_A_RUN = ("experiment", "name", "status", "params", "metrics", "tags")


class Registry(Protocol):
    """The part of `adapters.mlflow.Mlflow` that is read."""

    url: str
    host: str
    port: int
    version: Callable[[], str]
    models: Callable[[], list[dict[str, Any]]]
    versions: Callable[[], list[dict[str, Any]]]
    run: Callable[[str], dict[str, Any] | None]
    location: Callable[[str, str, Mapping[str, Any] | None], Any]
    files: Callable[[Any], Iterator[tuple[str, int]]]
    open: Callable[[Any, str], AbstractContextManager[Any]]


Keep = Callable[[Any, str], dict[str, Any]]


def read_records(registry: Registry) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document without files, and the runs as the server tells them, by id."""
    models = [_model(one) for one in registry.models()]
    by_name: dict[str, list[dict[str, Any]]] = {}
    for one in registry.versions():
        by_name.setdefault(one["name"], []).append(_version(one))
    told: dict[str, Any] = {}
    for model in models:
        model["versions"] = sorted(by_name.get(model["name"], []), key=lambda one: one["version"])
        for version in model["versions"]:
            if version["run_id"] and version["run_id"] not in told:
                told[version["run_id"]] = registry.run(version["run_id"])
    runs = {id: _run(run) for id, run in told.items() if run}
    return {"format": FORMAT, "models": models, "runs": runs}, told


def read_files(registry: Registry, records: Mapping[str, Any], told: Mapping[str, Any], keep: Keep) -> None:
    """Put the files of each version into the document; ``keep`` gets a stream and a path and gives the entry.

    Versions that share a place share its files.
    """
    known: dict[Any, list[dict[str, Any]]] = {}
    for model in records["models"]:
        for version in model["versions"]:
            location = registry.location(model["name"], str(version["version"]), told.get(version["run_id"]))
            if location not in known:
                known[location] = []
                for path, _size in registry.files(location):
                    with registry.open(location, path) as stream:
                        known[location].append({"path": path, **keep(stream, path)})
            version["files"] = known[location]


def hashed(stream: Any, path: str) -> dict[str, Any]:
    """A `Keep` that keeps nothing."""
    digest, size = hashlib.sha256(), 0
    while block := stream.read(_BLOCK):
        digest.update(block)
        size += len(block)
    return {"bytes": size, "sha256": digest.hexdigest()}


class Hashing:
    """A stream that is hashed as it is read."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._hash, self.bytes = stream, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        """As the stream's own."""
        block = self._stream.read(size)
        self._hash.update(block)
        self.bytes += len(block)
        return block

    @property
    def entry(self) -> dict[str, Any]:
        """As `hashed`."""
        return {"bytes": self.bytes, "sha256": self._hash.hexdigest()}


def fingerprint_of(records: Mapping[str, Any]) -> dict[str, Any]:
    """By model and version: a digest of each thing that is said of it, and the SHA-256 of each file.

    :raises Damaged: for a document that is none
    """
    try:
        return {model["name"]: {
            "description": _digest(model["description"]), "tags": _digest(_theirs(model["tags"])), "aliases": _digest(model["aliases"]),
            "versions": {str(version["version"]): _facts(version, records["runs"]) for version in model["versions"]},
        } for model in records["models"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"The registry's document makes no sense: {error!r}", hint="Restore from another backup") from error


def _facts(version: Mapping[str, Any], runs: Mapping[str, Any]) -> dict[str, Any]:
    run = runs.get(version["run_id"])
    facts = {key: _digest(_theirs(version[key])) for key in _OF_A_VERSION}
    # A version without a run gets one by a restore, for its files: nothing is said of that.
    if run and f"{OURS}for_files" not in run["tags"]:
        facts |= {f"run {key}": _digest(_theirs(run[key])) for key in _OF_A_RUN}
    return {**facts, "files": {file["path"]: file["sha256"] for file in version["files"]}}


def _theirs(value: Any) -> Any:
    """Tags without those that a restore added."""
    return {key: one for key, one in value.items() if not key.startswith(OURS)} if isinstance(value, Mapping) else value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _model(told: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": str(told["name"]), "description": str(told.get("description") or ""), "tags": _pairs(told.get("tags")),
            "aliases": {str(one["alias"]): str(one["version"]) for one in told.get("aliases") or []}, "versions": []}


def _version(told: Mapping[str, Any]) -> dict[str, Any]:
    stage = str(told.get("current_stage") or "None")
    return {"version": int(told["version"]), "stage": stage, "description": str(told.get("description") or ""),
            "tags": _pairs(told.get("tags")), "run_id": str(told.get("run_id") or ""), "run_link": str(told.get("run_link") or ""),
            "source": str(told.get("source") or ""), "created": int(told.get("creation_timestamp") or 0), "files": []}


def _run(told: Mapping[str, Any]) -> dict[str, Any]:
    info = told["info"]
    points = [{"key": str(one["key"]), "value": one.get("value", 0.0), "timestamp": int(one.get("timestamp") or 0),
               "step": int(one.get("step") or 0)} for one in told["metrics"]]
    return {"experiment": str(told["experiment"]), "name": str(info.get("run_name") or ""), "user": str(info.get("user_id") or ""),
            "status": str(info.get("status") or "FINISHED"), "started": int(info.get("start_time") or 0),
            "ended": int(info.get("end_time") or 0), "params": _pairs(told["params"]), "tags": _pairs(told["tags"]),
            "metrics": sorted(points, key=lambda one: (one["key"], one["step"], one["timestamp"], str(one["value"])))}


def _pairs(entries: Any) -> dict[str, str]:
    return {str(one["key"]): str(one.get("value") or "") for one in entries or []}
