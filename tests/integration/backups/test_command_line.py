# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table "The command line" of docs/backups.md: each of its commands is run as it stands there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import connect
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository

from tests.conftest import ROOT, missing
from tests.testbed import mlflow, pgvector, postgres

ROW = re.compile(r"^\| `([^`]+)` \| `ansible-playbook ([^`]+)` \|$", re.MULTILINE)
ROWS = dict(ROW.findall((ROOT / "docs/backups.md").read_text(encoding="utf-8").split("\n## The command line\n")[1].split("\n## ")[0]))
HERE = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}


class Site:
    """A host with files, a plan that archives them and one of restic, and one verified backup of the first."""

    def __init__(self, home: Path) -> None:
        self.home = home
        for name in ("data", "config"):
            (home / name).mkdir()
            (home / name / "file").write_text(name)
        (home / "password").write_text("secret\n")
        self.repository = Repository(home / "repository", "unnamed", "unnamed")
        paths = {"paths": [str(home / "data")]}
        self.variables: dict[str, Any] = {
            "backups_repository": str(home / "repository"), "recovery_repository": str(home / "repository"), "backups_min_free": "0",
            "backups_plans": [{"name": "data", "engine": "archive", "max_age": "1d", "source": paths}],
            "recovery_plans": ["data"], "recovery_scratch_dir": str(home), "evenkeel_ledger_url": f"sqlite:///{home}/ledger.sqlite",
            "backups_tags": ["nightly"], "recovery_component_at_least": "created"}
        if shutil.which("restic"):
            self.variables["backups_plans"].append({
                "name": "hourly", "engine": "restic", "source": paths, "restic": {
                    "repository": str(home / "restic"), "password_file": str(home / "password"), "initialize": True}})
        self.run("evenkeel.ops.backups.create -e backups_create_plans=data")
        self.run("evenkeel.ops.backups.verify")
        self.backup = self.repository.list("data")[0]

    def run(self, command: str, **variables: Any) -> str:
        """Run what comes after ansible-playbook; gives what it printed."""
        inventory = self.home / "hosts.json"
        inventory.write_text(json.dumps({group: {"hosts": {"here": HERE}, "vars": {**self.variables, **variables}}
                                         for group in ("backups", "recovery")}))
        done = subprocess.run([str(Path(sys.executable).with_name("ansible-playbook")), *shlex.split(command), "-i", str(inventory)],
                              text=True, capture_output=True, timeout=300, cwd=ROOT, check=False,
                              env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def documented(self, row: str, **variables: Any) -> str:
        """Run the command of a row, its example's words replaced by what is here."""
        command = ROWS[row].replace("/data,/config", f"{self.home}/data,{self.home}/config").replace("=ID", f"={self.backup.id}")
        return self.run(command.replace("=/restore", f"={self.home}/restore").replace("=/dr-site", f"={self.home}/dr-site"), **variables)

    def plans(self) -> dict[str, int]:
        """How many backups each plan has."""
        return {plan: len(self.repository.list(plan)) for plan in self.repository.plans}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


def create_by_hand(site: Site, row: str) -> None:
    site.documented(row)
    [backup] = site.repository.list("manual")
    assert backup.manifest.tags == ("environment:production",) and backup.manifest.source["paths"] == [
        str(site.home / "data"), str(site.home / "config")]


def list_all(site: Site, row: str) -> None:
    assert site.backup.id in site.documented(row)


def list_verified(site: Site, row: str) -> None:
    site.run("evenkeel.ops.backups.create -e backups_create_type=full -e backups_create_plans=data")
    newest = site.repository.list("data")[-1]
    said = site.documented(row)
    assert site.backup.id in said and newest.id not in said


def verify_one(site: Site, row: str) -> None:
    before = len(site.repository.open(site.backup.id).verifications)
    site.documented(row)
    assert len(site.repository.open(site.backup.id).verifications) == before + 1


def restore_one(site: Site, row: str) -> None:
    site.documented(row)
    assert (site.home / "restore" / str(site.home).lstrip("/") / "data" / "file").read_text() == "data"


def restore_latest(site: Site, row: str) -> None:
    assert site.backup.id in site.documented(row), "the newest that is verified, not the newest"
    assert (site.home / "dr-site" / str(site.home).lstrip("/") / "data" / "file").read_text() == "data"


def drill_one(site: Site, row: str) -> None:
    site.documented(row)
    assert site.repository.open(site.backup.id).status == "proven"


def drill_disaster(site: Site, row: str) -> None:
    site.documented(row)
    assert site.repository.list("data")[-1].status == "proven", "of each plan the newest is restored"


def back_up_all(site: Site, row: str) -> None:
    before = site.plans()
    site.documented(row)
    after = site.plans()
    assert {plan: after[plan] - before.get(plan, 0) for plan in after if plan != "manual"} == {
        plan["name"]: 1 for plan in site.variables["backups_plans"]}


def back_up_increments(site: Site, row: str) -> None:
    if len(site.variables["backups_plans"]) == 1:
        missing("restic")
    before = site.plans()
    site.documented(row)
    after = site.plans()
    assert {plan: after[plan] - before.get(plan, 0) for plan in after if after[plan] != before.get(plan, 0)} == {"hourly": 1}


def recover_vectors(site: Site, row: str) -> None:
    found = pgvector.installation()
    if found is None:
        missing("PostgreSQL with pgvector")
    with postgres.running_server(found) as (_server, target):
        with connect(target) as session:
            session.run("CREATE DATABASE vectors")
        pgvector.fill(replace(target, database="vectors"), count=100)
        login = {"login_host": target.host, "login_port": target.port, "login_password": target.password}
        variables = {
            "backups_bin_dir": found.folder, "recovery_bin_dir": found.folder,
            # All is looked at: how near an index comes with less is chance, for its centres and layers are drawn.
            "recovery_vector_store": {"recall_minimum": 0.95, "probes": 4, "ef_search": 400}, "recovery_components": [
                {"name": "vector-store", "plan": "vectors", "target": {**login, "database": "recovered"}}],
            "backups_plans": [{"name": "vectors", "engine": "vector_store", "vector_store": {"driver": "pgvector"},
                               "source": {**login, "login_db": "vectors"}}]}
        site.run("evenkeel.ops.backups.create", **variables)
        site.documented(row, **variables)
        with connect(replace(target, database="recovered")) as session:
            assert session.value("SELECT count(*) FROM public.plain") == 100


def recover_models(site: Site, row: str) -> None:
    with ExitStack() as servers:
        current, target = servers.enter_context(mlflow.serve_mlflow()), servers.enter_context(mlflow.serve_mlflow())
        mlflow.fill(current, site.home)
        variables = {
            "backups_plans": [{"name": "models", "engine": "model_registry", "model_registry": {"url": current.url}, "source": {}}],
            "recovery_components": [{"name": "model-registry", "plan": "models", "target": {"model_registry": {"url": target.url}},
                                     "current": {"model_registry": {"url": current.url}}}]}
        site.run("evenkeel.ops.backups.create", **variables)
        site.documented(row, **variables)
        assert [one["name"] for one in target.models()] == [one["name"] for one in current.models()] != []


WHAT: dict[str, Callable[[Site, str], None]] = {
    "create --type full --paths /data,/config --tags environment:production": create_by_hand,
    "list": list_all,
    "list --status verified": list_verified,
    "verify --backup-id ID": verify_one,
    "restore --backup-id ID --restore-path /restore --verify": restore_one,
    "restore --backup-id LATEST-VERIFIED --restore-path /dr-site": restore_latest,
    "test-restore --backup-id ID": drill_one,
    "run-dr-drill": drill_disaster,
    "backup.sh full": back_up_all,
    "backup.sh incremental": back_up_increments,
    "recover.sh vector-store": recover_vectors,
    "recover.sh model-registry": recover_models,
}


@pytest.fixture(params=list(WHAT))
def row(request) -> Iterator[str]:
    yield request.param


def test_what_the_table_says_is_what_happens(site, row):
    WHAT[row](site, row)


def test_every_row_of_the_table_is_run():
    assert list(ROWS) == list(WHAT)


def test_what_makes_no_sense_is_refused(site):
    before = site.plans()
    for options in ("-e backups_create_type=incremental -e backups_create_paths=/etc", "-e backups_create_type=half",
                    "-e backups_create_name=data -e backups_create_paths=/etc"):
        with pytest.raises(AssertionError, match=r"archived in full|same name|must be one of"):
            site.run(f"evenkeel.ops.backups.create {options}")
    assert site.plans() == before
