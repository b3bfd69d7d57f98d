# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model registry of MLflow through its REST interface: models and versions, the runs they come from, their files.

Files are reached through the server too: where it serves its artefact store (``--artifacts-destination``, the default), or by the
run that has them. MLflow's own client is not needed, and is some hundred megabytes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from ..core.errors import InvalidOption, NotFound, Refused, Unreachable
from ..core.quantities import parse_duration
from .rest import Rest, RestTarget

_API = "/api/2.0/mlflow"
_STORE = "/api/2.0/mlflow-artifacts/artifacts"
_PAGE = 1000
# Limits of one log-batch request (MLflow's REST API, "Log Batch").
_BATCH = {"metrics": 1000, "params": 100, "tags": 100}


@dataclass(frozen=True)
class Location:
    """Where files are: below ``root`` in the store that the server serves, or, with ``run_id``, below it in that run's."""

    root: str
    run_id: str | None = None


def target_from(options: Mapping[str, Any]) -> RestTarget:
    """The server that ``model_registry`` names.

    :raises InvalidOption: for an address or a duration that is none, or for two kinds of credentials
    """
    if options.get("token") and options.get("username"):
        raise InvalidOption("model_registry: both a token and a username were given", hint="Give the one that the server asks for")
    headers = {}
    if options.get("token"):
        headers = {"Authorization": f"Bearer {options['token']}"}
    elif options.get("username"):
        pair = f"{options['username']}:{options.get('password') or ''}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}
    return RestTarget(str(options.get("url") or "").rstrip("/"), headers=headers, ca_cert=options.get("ca_cert"),
                      timeout=parse_duration(options["request_timeout"], option="model_registry.request_timeout"))


