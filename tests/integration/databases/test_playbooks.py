# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The procedures as an operator runs them."""

from __future__ import annotations

import json
import sqlite3

import pytest
import yaml

from tests.conftest import ROOT
from tests.integration.databases.conftest import dead_rows, login, sick_table

DEFAULTS = yaml.safe_load((ROOT / "roles" / "databases" / "defaults" / "main.yml").read_text(encoding="utf-8"))


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "hosts.yml"
    path.write_text(json.dumps({"databases": {"hosts": {"db1": {
        "ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}}}}))
    return path


def recorded(tmp_path) -> list[tuple]:
    with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
        return ledger.execute("SELECT procedure, status, changed, body FROM records ORDER BY id").fetchall()


def test_inspect_records_and_closes_the_gate_without_showing_the_password(playbook, inventory, tmp_path, database):
    targets = [{"name": "shop", **login(database)}, {"name": "away", **login(database), "login_port": 1}]
    limits = {"xid_age": {"fail": 10**9}, "settings": {"fail": {"fsync": "on"}}}
    done = playbook("evenkeel.ops.databases.inspect", inventory=inventory, options=("-vvv",),
                    variables={"databases_targets": targets, "databases_limits": limits})
    printed = done.stdout + done.stderr
    assert done.returncode != 0 and "fsync is off for the server" in printed and "No PostgreSQL server answers" in printed, printed
    assert database.password not in printed
    [(procedure, status, changed, body)] = recorded(tmp_path)
    assert (procedure, status, changed) == ("inspect", "fail", 0) and database.password not in body
    assert json.loads(body)[0]["database"]["name"] == database.database


def test_maintain_repairs_once_and_goes_on_past_a_target_that_is_away(playbook, inventory, tmp_path, database, session):
    sick_table(session, "t", rows=60000)
    variables = {"databases_targets": [{"name": "away", **login(database), "login_port": 1}, {"name": "shop", **login(database)}]}
    done = playbook("evenkeel.ops.databases.maintain", inventory=inventory, variables=variables)
    assert done.returncode != 0 and "No PostgreSQL server answers" in done.stdout, done.stdout
    assert dead_rows(session, "t") == 0
    assert session.value("SELECT pg_relation_size('public.t_v_idx')") < 10**6
    [(_procedure, status, changed, body)] = recorded(tmp_path)
    assert (status, changed) == ("unknown", 1)
    assert [entry["action"] for record in json.loads(body) for entry in record["relations"]] == ["vacuum analyze", "reindex table"]

    variables["databases_targets"].pop(0)
    again = playbook("evenkeel.ops.databases.maintain", inventory=inventory, variables=variables)
    assert again.returncode == 0 and "changed=0" in again.stdout, again.stdout
    assert recorded(tmp_path)[-1][1:3] == ("pass", 0)


def test_check_mode_shows_the_plan_and_touches_nothing(playbook, inventory, database, session):
    sick_table(session, "t")
    before = dead_rows(session, "t")
    done = playbook("evenkeel.ops.databases.maintain", inventory=inventory, options=("--check",),
                    variables={"databases_targets": [{"name": "shop", **login(database)}]})
    assert done.returncode == 0 and "changed=1" in done.stdout, done.stdout
    assert dead_rows(session, "t") == before


def test_defaults_are_policies_that_the_modules_take(run_module, database):
    for module, options in (("postgresql_check", {"limits": DEFAULTS["databases_limits"]}),
                            ("postgresql_vacuum", {"policy": DEFAULTS["databases_maintenance"]["vacuum"]}),
                            ("postgresql_reindex", {"policy": DEFAULTS["databases_maintenance"]["reindex"]})):
        answer = run_module(module, {**login(database), **options}, check=True)
        assert not answer.get("failed"), answer
