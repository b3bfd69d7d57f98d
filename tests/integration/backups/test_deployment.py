# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artefacts of an application, backed up with each deployment and kept by count."""

from __future__ import annotations

import json
import sys

import pytest
import yaml
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository


@pytest.fixture
def inventory(tmp_path):
    """A host with one plan for deployments and one for the timer."""
    for name in ("application", "data"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    plans = [
        {"name": "application", "engine": "archive", "on_request": True, "source": {"paths": [str(tmp_path / "application")]},
         "tags": ["system:shop"], "retention": {"keep_last": 3}},
        {"name": "data", "engine": "archive", "source": {"paths": [str(tmp_path / "data")]}}]
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    path = tmp_path / "inventory.yml"
    path.write_text(yaml.safe_dump({"all": {
        "children": {"backups": {"hosts": {"web": host}}},
        "vars": {"backups_repository": str(tmp_path / "repository"), "backups_min_free": "0", "backups_plans": plans}}}))
    return path


def test_a_deployment_makes_its_copy_with_its_tags_and_a_timer_makes_none(playbook, inventory, tmp_path, run_module):
    repository = Repository(tmp_path / "repository", "unnamed", "unnamed")
    assert playbook("evenkeel.ops.backups.create", inventory=inventory).returncode == 0
    assert [one.plan for one in repository.list()] == ["data"]
    done = playbook("evenkeel.ops.backups.create", inventory=inventory, variables={
        "backups_create_plans": ["application"], "backups_tags": "version:1.4.2,commit:3f7f5cd"})
    assert done.returncode == 0, done.stdout
    [made] = repository.list("application")
    assert list(made.manifest.tags) == ["system:shop", "version:1.4.2", "commit:3f7f5cd"]
    assert len(repository.list("data")) == 1
    for version in range(4):  # the next deployments
        answer = run_module("backup", {"repository": str(tmp_path / "repository"), "plan": "application", "engine": "archive",
                                       "paths": [str(tmp_path / "application")], "tags": [f"version:1.5.{version}"]})
        assert answer["changed"], json.dumps(answer)
    pruned = run_module("backup_prune", {"repository": str(tmp_path / "repository"), "plans": {"application": {"keep_last": 3}}})
    assert len(pruned["deleted"]) == 2
    assert [one.manifest.tags[0] for one in repository.list("application")] == [f"version:1.5.{number}" for number in (1, 2, 3)]


def test_a_plan_that_is_not_there_is_told(playbook, inventory):
    done = playbook("evenkeel.ops.backups.create", inventory=inventory, variables={"backups_create_plans": ["aplication"]})
    assert done.returncode != 0
    assert "backups_create_plans names a plan that backups_plans does not have" in done.stdout
