# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine vector_store on a real database of pgvector: backup, backup_verify, restore_drill, backup_restore."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.seal import sealed

from tests.conftest import missing
from tests.integration.recovery.conftest import status_of
from tests.testbed import pgvector, postgres


@pytest.fixture(scope="module")
def programs() -> str:
    """The folder of an installation that has pgvector."""
    found = pgvector.installation()
    if found is None:
        missing("PostgreSQL with pgvector")
    return found.folder


@pytest.fixture(scope="module")
def server(programs) -> Iterator[PostgresTarget]:
    """A server that has it."""
    with postgres.running_server(pgvector.installation()) as (_server, target):
        yield target


@pytest.fixture(scope="module")
def vectors(server) -> PostgresTarget:
    """A database with tables of vectors."""
    with connect(server) as session:
        session.run("CREATE DATABASE vectors")
    target = replace(server, database="vectors")
    pgvector.fill(target)
    return target


# Every list and every vector is looked at: how near an index comes with less is chance, for its centres and layers are drawn.
EXACT = {"recall_minimum": 0.95, "probes": 4, "ef_search": 400}


def of(target: PostgresTarget, programs: str, **store: Any) -> dict[str, Any]:
    """The options of the module backup."""
    return {"plan": "vectors", "engine": "vector_store", "login_host": target.host, "login_port": target.port,
            "login_password": target.password, "login_db": target.database, "bin_dir": programs,
            "vector_store": {"driver": "pgvector", **store}}


@pytest.fixture
def backup(run_module, tmp_path, vectors, programs):
    """A backup of it in a repository of the test's own."""
    answer = run_module("backup", {"repository": str(tmp_path / "repository"), **of(vectors, programs, sample=5)})
    assert not answer.get("failed"), answer
    return answer["backup"]


@pytest.fixture
def drill(run_module, tmp_path, scratch, programs):
    """Drill the plan."""
    def run(**options: Any) -> dict[str, Any]:
        return run_module("restore_drill", {"repository": str(tmp_path / "repository"), "plan": "vectors", "scratch_dir": str(scratch),
                                            "bin_dir": programs, "amcheck": False, **options})

    return run


