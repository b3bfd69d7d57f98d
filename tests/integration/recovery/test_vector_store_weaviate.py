# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine vector_store on a real server of Weaviate: backup, backup_verify, restore_drill, backup_restore."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.rest import RestTarget
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.weaviate import Weaviate
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.vector_tally import coded

from tests.integration.recovery.conftest import status_of
from tests.testbed import weaviate
from tests.testbed.parts import part
from tests.testbed.silence import serve_words


def key_of(target: RestTarget) -> str:
    return target.headers["Authorization"].removeprefix("Bearer ")


def store_of(target: RestTarget, **more: Any) -> dict[str, Any]:
    """The option vector_store for a server."""
    return {"driver": "weaviate", "url": target.url, "api_key": key_of(target), **more}


@pytest.fixture(scope="module")
def server() -> Iterator[RestTarget]:
    """A server with collections: references, named vectors, tenants."""
    with weaviate.serve_weaviate() as target:
        client = Weaviate(target)
        weaviate.fill(client)
        client.close()
        yield target


@pytest.fixture(scope="module")
def other() -> Iterator[RestTarget]:
    """An empty server to restore into."""
    with weaviate.serve_weaviate() as target:
        yield target


@pytest.fixture
def repository(tmp_path) -> str:
    return str(tmp_path / "repository")


@pytest.fixture
def backup(run_module, repository, server):
    """A backup of all collections."""
    answer = run_module("backup", {"repository": repository, "plan": "vectors", "engine": "vector_store", "vector_store": store_of(server)})
    assert not answer.get("failed"), answer
    return answer["backup"]


@pytest.fixture
def drill(run_module, repository, scratch):
    """Drill the plan in a scratch server."""
    def run(**store: Any) -> dict[str, Any]:
        return run_module("restore_drill", {"repository": repository, "plan": "vectors", "scratch_dir": str(scratch),
                                            "vector_store": {"program": part("weaviate-server"), **store}})

    return run


def rewrite(manifest: Path, content: dict[str, Any]) -> None:
    """As a version before manifests were sealed would have written it."""
    content.pop("seal", None)
    manifest.write_text(json.dumps({**content, "format": 1}))


