# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""database_migration on real servers, with Alembic and with commands of one's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.migration_commands import address
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect

from tests.conftest import ROOT
from tests.integration.databases.conftest import login
from tests.testbed import postgres
from tests.testbed.alembic_project import AlembicProject

NAME = 'orders "x" 100% 数'
TABLES = ("CREATE TABLE customers (id int PRIMARY KEY, name text, note text)",
          "INSERT INTO customers SELECT g, 'customer ' || g, CASE WHEN g % 2 = 0 THEN 'odd' END FROM generate_series(1, 200) g")


def fill(server: PostgresTarget, name: str = NAME) -> PostgresTarget:
    with connect(server) as session:
        session.run("CREATE DATABASE {name}", names={"name": name})
    target = replace(server, database=name)
    with connect(target) as session:
        session.set("search_path", "public")
        for statement in TABLES:
            session.run(statement)
    return target


def drop(server: PostgresTarget, name: str = NAME) -> None:
    with connect(server) as session:
        session.run("DROP DATABASE IF EXISTS {name} WITH (FORCE)", names={"name": name})


def back_up(run_module, target: PostgresTarget, repository: Path) -> str:
    """Back a database up and verify that; gives the id."""
    made = run_module("backup", {"repository": str(repository), "plan": "orders", "engine": "pg_dump", "bin_dir": programs_of(target),
                                 **login(target)})
    assert not made.get("failed"), made
    checked = run_module("backup_verify", {"repository": str(repository), "bin_dir": programs_of(target)})
    assert checked["verifications"][0]["status"] == "pass", checked
    return made["backup"]["id"]


@pytest.fixture(scope="module")
def seed(newest_pg) -> Iterator[PostgresTarget]:
    """What each test's database is copied from."""
    yield fill(newest_pg, "orders_seed")
    drop(newest_pg, "orders_seed")


@pytest.fixture
def orders(newest_pg, seed) -> Iterator[PostgresTarget]:
    """A small database on the newest major."""
    with connect(newest_pg) as session:
        session.run("CREATE DATABASE {name} TEMPLATE orders_seed", names={"name": NAME})
    yield replace(newest_pg, database=NAME)
    drop(newest_pg)


@pytest.fixture
def orders_on_both(pg) -> Iterator[PostgresTarget]:
    """The same on each of two majors."""
    yield fill(pg)
    drop(pg)


@pytest.fixture
def scratch() -> Iterator[str]:
    """A folder that a server's account can pass through; what is left in it is a fault."""
    folder = tempfile.mkdtemp(prefix="migrate-")
    os.chmod(folder, 0o755)
    yield folder
    assert os.listdir(folder) == []
    os.rmdir(folder)


def programs_of(target: PostgresTarget) -> str:
    with connect(target) as session:
        return next(one.folder for one in postgres.installations() if one.major == session.server_major)


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> dict[str, Any]:
    """The repository that all tests share, and the backup in it once there is one: they all begin with the same database."""
    return {"repository": tmp_path_factory.mktemp("migrations") / "repository", "id": ""}


@pytest.fixture
def options(tmp_path, scratch, kept) -> Callable[..., dict[str, Any]]:
    """The module's options for a database and a project."""
    def make(target: PostgresTarget, project: AlembicProject | None = None, **more: Any) -> dict[str, Any]:
        return {**login(target), **(project.options if project else {}), "repository": str(kept["repository"]), "plan": "orders",
                "backup_max_age": "1h", "state_dir": str(tmp_path / "state"), "scratch_dir": scratch, "bin_dir": programs_of(target),
                **more}

    return make


@pytest.fixture
def backed_up(run_module, kept) -> Callable[[PostgresTarget], str]:
    """See to it that there is a verified backup of the database as each test finds it; gives its id."""
    def make(target: PostgresTarget) -> str:
        kept["id"] = kept["id"] or back_up(run_module, target, kept["repository"])
        return kept["id"]

    return make


def rows(target: PostgresTarget, query: str) -> Any:
    with connect(target) as session:
        return session.value(query)


def columns(target: PostgresTarget) -> str:
    return rows(target, "SELECT string_agg(attname::text, ' ' ORDER BY attnum) FROM pg_attribute"
                        " WHERE attrelid = 'public.customers'::regclass AND attnum > 0 AND NOT attisdropped")