def by_check(answer: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in answer["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    return found


def altered(backup: dict[str, Any], change) -> None:
    """Rewrite the manifest's collections, as if the source had been otherwise."""
    manifest = Path(backup["path"], "manifest.json")
    content = json.loads(manifest.read_text())
    change(content["fingerprint"]["vector_collections"])
    manifest.write_bytes(sealed(content))


def test_the_fingerprint_has_every_collection_and_no_vector_more_than_the_sample(backup):
    found = json.loads(Path(backup["path"], "manifest.json").read_text())["fingerprint"]["vector_collections"]
    assert set(found) == {"\"odd \"\"schema\"\" %s\".\"it'ems {x}\"", "public.plain"}
    assert [entry["count"] for entry in found.values()] == [400, 400]
    assert all(len(entry["sample"]) == 5 for entry in found.values())
    assert len([name for entry in found.values() for name in entry["indexes"]]) == 3


def test_a_good_backup_is_verified_and_proven(backup, drill, run_module, tmp_path, programs):
    verified = run_module("backup_verify", {"repository": str(tmp_path / "repository"), "bin_dir": programs})
    assert verified["verifications"][0]["status"] == "pass", verified
    answer = drill(vector_store=EXACT)
    assert not answer.get("failed"), answer
    assert {finding["status"] for finding in answer["findings"]} == {"pass"}, answer["findings"]
    found = by_check(answer)
    assert found["recovery.vectors"][0]["message"] == (
        "all vectors are bit by bit as they were, 15 sampled ones and the digests over every one")
    assert found["recovery.index"][0]["message"] == "all 3 indexes for neighbours are there and valid"
    assert len(found["recovery.recall"]) == 3 and all(one["observed"] >= 0.95 for one in found["recovery.recall"])
    assert "recovery.data" in found
    assert status_of(run_module, tmp_path / "repository", backup["id"]) == "proven"


def test_a_vector_that_deviates_is_told_and_tolerated_only_where_policy_says_so(backup, drill):
    def change(collections):
        from ansible_collections.evenkeel.ops.plugins.module_utils.backups.vector_tally import coded, decoded

        [entry] = [one for name, one in collections.items() if name == "public.plain"]
        first = next(iter(entry["sample"].values()))
        coordinates = decoded(first["v"])
        first["v"] = coded([coordinates[0] + 2**-10, *coordinates[1:]])

    altered(backup, change)
    [found] = by_check(drill())["recovery.vectors"]
    assert found["status"] == "fail" and "deviates by 0.000977" in found["message"]
    [found] = by_check(drill(vector_store={"tolerance": 0.001}))["recovery.vectors"]
    assert found["status"] == "pass" and found["observed"] == 2**-10, found


def test_what_the_manifest_says_otherwise_is_named(backup, drill):
    def change(collections):
        plain = collections["public.plain"]
        plain["indexes"]["public.gone"] = "CREATE INDEX gone"
        plain["ids"] = "1"

    altered(backup, change)
    found = by_check(drill())
    assert "collection public.plain has as many objects, but not the same ids" in found["recovery.vectors"][0]["message"]
    assert found["recovery.index"][0]["status"] == "fail" and "public.gone is missing" in found["recovery.index"][0]["message"]


def test_an_index_that_finds_too_little_fails_by_policy(run_module, tmp_path, server, programs, drill):
    """Vectors without clusters, many lists, one probe: what pgvector's manual warns of."""
    import random

    with connect(server) as session:
        session.run("DROP DATABASE IF EXISTS scattered WITH (FORCE)")
        session.run("CREATE DATABASE scattered")
    target = replace(server, database="scattered")
    chance = random.Random(7)
    with connect(target) as session:
        session.set("search_path", "public")
        session.run("CREATE EXTENSION vector")
        session.run("CREATE TABLE t (id int PRIMARY KEY, v vector(16))")
        for number in range(400):
            session.run("INSERT INTO t VALUES (%s, %s)", (number, str([chance.gauss(0, 1) for _place in range(16)])))
        session.run("CREATE INDEX i ON t USING ivfflat (v vector_l2_ops) WITH (lists = 40)")
    made = run_module("backup", {"repository": str(tmp_path / "repository"), **of(target, programs)})
    assert not made.get("failed"), made
    few = drill(vector_store={"recall_minimum": 0.9})
    [found] = by_check(few)["recovery.recall"]
    assert found["status"] == "fail" and found["observed"] < 0.9 and few["drill"]["status"] == "fail"
    [found] = by_check(drill(vector_store={"recall_minimum": 0.9, "probes": 40}))["recovery.recall"]
    assert found["status"] == "pass" and found["observed"] == 1.0


def test_it_is_restored_into_a_database_that_is_not_there_and_refused_where_one_is(backup, run_module, tmp_path, server, programs):
    options = {"repository": str(tmp_path / "repository"), "plan": "vectors", "at_least": "created", "target_database": "recovered",
               "login_host": server.host, "login_port": server.port, "login_password": server.password, "bin_dir": programs,
               "scratch_dir": str(tmp_path), "vector_store": EXACT}
    planned = run_module("backup_restore", options, check=True)
    assert planned["changed"] and "would be restored" in planned["summary"], planned
    done = run_module("backup_restore", options)
    assert not done.get("failed") and {finding["status"] for finding in done["findings"]} == {"pass"}, done
    assert {"recovery.vectors", "recovery.index", "recovery.recall"} <= set(by_check(done))
    with connect(replace(server, database="recovered")) as session:
        assert session.value("SELECT count(*) FROM public.plain") == 400
    again = run_module("backup_restore", options)
    assert again["failed"] and again["error"] == "Refused" and "not empty" in again["msg"]
    with connect(server) as session:
        session.run("DROP DATABASE recovered")


def test_a_server_without_pgvector_is_told_before_anything_is_loaded(backup, run_module, tmp_path, scratch):
    from tests.integration.recovery.conftest import wheel_folder

    manifest = Path(backup["path"], "manifest.json")
    content = json.loads(manifest.read_text())
    content["source"]["server_version"], content["tools"]["pg_dump"] = 170000, "17.1"
    manifest.write_bytes(sealed(content))
    answer = run_module("restore_drill", {"repository": str(tmp_path / "repository"), "plan": "vectors", "scratch_dir": str(scratch),
                                          "bin_dir": wheel_folder(), "amcheck": False})
    assert answer["failed"] and answer["error"] == "ToolMissing" and "postgresql-17-pgvector" in answer["hint"], answer


@pytest.mark.parametrize("options, said", [
    ({"vector_store": {}}, "it is not said what the store is"),
    ({"fingerprint": "off"}, "never backed up without"),
    ({"login_db": "postgres"}, "no extension vector"),
    ({"vector_store": {"driver": "pgvector", "sample": 0}}, "vector_store.sample: 0"),
])
def test_bad_input_gets_a_clear_error_with_a_hint(run_module, tmp_path, vectors, programs, options, said):
    answer = run_module("backup", {"repository": str(tmp_path / "repository"), **of(vectors, programs), **options})
    assert answer["failed"] and said in answer["msg"] and answer["hint"], answer
