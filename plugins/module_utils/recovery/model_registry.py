# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of a model registry into a server of MLflow; then every record and file read again and compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..backups.documents import load_plain
from ..backups.model_registry import OURS, fingerprint_of, hashed, read_files, read_records
from ..backups.model_registry import Registry as Readable
from ..backups.model_registry_engine import read_document
from ..backups.payload import Codecs, checksum, create, for_each
from ..backups.repository import Backup
from ..core.errors import Damaged, OpsError
from ..core.files import storage_errors
from ..core.finding import Finding, Status
from ..core.waiting import Deadline
from .differences import Difference
from .judge import Comparison, judge_data

# Runs of versions that had none of their own.
_EXPERIMENT = "evenkeel restored models"


class Registry(Readable, Protocol):
    """The part of `adapters.mlflow.Mlflow` that is used here."""

    create_model: Callable[..., None]
    create_version: Callable[..., str]
    delete_version: Callable[[str, str], None]
    set_stage: Callable[[str, str, str], None]
    set_alias: Callable[[str, str, str], None]
    experiment: Callable[[str], str]
    create_run: Callable[..., tuple[str, str]]
    delete_run: Callable[[str], None]
    log: Callable[..., None]
    end_run: Callable[..., None]
    upload: Callable[[str, str, Any], None]


@dataclass(frozen=True)
class Server:
    """Where a backup goes: ``open`` starts or reaches it, ``close`` ends what was started."""

    open: Callable[[], Registry]
    close: Callable[[], None]


class ModelRegistryDrill:
    """See `drill.Subject`; also what fills a named server. A server gives ids of runs and instants itself: see `backups.model_registry`."""

    def __init__(self, backup: Backup, codecs: Codecs, server: Server, folder: Path, *, jobs: int, deadline: Deadline) -> None:
        self._backup, self._codecs, self._server, self._folder = backup, codecs, server, folder
        self._jobs, self._deadline = jobs, deadline
        self._registry: Registry | None = None
        self._runs: dict[str, tuple[str, str]] = {}  # of the source: run and root of its files here
        self._made: list[str] = []
        self.comparison: Comparison | None = None
        self.notes: list[str] = []
        self.tools: dict[str, str] = {}

    def fetch(self) -> None:
        """Check every stored byte."""
        for_each(self._backup.manifest.files, lambda file: checksum(self._backup, file), jobs=self._jobs)

    def prepare(self) -> None:
        """A server."""
        self._registry = self._server.open()
        self.tools = {"mlflow": self._registry.version()}

    def restore(self) -> None:
        """Runs, files, versions in the order of their numbers, stages, aliases. Where that fails its runs are deleted again."""
        records = read_document(self._backup, self._codecs)
        try:
            for number, model in enumerate(records["models"]):
                self._restore_model(number, model, records["runs"])
        except BaseException as error:
            for run_id in self._made:
                try:
                    self._registry.delete_run(run_id)
                except OpsError as second:
                    error.add_note(f"run {run_id} stays behind: {second}")
            raise

    def _restore_model(self, number: int, model: Mapping[str, Any], runs: Mapping[str, Any]) -> None:
        registry, name = self._registry, model["name"]
        registry.create_model(name, description=model["description"], tags=_tags(model["tags"]))
        given = 0
        for version in model["versions"]:
            run_id, root = self._run(version, runs)
            place = f"registry/{number:04d}-{re.sub('[^A-Za-z0-9._-]', '_', name)[:60]}/{version['version']}"
            for file in version["files"]:
                self._upload(file, root, f"{place}/{file['path']}")
            source = f"mlflow-artifacts:/{root}/{place}"
            while given < version["version"] - 1:  # a number whose version was deleted is filled until a higher one is there
                given = int(registry.create_version(name, source=source, run_id=run_id))
            tags = {f"{OURS}source": version["source"], f"{OURS}created": str(version["created"]), **version["tags"]}
            made = int(registry.create_version(name, source=source, run_id=run_id, description=version["description"],
                                               run_link=version["run_link"], tags=_tags(tags)))
            if made != version["version"]:
                raise OpsError(f"{registry.url} gave version {made} of {name} where {version['version']} was to come",
                               hint="Somebody else registers there: restore to a server that nobody uses yet")
            given = made
            if version["stage"] not in ("", "None"):
                registry.set_stage(name, str(made), version["stage"])
        for gap in sorted(set(range(1, given)) - {version["version"] for version in model["versions"]}):
            registry.delete_version(name, str(gap))
        for alias, version in model["aliases"].items():
            registry.set_alias(name, alias, version)

    def _run(self, version: Mapping[str, Any], runs: Mapping[str, Any]) -> tuple[str, str]:
        """The run here that stands for a version's run there; one for its files alone where it had none."""
        run_id = version["run_id"]
        if run_id in runs and run_id in self._runs:
            return self._runs[run_id]
        run = runs.get(run_id) or {
            "experiment": _EXPERIMENT, "name": "files", "user": "", "status": "FINISHED", "started": version["created"],
            "ended": version["created"], "params": {}, "metrics": [], "tags": {f"{OURS}for_files": "true"}}
        experiment = self._registry.experiment(run["experiment"])
        made = self._registry.create_run(experiment, name=run["name"], started=run["started"], user=run["user"])
        self._made.append(made[0])
        tags = {f"{OURS}run_id": run_id, **run["tags"]} if run_id else run["tags"]
        self._registry.log(made[0], metrics=run["metrics"], params=_tags(run["params"]), tags=_tags(tags))
        self._registry.end_run(made[0], status=run["status"], ended=run["ended"])
        if run_id in runs:
            self._runs[run_id] = made
        return made

    def _upload(self, file: Mapping[str, Any], root: str, path: str) -> None:
        """A file by way of the scratch folder, since what is decoded is good only when all of it is."""
        self._deadline.require("uploading files")
        plain = self._folder / "artifact"
        try:
            with storage_errors(plain):
                with create(plain) as stream:
                    load_plain(self._backup, file["stored"], stream, self._codecs)
                with plain.open("rb") as stream:
                    self._registry.upload(root, path, stream)
        finally:
            plain.unlink(missing_ok=True)

    def first_query(self) -> None:
        """The first file of the first version is opened and read of."""
        for version in self._registry.versions():
            run = self._registry.run(version["run_id"]) if version.get("run_id") else None
            location = self._registry.location(version["name"], str(version["version"]), run)
            for path, _size in self._registry.files(location):
                with self._registry.open(location, path) as stream:
                    stream.read(1)
                return

    def verify(self) -> list[Finding]:
        """Every record and every file is read again."""
        records, told = read_records(self._registry)
        read_files(self._registry, records, told, hashed)
        brought = (self._backup.manifest.fingerprint or {}).get("registry") or {}
        actual = {name: one for name, one in fingerprint_of(records).items() if name in brought}
        try:
            differences = compare_registries(brought, actual)
            versions = sum(len(model["versions"]) for model in brought.values())
            files = sum(len(version["files"]) for model in brought.values() for version in model["versions"].values())
        except (KeyError, TypeError, AttributeError) as error:
            raise Damaged(f"The fingerprint in the manifest makes no sense: {error!r}",
                          hint="The manifest was altered: use another backup") from error
        self.comparison = Comparison(versions, tuple(differences), of="model versions")
        findings = judge_data(self._backup.plan, self.comparison)
        wrong = [one for one in differences if one.kind == "model file"]
        if not wrong:
            findings.append(Finding("recovery.files", self._backup.plan, Status.PASS,
                                    f"all {files} files of {versions} model versions have the digests that they had", 0, 0, "files"))
        return findings

    def stop(self) -> None:
        """End what was started."""
        self._server.close()