def found(answer: dict[str, Any], check: str) -> dict[str, Any]:
    return next(finding for finding in answer["findings"] if finding["check"] == check)


def mail(folder: Path) -> AlembicProject:
    """Two steps that take nothing away, and their way back."""
    project = AlembicProject(folder).add("a1", ["ALTER TABLE customers ADD COLUMN email text"],
                                         ["ALTER TABLE customers DROP COLUMN email"], "an address for letters")
    return project.add("b2", ["CREATE INDEX by_email ON customers (email)"], ["DROP INDEX by_email"])


def test_it_is_planned_rehearsed_and_done_once(run_module, orders_on_both, options, tmp_path):
    target = orders_on_both
    asked = options(target, mail(tmp_path / "app"), repository=str(tmp_path / "own"))
    id = back_up(run_module, target, tmp_path / "own")
    done = run_module("database_migration", asked, diff=True)
    assert not done.get("failed") and done["migration"]["status"] == "migrated", done
    assert columns(target) == "id name note email"
    assert done["migration"]["backup"]["id"] == id and done["migration"]["at"] == ["b2"]
    assert done["migration"]["rehearsal"]["status"] == "done" and done["migration"]["rehearsal"]["way_back"] == "proven", done
    assert [phase["name"] for phase in done["migration"]["rehearsal"]["phases"]] == ["fetch", "prepare", "restore", "migrate", "way back"]
    assert "INDEX public.by_email" in done["migration"]["schema"]["added"] and done["migration"]["schema"]["removed"] == []
    assert "email" in done["diff"]["after"] and "email" not in done["diff"]["before"]
    assert {finding["status"] for finding in done["findings"]} == {"pass"}, done["findings"]
    assert list((tmp_path / "state" / "migrations").iterdir()) == []

    again = run_module("database_migration", asked)
    assert not again["changed"] and again["migration"]["status"] == "nothing", again


def test_check_mode_shows_the_steps_and_their_sql_and_without_a_backup_nothing_is_begun(run_module, orders, options, backed_up, tmp_path):
    asked = options(orders, mail(tmp_path / "app"))
    planned = run_module("database_migration", {**asked, "plan": "nobody"}, check=True)
    assert planned["changed"] and planned["migration"]["status"] == "planned", planned
    assert [step["name"] for step in planned["migration"]["pending"]] == ["a1", "b2"]
    assert planned["migration"]["pending"][0]["message"] == "an address for letters"
    assert "ADD COLUMN email" in planned["migration"]["sql"] and planned["migration"]["backup"] is None
    without = run_module("database_migration", {**asked, "plan": "nobody"})
    assert without["failed"] and without["error"] == "Refused" and "no verified backup" in without["msg"], without
    backed_up(orders)
    rehearsed = run_module("database_migration", {**asked, "only_rehearse": True})
    assert rehearsed["migration"]["status"] == "rehearsed" and not rehearsed["changed"], rehearsed
    assert rehearsed["migration"]["rehearsal"]["status"] == "done"
    assert columns(orders) == "id name note" and rows(orders, "SELECT to_regclass('public.alembic_version')") is None


def test_what_takes_data_away_is_named_and_wants_to_be_confirmed(run_module, orders, options, backed_up, tmp_path):
    project = AlembicProject(tmp_path / "app").add("a1", ["DELETE FROM customers WHERE id > 150", "ALTER TABLE customers DROP note"])
    backed_up(orders)
    planned = run_module("database_migration", options(orders, project), check=True)
    assert found(planned, "database.migration_takes")["observed"] == [
        "deletes rows: DELETE FROM customers WHERE id > 150", "drops a column: ALTER TABLE customers DROP note"], planned
    refused = run_module("database_migration", options(orders, project))
    assert refused["error"] == "Refused" and "column public.customers.note" in refused["msg"], refused
    assert "50 of 200 rows of table public.customers" in refused["msg"], "the rehearsal counts"
    assert columns(orders) == "id name note" and rows(orders, "SELECT count(*) FROM public.customers") == 200
    done = run_module("database_migration", options(orders, project, confirm=True, rehearse=False))
    assert done["migration"]["status"] == "migrated" and columns(orders) == "id name", done
    assert found(done, "database.migration_takes")["status"] == "warn"