def by_check(answer: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in answer["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    return found


def test_a_good_backup_is_verified_and_proven(backup, drill, run_module, repository, scratch):
    assert backup["status"] == "created" and backup["fingerprint"] == "full"
    verified = run_module("backup_verify", {"repository": repository})
    assert verified["verifications"][0]["status"] == "pass", verified
    answer = drill(recall_minimum=0.95)
    assert not answer.get("failed"), answer
    assert {finding["status"] for finding in answer["findings"]} == {"pass"}, answer["findings"]
    found = by_check(answer)
    assert answer["drill"]["tables_compared"] == 5  # Article, Author, Note, and Letter of two tenants
    assert "bit by bit" in found["recovery.vectors"][0]["message"] and "all 4 indexes" in found["recovery.index"][0]["message"]
    assert {one["subject"] for one in found["recovery.recall"]} == {
        "vectors: Article", "vectors: Letter/north", "vectors: Letter/south", "vectors: Note.near", "vectors: Note.far"}
    assert status_of(run_module, repository, backup["id"]) == "proven"
    assert os.listdir(scratch) == []


def test_each_kind_of_difference_is_named(backup, drill):
    manifest = Path(backup["path"], "manifest.json")
    content = json.loads(manifest.read_text())
    collections = content["fingerprint"]["vector_collections"]
    collections["Author"]["count"] += 1
    collections["Article"]["content"] = "0" * 64
    collections["Note"]["ids"] = "0" * 64
    sample = collections["Letter/north"]["sample"]
    sample[next(iter(sample))][""] = coded([9.0] * 16)
    rewrite(manifest, content)
    answer = drill()
    found = by_check(answer)
    said = found["recovery.data"][0]["message"]
    assert "collection Author has 5 objects, had 6" in said and "the objects of collection Article have not the same properties" in said
    assert "collection Note has as many objects, but not the same ids" in said
    assert found["recovery.vectors"][0]["status"] == "fail" and "deviates by" in found["recovery.vectors"][0]["message"]
    assert sorted(answer["drill"]["tables_different"]) == ["Article", "Author", "Note"]


def test_it_is_restored_into_an_empty_server_and_references_arrive(backup, run_module, repository, tmp_path, other):
    options = {"repository": repository, "plan": "vectors", "at_least": "created", "scratch_dir": str(tmp_path),
               "vector_store": store_of(other, recall_minimum=0.95)}
    planned = run_module("backup_restore", options, check=True)
    assert planned["changed"] and other.url in planned["summary"], planned
    client = Weaviate(other)
    assert client.collections() == []
    done = run_module("backup_restore", options)
    assert not done.get("failed") and {finding["status"] for finding in done["findings"]} == {"pass"}, done
    objects = {one["id"]: one for one in client.objects("Article", None, page=500)}
    assert len(objects) == 300
    assert objects[weaviate.identity(3)]["properties"]["by"][0]["beacon"].endswith(weaviate.identity(1_000_003))
    assert "by" not in objects[weaviate.identity(4)]["properties"]
    assert {one["class"] for one in client.collections()} == {"Article", "Author", "Note", "Letter"}
    again = run_module("backup_restore", options)
    assert again["failed"] and again["error"] == "Refused" and "it holds Article" in again["msg"], again
    for name in ("Article", "Author", "Note", "Letter"):
        client.delete(name)


def test_a_restore_that_fails_takes_everything_back(backup, run_module, repository, tmp_path, other):
    """What the manifest says is not what is in the backup: the restored copy differs, and is not kept."""
    manifest = Path(backup["path"], "manifest.json")
    content = json.loads(manifest.read_text())
    content["fingerprint"]["vector_collections"]["Author"]["schema"]["description"] = "another"
    rewrite(manifest, content)
    sample = content["fingerprint"]["vector_collections"]["Article"]["sample"]
    sample[next(iter(sample))][""] = coded([9.0] * 16)
    rewrite(manifest, content)
    done = run_module("backup_restore", {"repository": repository, "plan": "vectors", "at_least": "created", "scratch_dir": str(tmp_path),
                                         "vector_store": store_of(other)})
    assert done["restore"]["status"] == "failed" and "was not restored" in done["summary"], done
    assert Weaviate(other).collections() == []


def test_what_an_interrupted_restore_left_is_cleared_only_when_confirmed(backup, run_module, repository, tmp_path, other):
    client = Weaviate(other)
    client.create({"class": "EvenkeelRestoring", "description": json.dumps({"backup": "x", "names": ["Author"]}), "vectorizer": "none"})
    client.create({"class": "Author", "vectorizer": "none"})
    options = {"repository": repository, "plan": "vectors", "at_least": "created", "scratch_dir": str(tmp_path),
               "vector_store": store_of(other)}
    refused = run_module("backup_restore", options)
    assert refused["failed"] and "interrupted" in refused["msg"] and refused["evidence"]["would_clear"] == ["Author"], refused
    client.create({"class": "Stranger", "vectorizer": "none"})
    refused = run_module("backup_restore", {**options, "confirm": True})
    assert refused["failed"] and "Stranger" in refused["msg"], refused
    client.delete("Stranger")
    done = run_module("backup_restore", {**options, "confirm": True})
    assert not done.get("failed") and done["restore"]["status"] == "restored", done
    assert "EvenkeelRestoring" not in {one["class"] for one in client.collections()}
    for one in client.collections():
        client.delete(one["class"])


def test_a_backup_of_some_collections_is_another_source_and_encrypted_it_takes_the_key(run_module, repository, server, tmp_path):
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "key").write_text(f"{identity}\n")
    options = {"repository": repository, "plan": "some", "engine": "vector_store", "max_age": "1h",
               "recipients": [str(identity.to_public())], "vector_store": store_of(server, collections=["Note"], page=7)}
    made = run_module("backup", options)
    assert made["changed"] and made["backup"]["encrypted"], made
    assert not run_module("backup", options)["changed"]
    assert run_module("backup", {**options, "vector_store": store_of(server, collections=["Author"])})["changed"]
    told = run_module("backup_verify", {"repository": repository, "identity_file": str(tmp_path / "key")})
    assert [one["status"] for one in told["verifications"]] == ["pass", "pass"], told
    for path in Path(made["backup"]["path"]).rglob("*"):
        assert path.is_dir() or b"note 1" not in path.read_bytes()


@pytest.mark.parametrize("store, said", [
    ({"url": "weaviate.example.com"}, "is no address of a service"),
    ({"url": "http://user:secret@127.0.0.1:1"}, "credentials do not belong"),
    ({"url": "http://127.0.0.1:1"}, "does not answer"),
    ({"api_key": "wrong"}, "refuses these credentials"),
    ({"collections": ["Nowhere"]}, "has no collection 'Nowhere'"),
    ({"page": 0}, "vector_store.page: 0"),
])
def test_bad_input_gets_a_clear_error_with_a_hint(run_module, repository, server, store, said):
    answer = run_module("backup", {"repository": repository, "plan": "vectors", "engine": "vector_store",
                                   "vector_store": {**store_of(server), **store}})
    assert answer["failed"] and said in answer["msg"] and answer["hint"], answer
    assert key_of(server) not in json.dumps(answer)


def test_a_server_that_never_answers_is_given_up(run_module, repository):
    with serve_words() as port:
        answer = run_module("backup", {"repository": repository, "plan": "vectors", "engine": "vector_store", "vector_store": {
            "driver": "weaviate", "url": f"http://127.0.0.1:{port}", "request_timeout": "1s"}}, timeout=60)
    assert answer["failed"] and answer["error"] == "TimedOut" and answer["hint"], answer


def test_a_missing_program_is_told(backup, run_module, repository, scratch):
    answer = run_module("restore_drill", {"repository": repository, "plan": "vectors", "scratch_dir": str(scratch)})
    assert answer["failed"] and answer["error"] == "ToolMissing" and "weaviate" in answer["msg"], answer