def compare_registries(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[Difference]:
    """What differs between two fingerprints of registries, model by model. Pure."""
    found = []
    for name, was in expected.items():
        now = actual.get(name)
        if now is None:
            found.append(Difference("model", name, "different", f"model {name} is missing; it had {len(was['versions'])} versions"))
            continue
        found += [Difference("model", name, "different", f"model {name} has other {key}") for key in ("description", "tags", "aliases")
                  if was[key] != now[key]]
        for version, facts in was["versions"].items():
            title, there = f"{name} version {version}", now["versions"].get(version)
            if there is None:
                found.append(Difference("model", title, "different", f"{title} is missing"))
                continue
            found += [Difference("model", title, "different", f"{title} has another {key}") for key in facts
                      if key != "files" and facts[key] != there.get(key)]
            found += _compare_files(title, facts["files"], there["files"])
        found += [Difference("model", f"{name} version {version}", "different", f"{name} version {version} was not in the backup")
                  for version in now["versions"].keys() - was["versions"].keys()]
    found += [Difference("model", name, "different", f"model {name} was not in the backup") for name in actual.keys() - expected.keys()]
    return found


def _compare_files(title: str, was: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    found = []
    for path in sorted(was.keys() | now.keys()):
        if was.get(path) != now.get(path):
            how = "is missing" if path not in now else "was not in the backup" if path not in was else "is not the file that it was"
            found.append(Difference("model file", title, "different", f"{title}: {path} {how}"))
    return found


def models_of(backup: Backup) -> list[str]:
    """The models that a backup brings, by name."""
    return sorted((backup.manifest.fingerprint or {}).get("registry") or {})


def _tags(pairs: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
    return [{"key": key, "value": value} for key, value in pairs.items()]