@pytest.mark.parametrize(("statement", "limit", "says"), [
    ("ALTER TABLE customers ALTER note SET NOT NULL", "10m", "contains null values"),
    ("SELECT pg_sleep(1.5)", "1s", "over the limit of 1s"),
])
def test_what_fails_or_takes_too_long_on_the_copy_never_reaches_the_database(run_module, orders, options, backed_up, tmp_path,
                                                                             statement, limit, says):
    project = AlembicProject(tmp_path / "app").add("a1", ["CREATE TABLE news (id int)"], ["DROP TABLE news"]).add("b2", [statement])
    backed_up(orders)
    answer = run_module("database_migration", options(orders, project, rehearsal_limit=limit))
    assert answer["migration"]["status"] == "unchanged" and not answer["changed"], answer
    assert says in found(answer, "database.migration_rehearsal")["message"], answer
    assert found(answer, "database.migration")["status"] == "fail"
    assert rows(orders, "SELECT to_regclass('public.news')") is None
    assert rows(orders, "SELECT to_regclass('public.alembic_version')") is None


def test_a_tool_with_an_address_of_its_own_is_found_out_before_it_migrates_the_database_in_place_of_the_copy(run_module, orders, options,
                                                                                                             backed_up, tmp_path):
    project = AlembicProject(tmp_path / "app", address=address(orders, "postgresql+psycopg", with_password=True))
    project.add("a1", ["CREATE TABLE news (id int)"])
    backed_up(orders)
    answer = run_module("database_migration", options(orders, project))
    assert answer["error"] == "Refused" and "does not go where the address" in answer["msg"], answer
    assert rows(orders, "SELECT to_regclass('public.news')") is None
    assert orders.password not in json.dumps(answer)
    elsewhere = AlembicProject(tmp_path / "other", address=address(replace(orders, database="postgres"), "postgresql+psycopg",
                                                                   with_password=True)).add("a1", ["CREATE TABLE news (id int)"])
    with connect(replace(orders, database=NAME)) as session:
        session.run("CREATE TABLE public.alembic_version (version_num varchar(32) PRIMARY KEY)")
        session.run("INSERT INTO public.alembic_version VALUES ('a1')")
    answer = run_module("database_migration", options(orders, elsewhere, rehearse=False))
    assert answer["error"] == "Refused" and "alembic says that the database is at" in answer["msg"], answer


def test_a_lock_is_not_waited_for_and_who_holds_it_is_named(run_module, orders, options, backed_up, tmp_path):
    project = AlembicProject(tmp_path / "app").add("a1", ["ALTER TABLE customers ADD COLUMN email text"],
                                                   ["ALTER TABLE customers DROP COLUMN email"])
    backed_up(orders)
    with connect(orders, autocommit=False, application_name="a report") as other:
        other.fetch("SELECT * FROM public.customers")
        answer = run_module("database_migration", options(orders, project, rehearse=False, lock_timeout="2s"))
    message = found(answer, "database.migration")["message"]
    assert answer["migration"]["status"] == "unchanged" and "lock timeout" in message and "a report" in message, answer
    assert not any(finding["check"] == "database.migration_timeouts" for finding in answer["findings"]), "the server itself keeps to it"
    assert columns(orders) == "id name note"
    assert run_module("database_migration", options(orders, project, rehearse=False))["migration"]["status"] == "migrated"


def test_a_migration_that_lifts_its_timeouts_is_cancelled_all_the_same(run_module, orders, options, backed_up, tmp_path):
    project = AlembicProject(tmp_path / "app").add("a1", ["SET statement_timeout = 0", "SELECT pg_sleep(600)"])
    backed_up(orders)
    answer = run_module("database_migration", options(orders, project, rehearse=False, statement_timeout="5s"))
    assert answer["migration"]["status"] == "unchanged", answer
    assert "statement_timeout" in found(answer, "database.migration_timeouts")["message"]
    other = AlembicProject(tmp_path / "other").add("a1", ["SET lock_timeout = 0", "ALTER TABLE customers ADD COLUMN email text"])
    with connect(orders, autocommit=False) as session:
        session.fetch("SELECT * FROM public.customers")
        answer = run_module("database_migration", options(orders, other, rehearse=False, lock_timeout="1s"))
    assert "lock_timeout" in found(answer, "database.migration_timeouts")["message"], answer
    assert columns(orders) == "id name note"


