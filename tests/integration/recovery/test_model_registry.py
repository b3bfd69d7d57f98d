# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine model_registry on a real server of MLflow: backup, backup_verify, restore_drill, backup_restore."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.mlflow import Mlflow

from tests.integration.recovery.conftest import status_of
from tests.integration.recovery.test_component import inventory, recorded
from tests.testbed import mlflow

__all__ = ["inventory"]  # a fixture


@pytest.fixture(scope="module")
def registry(tmp_path_factory) -> Iterator[Mlflow]:
    """A server with two models."""
    with mlflow.serve_mlflow() as client:
        mlflow.fill(client, tmp_path_factory.mktemp("models"))
        yield client


@pytest.fixture(scope="module")
def other() -> Iterator[Mlflow]:
    """An empty server to restore into."""
    with mlflow.serve_mlflow() as client:
        yield client


@pytest.fixture(scope="module")
def program() -> str:
    return mlflow.program()


@pytest.fixture
def repository(tmp_path) -> str:
    return str(tmp_path / "repository")


@pytest.fixture
def backup(run_module, repository, registry):
    answer = run_module("backup", {"repository": repository, "plan": "models", "engine": "model_registry",
                                   "model_registry": {"url": registry.url}})
    assert not answer.get("failed") and {finding["status"] for finding in answer["findings"]} == {"pass"}, answer
    return answer["backup"]


def rewrite(manifest: Path, content: dict[str, Any]) -> None:
    """As a version before manifests were sealed would have written it."""
    content.pop("seal", None)
    manifest.write_text(json.dumps({**content, "format": 1}))