class Mlflow:
    """One server. Every method raises what `rest.Rest.ask` does."""

    def __init__(self, target: RestTarget) -> None:
        self._rest = Rest(target, what="MLflow")
        self.url = target.url
        self.host, self.port = target.host, target.port

    def close(self) -> None:
        """Hang up."""
        self._rest.close()

    def version(self) -> str:
        """``3.4.0``."""
        with self._rest.download("/version") as stream:
            said = stream.read(200).decode("utf-8", "replace").strip()
        if not said[:1].isdigit():
            raise Unreachable(f"{self.url} answers, but not as MLflow does", hint="See what listens there; check the port of the URL")
        return said

    def models(self) -> list[dict[str, Any]]:
        """The registered models with tags and aliases, by name; prompts are no models."""
        names = [one["name"] for one in self._pages("registered-models/search", "registered_models", max_results=_PAGE)]
        return [self._ask("GET", "registered-models/get", query={"name": name})["registered_model"] for name in sorted(names)]

    def versions(self) -> list[dict[str, Any]]:
        """Every version of every model."""
        return list(self._pages("model-versions/search", "model_versions", max_results=_PAGE))

    def location(self, name: str, version: str, run: Mapping[str, Any] | None) -> Location:
        """Where the files of a version are.

        :raises Refused: where the server cannot reach them for us
        """
        uri = self._ask("GET", "model-versions/get-download-uri", query={"name": name, "version": version})["artifact_uri"]
        parts = urlsplit(uri)
        if parts.scheme == "mlflow-artifacts":
            return Location(parts.path.strip("/"))
        if parts.scheme in ("http", "https") and f"{_STORE}/" in parts.path:
            return Location(parts.path.partition(f"{_STORE}/")[2].strip("/"))
        if parts.scheme == "runs":
            run_id, _slash, below = f"{parts.netloc}{parts.path}".strip("/").partition("/")
            return Location(below, run_id)
        root = str((run or {}).get("info", {}).get("artifact_uri") or "").rstrip("/")
        if root and (uri == root or uri.startswith(f"{root}/")):
            return Location(uri[len(root):].strip("/"), run["info"]["run_id"])
        raise Refused(f"The files of {name} version {version} are at {uri}, which this server does not hand out",
                      hint="Start it with --artifacts-destination, so that it serves its store; or back that store up by a plan of its own")

    def files(self, location: Location) -> Iterator[tuple[str, int]]:
        """Paths below the location, and sizes in bytes, folder by folder."""
        pending = [""]
        while pending:
            folder = pending.pop()
            for name, is_folder, size in sorted(self._listed(location, folder)):
                path = f"{folder}/{name}".lstrip("/")
                if is_folder:
                    pending.append(path)
                else:
                    yield path, size

    def _listed(self, location: Location, folder: str) -> Iterator[tuple[str, bool, int]]:
        """Names, whether it is a folder, and size, of what is directly in a folder below the location."""
        below = "/".join(part for part in (location.root, folder) if part)
        query = {"path": below} if below else {}
        if location.run_id is None:
            answer = self._rest.ask("GET", _STORE, query=query) or {}
        else:
            answer = self._ask("GET", "artifacts/list", query={"run_id": location.run_id, **query}) or {}
        for one in answer.get("files") or []:
            yield str(one["path"]).rpartition("/")[2], bool(one.get("is_dir")), int(one.get("file_size") or 0)

    def open(self, location: Location, path: str) -> AbstractContextManager[Any]:
        """A file as a stream to be read."""
        full = f"{location.root}/{path}".strip("/")
        if location.run_id is None:
            return self._rest.download(f"{_STORE}/{quote(full)}")
        return self._rest.download("/get-artifact", query={"run_id": location.run_id, "path": full})

    def run(self, run_id: str) -> dict[str, Any] | None:
        """A run with its parameters and tags, every point of its metrics, and its experiment's name; None where it is gone."""
        try:
            run = self._ask("GET", "runs/get", query={"run_id": run_id})["run"]
        except NotFound:
            return None
        data = run.get("data") or {}
        keys = [one["key"] for one in data.get("metrics") or []]
        points = [point for key in sorted(keys) for point in self._history(run_id, key)]
        experiment = self._ask("GET", "experiments/get", query={"experiment_id": run["info"]["experiment_id"]})["experiment"]
        return {"info": run["info"], "experiment": experiment["name"], "params": data.get("params") or [], "metrics": points,
                "tags": data.get("tags") or []}

    def _history(self, run_id: str, key: str) -> list[dict[str, Any]]:
        query = {"run_id": run_id, "metric_key": key, "max_results": 10_000}
        return list(self._pages("metrics/get-history", "metrics", **query))

    def create_model(self, name: str, *, description: str, tags: Sequence[Mapping[str, str]]) -> None:
        """Register a model."""
        self._ask("POST", "registered-models/create", body={"name": name, "description": description, "tags": list(tags)})

    def delete_model(self, name: str) -> None:
        """Delete a model with its versions; one that is gone is no error."""
        try:
            self._ask("DELETE", "registered-models/delete", body={"name": name})
        except NotFound:
            return

    def create_version(self, name: str, *, source: str, run_id: str, description: str = "", run_link: str = "",
                       tags: Sequence[Mapping[str, str]] = ()) -> str:
        """Register the next version; its number."""
        body = {"name": name, "source": source, "run_id": run_id, "description": description, "run_link": run_link, "tags": list(tags)}
        return str(self._ask("POST", "model-versions/create", body=body)["model_version"]["version"])

    def delete_version(self, name: str, version: str) -> None:
        """Delete a version; its number is not given again while there is a higher one."""
        self._ask("DELETE", "model-versions/delete", body={"name": name, "version": version})

    def set_stage(self, name: str, version: str, stage: str) -> None:
        """Staging, Production, Archived."""
        self._ask("POST", "model-versions/transition-stage",
                  body={"name": name, "version": version, "stage": stage, "archive_existing_versions": False})

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias mean a version."""
        self._ask("POST", "registered-models/alias", body={"name": name, "alias": alias, "version": version})

    def experiment(self, name: str) -> str:
        """The id of the experiment of this name, which is made, or brought back from its deletion, where that is needed."""
        try:
            found = self._ask("GET", "experiments/get-by-name", query={"experiment_name": name})["experiment"]
        except NotFound:
            return str(self._ask("POST", "experiments/create", body={"name": name})["experiment_id"])
        if found.get("lifecycle_stage") == "deleted":
            self._ask("POST", "experiments/restore", body={"experiment_id": found["experiment_id"]})
        return str(found["experiment_id"])

    def create_run(self, experiment_id: str, *, name: str, started: int, user: str) -> tuple[str, str]:
        """Begin a run; its id, and the root of its files in the store that the server serves.

        :raises Refused: where the server does not serve it
        """
        info = self._ask("POST", "runs/create", body={"experiment_id": experiment_id, "run_name": name, "start_time": started,
                                                      "user_id": user})["run"]["info"]
        parts = urlsplit(info["artifact_uri"])
        if parts.scheme != "mlflow-artifacts":
            raise Refused(f"{self.url} keeps the files of its runs at {info['artifact_uri']} and does not take them",
                          hint="Start it with --artifacts-destination and without --no-serve-artifacts; experiments made before stay as "
                               "they are")
        return str(info["run_id"]), parts.path.strip("/")

    def log(self, run_id: str, **entries: Sequence[Mapping[str, Any]]) -> None:
        """Write ``metrics``, ``params`` and ``tags`` of a run."""
        for kind, limit in _BATCH.items():
            given = entries.get(kind) or ()
            for begin in range(0, len(given), limit):
                self._ask("POST", "runs/log-batch", body={"run_id": run_id, kind: list(given[begin:begin + limit])})

    def end_run(self, run_id: str, *, status: str, ended: int | None) -> None:
        """Set how and when a run ended."""
        self._ask("POST", "runs/update", body={"run_id": run_id, "status": status, **({"end_time": ended} if ended else {})})

    def delete_run(self, run_id: str) -> None:
        """Delete a run; MLflow keeps what is deleted until its own garbage collection."""
        self._ask("POST", "runs/delete", body={"run_id": run_id})

    def upload(self, root: str, path: str, stream: Any) -> None:
        """A file into the store that the server serves."""
        self._rest.upload(f"{_STORE}/{quote(f'{root}/{path}')}", stream)

    def _ask(self, method: str, what: str, *, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        return self._rest.ask(method, f"{_API}/{what}", query=query, body=body)

    def _pages(self, what: str, key: str, **query: Any) -> Iterator[dict[str, Any]]:
        token = None
        while True:
            answer = self._ask("GET", what, query={**query, **({"page_token": token} if token else {})}) or {}
            yield from answer.get(key) or []
            token = answer.get("next_page_token")
            if not token:
                return
