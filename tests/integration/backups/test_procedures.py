# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of backups as an operator runs them."""

from __future__ import annotations

import json
import sqlite3

import pytest

INVENTORY = "[backups]\nhere ansible_connection=local ansible_python_interpreter='{{ ansible_playbook_python }}'\n"


@pytest.fixture
def day(playbook, tmp_path, repository, new_shop, odd_files, programs, keys):
    """Run a verb of backups with two plans and one that cannot work, or without it."""
    inventory = tmp_path / "inventory"
    inventory.write_text(INVENTORY)
    database = {"login_host": new_shop.host, "login_port": new_shop.port, "login_password": new_shop.password,
                "login_db": new_shop.database}

    def run(verb, *, broken=False, options=(), **variables):
        plans = [
            {"name": "shop", "engine": "pg_dump", "max_age": "1h", "tags": ["daily"], "source": database,
             "retention": {"keep_for": "7d", "keep_last": 3}},
            *([{"name": "broken", "engine": "pg_dump", "source": {**database, "login_port": 1}}] if broken else []),
            {"name": "files", "engine": "archive", "max_age": "1h", "encrypt": False, "source": {"paths": [str(odd_files)]}},
        ]
        return playbook(f"evenkeel.ops.backups.{verb}", inventory=inventory, options=options, variables={
            "backups_repository": str(repository.root), "backups_plans": plans, "backups_bin_dir": programs,
            "backups_recipients": [keys[1]], "backups_min_free": "1MiB", "evenkeel_system": "shop", "evenkeel_environment": "test",
            **variables})

    return run


def ledger(tmp_path):
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        return "\n".join(connection.iterdump())


def test_a_day_of_backups(day, repository, tmp_path, new_shop, keys):
    check = day("create", options=("--check",))
    assert check.returncode == 0, check.stdout
    assert not repository.root.exists()
    for round in (1, 2):
        done = day("create", options=("-vvv",) if round == 1 else ())
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"changed={1 if round == 1 else 0}" in done.stdout
        assert new_shop.password not in done.stdout + done.stderr
    home = repository.root / "shop" / "test"
    assert {path.name for path in home.iterdir()} == {"shop", "files", ".scratch"}
    verified = day("verify", backups_identity_file=keys[0])
    assert verified.returncode == 0, verified.stdout
    listed = day("list", backups_list_at_least="verified")
    assert listed.returncode == 0 and listed.stdout.count("verified") >= 2, listed.stdout
    pruned = day("prune")
    assert pruned.returncode == 0, pruned.stdout
    kept = ledger(tmp_path)
    assert new_shop.password not in kept
    for procedure in ("create", "verify", "list", "prune"):
        assert procedure in kept
    assert len(list((home / "shop").glob("*/manifest.json"))) == 1


def test_a_plan_that_fails_does_not_stop_the_others_and_is_recorded(day, repository, tmp_path):
    done = day("create", broken=True)
    assert done.returncode != 0
    home = repository.root / "shop" / "test"
    assert list((home / "shop").glob("*/manifest.json")) and list((home / "files").glob("*/manifest.json"))
    assert "127.0.0.1:1" in ledger(tmp_path)


def test_an_unknown_key_of_a_plan_is_refused_with_those_that_are_known(day, repository):
    done = day("create", backups_plans=[{"name": "a", "engine": "archive", "max_aeg": "1h", "source": {"paths": ["/etc"]}}])
    assert done.returncode != 0 and "max_aeg" in done.stdout and "max_age" in done.stdout
    assert not repository.root.exists()


def test_two_plans_of_one_name_are_refused(day, repository):
    plan = {"name": "a", "engine": "archive", "source": {"paths": ["/etc/hostname"]}}
    done = day("create", backups_plans=[plan, plan])
    assert done.returncode != 0 and "same name" in done.stdout and not repository.root.exists()


def test_a_plan_that_is_to_be_encrypted_without_a_key_is_refused(day, repository):
    plan = {"name": "a", "engine": "archive", "encrypt": True, "source": {"paths": ["/etc/hostname"]}}
    done = day("create", backups_plans=[plan], backups_recipients=[])
    assert done.returncode != 0 and "backups_recipients is empty" in done.stdout and not repository.root.exists()


def test_a_damaged_backup_closes_the_gate(day, repository):
    assert day("create").returncode == 0
    [manifest] = (repository.root / "shop" / "test" / "files").glob("*/manifest.json")
    entry = json.loads(manifest.read_bytes())["files"][0]
    with (manifest.parent / "data" / entry["path"]).open("r+b") as stream:
        stream.truncate(10)
    done = day("verify")
    assert done.returncode != 0 and "is cut" in done.stdout and entry["path"] in done.stdout