def test_half_a_migration_is_led_back_and_where_that_fails_the_backup_is_named(run_module, orders, options, backed_up, tmp_path):
    project = AlembicProject(tmp_path / "app").add("a1", ["ALTER TABLE customers ADD COLUMN email text"],
                                                   ["ALTER TABLE customers DROP COLUMN email"])
    project.add("b2", ["SELECT 1 / 0"])
    id = backed_up(orders)
    answer = run_module("database_migration", options(orders, project, rehearse=False))
    assert answer["migration"]["status"] == "rolled_back" and columns(orders) == "id name note", answer
    assert "division by zero" in found(answer, "database.migration")["message"]

    broken = AlembicProject(tmp_path / "broken").add("a1", ["ALTER TABLE customers ADD COLUMN email text"], ["SELECT 1 / 0"])
    broken.add("b2", ["SELECT 1 / 0"])
    answer = run_module("database_migration", options(orders, broken, rehearse=False))
    assert answer["migration"]["status"] == "half" and answer["migration"]["restore"]["backup_id"] == id, answer
    assert id in found(answer, "database.migration")["hint"] and columns(orders) == "id name note email"
    where = options(orders)
    restored = run_module("backup_restore", {"repository": where["repository"], "backup": id, "target_database": f"{NAME}_restored",
                                             "bin_dir": where["bin_dir"], "scratch_dir": str(tmp_path),
                                             **login(orders), "login_db": "postgres"})
    assert restored["restore"]["status"] == "restored", restored
    with connect(replace(orders, database="postgres")) as session:
        session.run("DROP DATABASE {name}", names={"name": f"{NAME}_restored"})

    kept = run_module("database_migration", options(orders, broken, rehearse=False), check=True)
    assert kept["migration"]["interrupted"]["left"] and "1 step short" in found(kept, "database.migration_interrupted")["message"], kept