def by_check(answer: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in answer["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    return found


def test_a_good_backup_is_verified_and_proven_in_a_scratch_server(backup, run_module, repository, program, tmp_path):
    scratch = Path(tempfile.mkdtemp(prefix="ev-", dir="/var/tmp"))  # a socket's path is short
    try:
        verified = run_module("backup_verify", {"repository": repository})
        assert verified["verifications"][0]["status"] == "pass", verified
        answer = run_module("restore_drill", {"repository": repository, "plan": "models", "scratch_dir": str(scratch),
                                              "model_registry": {"program": program}})
        assert not answer.get("failed"), answer
        assert {finding["status"] for finding in answer["findings"]} == {"pass"}, answer["findings"]
        found = by_check(answer)
        assert found["recovery.data"][0]["message"] == "all 3 model versions are as they were backed up"
        assert found["recovery.files"][0]["message"] == "all 8 files of 3 model versions have the digests that they had"
        assert status_of(run_module, repository, backup["id"]) == "proven"
        assert os.listdir(scratch) == []
    finally:
        scratch.rmdir()


def test_it_is_restored_into_an_empty_server_with_its_numbers(backup, run_module, repository, tmp_path, registry, other):
    options = {"repository": repository, "plan": "models", "at_least": "created", "scratch_dir": str(tmp_path),
               "model_registry": {"url": other.url}}
    done = run_module("backup_restore", options)
    assert not done.get("failed") and {finding["status"] for finding in done["findings"]} == {"pass"}, done
    versions = {(one["name"], int(one["version"])): one for one in other.versions()}
    assert set(versions) == {("churn", 1), ("churn", 3), (mlflow.ODD, 1)}
    champion = versions["churn", 3]
    assert champion["current_stage"] == "Production" and champion["description"] == "of run 3"
    assert {one["alias"]: one["version"] for one in other.models()[0]["aliases"]} == {"champion": "3"}
    run = other.run(champion["run_id"])
    assert run["experiment"] == "training" and run["params"] == [{"key": "depth", "value": "3"}] and len(run["metrics"]) == 5
    source = {one["key"]: one["value"] for one in run["tags"]}["evenkeel.run_id"]
    assert source in {one["run_id"] for one in registry.versions()}
    again = run_module("backup_restore", options)
    assert again["failed"] and again["error"] == "Refused" and "it holds churn" in again["msg"], again
    for model in other.models():
        other.delete_model(model["name"])


def test_a_file_that_comes_back_otherwise_is_named_and_nothing_is_kept(backup, run_module, repository, tmp_path, other):
    """The registry's document and the manifest agree, the file that is stored is another: as a forger would leave it."""
    import hashlib

    import zstandard

    manifest = Path(backup["path"], "manifest.json")
    content = json.loads(manifest.read_text())
    stored = max((file for file in content["files"] if file["path"].startswith("artifacts/")), key=lambda file: file["plain_bytes"])
    forged = zstandard.compress(b"x" * stored["plain_bytes"])
    Path(backup["path"], "data", stored["path"]).write_bytes(forged)
    stored |= {"bytes": len(forged), "sha256": hashlib.sha256(forged).hexdigest()}
    rewrite(manifest, content)
    told = run_module("backup_verify", {"repository": repository, "id": backup["id"]})
    assert told["verifications"][0]["status"] == "fail" and "model.bin" in told["verifications"][0]["message"], told
    done = run_module("backup_restore", {"repository": repository, "backup": backup["id"], "accept_failed": True, "verify": True,
                                         "scratch_dir": str(tmp_path), "model_registry": {"url": other.url}})
    assert done["restore"]["status"] == "failed", done
    assert other.models() == []


def test_an_empty_registry_and_versions_without_files_are_told(run_module, repository, other):
    options = {"repository": repository, "plan": "models", "engine": "model_registry", "model_registry": {"url": other.url}}
    answer = run_module("backup", options)
    assert "has no models" in answer["findings"][-1]["message"] and answer["findings"][-1]["status"] == "warn", answer
    run_id, root = other.create_run(other.experiment("x"), name="r", started=1, user="")
    other.create_model("bare", description="", tags=[])
    other.create_version("bare", source=f"mlflow-artifacts:/{root}/nothing", run_id=run_id)
    answer = run_module("backup", options)
    assert "1 versions have no files: bare version 1" in answer["findings"][-1]["message"], answer
    other.delete_model("bare")


@pytest.mark.parametrize("options, said", [
    ({}, "is no address of a service"),
    ({"url": "http://127.0.0.1:1"}, "does not answer"),
    ({"url": "http://127.0.0.1:1", "token": "secret-token", "username": "trainer"}, "both a token and a username"),
    ({"url": "http://127.0.0.1:1", "request_timeout": "-1s"}, "is not a duration"),
])
def test_bad_input_gets_a_clear_error_with_a_hint(run_module, repository, options, said):
    answer = run_module("backup", {"repository": repository, "plan": "models", "engine": "model_registry", "model_registry": options})
    assert answer["failed"] and said in answer["msg"] and answer["hint"], answer


def test_the_model_registry_is_restored_after_a_snapshot_of_what_is_there(playbook, inventory, tmp_path, registry, other):
    damaged, target = registry, other
    repository = str(tmp_path / "repository")
    variables: dict[str, Any] = {
        "backups_repository": repository, "backups_min_free": "0",
        "backups_plans": [{"name": "models", "engine": "model_registry", "model_registry": {"url": damaged.url}, "source": {}}],
        "recovery_repository": repository, "recovery_scratch_dir": str(tmp_path), "recovery_component": "model-registry",
        "recovery_component_at_least": "created", "recovery_component_confirm": "model-registry",
        "recovery_components": [{
            "name": "model-registry", "plan": "models", "target": {"model_registry": {"url": target.url}},
            "probes": [{"name": "models", "url": f"{target.url}/health", "contains": "OK"}]}]}
    made = playbook("evenkeel.ops.backups.create", inventory=inventory, variables=variables)
    assert made.returncode == 0, made.stdout + made.stderr
    without = playbook("evenkeel.ops.recovery.component", inventory=inventory, variables=variables)
    assert without.returncode != 0 and "recovery_component_snapshot to false" in without.stdout, without.stdout
    damaged.create_model("late", description="since the backup", tags=[])
    variables["recovery_components"][0]["current"] = {"model_registry": {"url": damaged.url}}
    done = playbook("evenkeel.ops.recovery.component", inventory=inventory, variables=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [one["name"] for one in target.models()] == ["churn", mlflow.ODD]
    [snapshot] = (tmp_path / "repository/unnamed/unnamed/models-before-recovery").glob("*/manifest.json")
    assert list(json.loads(snapshot.read_text())["fingerprint"]["registry"]) == ["churn", "late", mlflow.ODD]
    assert recorded(tmp_path) == ["unknown", "pass"]
    damaged.delete_model("late")
    for model in target.models():
        target.delete_model(model["name"])