@pytest.mark.parametrize("then", ["continue", "rollback"])
def test_a_run_after_a_kill_says_what_it_finds_and_goes_on_or_leads_back(run_module, orders, options, backed_up, tmp_path, then):
    project = AlembicProject(tmp_path / "app").add("a1", ["ALTER TABLE customers ADD COLUMN email text"],
                                                   ["ALTER TABLE customers DROP COLUMN email"])
    slow = "SELECT pg_sleep(CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'slow_migration') THEN 600 ELSE 0 END)"
    project.add("b2", ["CREATE TABLE news (id int)", slow], ["DROP TABLE news"])
    id = backed_up(orders)
    asked = options(orders, project, rehearse=False)
    with connect(orders) as session:
        session.run("CREATE ROLE slow_migration")
        try:
            killed = subprocess.Popen([sys.executable, "-m", "tests.testbed.module", "database_migration"], stdin=subprocess.PIPE,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
            killed.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": asked}).encode())
            killed.stdin.close()
            for _attempt in range(600):
                if columns(orders).endswith("email"):
                    break
                time.sleep(0.1)
            killed.send_signal(signal.SIGKILL)
            killed.wait()
        finally:
            session.run("DROP ROLE slow_migration")
    assert columns(orders) == "id name note email"
    planned = run_module("database_migration", {**asked, "interrupted": then}, check=True)
    assert planned["migration"]["interrupted"]["backup_id"] == id and "the database is at a1" in found(
        planned, "database.migration_interrupted")["message"], planned
    if then == "continue":
        done = run_module("database_migration", {**asked, "rehearse": True})  # of the copy of before, from where that stands
        assert done["migration"]["status"] == "migrated" and done["migration"]["from"] == [] and done["migration"]["at"] == ["b2"], done
        assert rows(orders, "SELECT to_regclass('public.news')::text") == "public.news"
    else:
        refused = run_module("database_migration", {**asked, "interrupted": then})
        assert refused["error"] == "Refused" and "what was done since" in refused["msg"], refused
        done = run_module("database_migration", {**asked, "interrupted": then, "confirm": True})
        assert done["migration"]["status"] == "rolled_back" and columns(orders) == "id name note", done
    assert list((tmp_path / "state" / "migrations").iterdir()) == []


APPLY = """import os, sys, psycopg
with psycopg.connect(os.environ["SHOP_URL"]) as connection:
    there = connection.execute("SELECT to_regclass('public.news')").fetchone()[0]
    if sys.argv[1] == "list" and not there:
        print("create news")
    if sys.argv[1] == "apply":
        print(os.environ["TOKEN"])
        connection.execute("CREATE TABLE public.news (id int)")
        if os.path.exists(sys.argv[2]):
            connection.commit()
            sys.exit("no more today, " + os.environ["TOKEN"])
    if sys.argv[1] == "undo":
        connection.execute("DROP TABLE public.news")
"""


def test_commands_of_ones_own_are_rehearsed_done_and_led_back_and_keep_their_secrets(run_module, orders, options, backed_up, tmp_path):
    script, flag = tmp_path / "migrate.py", tmp_path / "flag"
    script.write_text(APPLY)
    backed_up(orders)
    asked = options(orders, tool="commands", pending=[sys.executable, str(script), "list"], url_variable="SHOP_URL",
                    commands=[[sys.executable, str(script), "apply", str(flag)]],
                    rollback_commands=[[sys.executable, str(script), "undo"]], secrets={"TOKEN": "very-secret-4711"})
    flag.write_text("")
    answer = run_module("database_migration", {**asked, "rehearse": False, "confirm": True})
    assert answer["migration"]["status"] == "rolled_back" and rows(orders, "SELECT to_regclass('public.news')") is None, answer
    assert "no more today" in json.dumps(answer) and "very-secret-4711" not in json.dumps(answer)
    flag.unlink()
    unknown = run_module("database_migration", {**asked, "rehearse": False})
    assert unknown["error"] == "Refused" and "nobody knows what" in unknown["msg"], unknown
    done = run_module("database_migration", asked)
    assert done["migration"]["status"] == "migrated" and done["migration"]["rehearsal"]["way_back"] == "proven", done
    assert done["migration"]["pending"] == [{"name": "create news", "message": ""}]
    assert run_module("database_migration", asked)["migration"]["status"] == "nothing"


def test_what_makes_no_sense_is_refused_before_anything_is_begun(run_module, orders, options, tmp_path):
    project = AlembicProject(tmp_path / "app").add("a1", ["CREATE TABLE news (id int)"])
    for wrong, says in (({"lock_timeout": "-1s"}, "lock_timeout"), ({"statement_timeout": "0s"}, "statement_timeout"),
                        ({"variables": {"PGOPTIONS": "x"}}, "PGOPTIONS"), ({"plan": None}, "Neither"),
                        ({"commands": [["x"]]}, "not for the tool alembic"), ({"tool": "commands"}, "not for the tool commands"),
                        ({"alembic": {**project.options["alembic"], "revision": "-1"}}, "is no revision"),
                        ({"tool": "commands", "alembic": None, "commands": [[]], "pending": ["x"]}, "is no command"),
                        ({"alembic": {**project.options["alembic"], "program": "/nonexistent/alembic"}}, "cannot be run"),
                        ({"alembic": {**project.options["alembic"], "config": str(tmp_path / "none.ini")}}, "cannot read its scripts")):
        answer = run_module("database_migration", {**options(orders, project), **wrong})
        assert answer["failed"] and says in answer["msg"] and answer["hint"], (wrong, answer)
    assert rows(orders, "SELECT to_regclass('public.news')") is None


def test_a_database_that_is_ahead_of_the_scripts_and_a_journal_that_cannot_be_read_are_left_alone(run_module, orders, options, tmp_path):
    project = AlembicProject(tmp_path / "app").add("a1", ["CREATE TABLE news (id int)"])
    with connect(orders) as session:
        session.run("CREATE TABLE public.alembic_version (version_num varchar(32) PRIMARY KEY)")
        session.run("INSERT INTO public.alembic_version VALUES ('z9')")
    answer = run_module("database_migration", options(orders, project))
    assert answer["failed"] and "z9" in answer["msg"] and answer["hint"], answer
    from ansible_collections.evenkeel.ops.plugins.module_utils.databases.migration_journal import Journal

    journal = Journal(tmp_path / "state", orders.name)
    journal.path.parent.mkdir(parents=True)
    journal.path.write_text("{")
    answer = run_module("database_migration", options(orders, project))
    assert answer["error"] == "Damaged" and "alembic current" in answer["hint"], answer
