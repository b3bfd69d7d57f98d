# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each inventory parses, and the roles accept its variables as they stand, templates resolved."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from tests.documents import read
from tests.unit.inventories.policies import (
    ADDRESS,
    AREAS,
    GIVEN_BY_THE_RUN,
    INVENTORIES,
    ROOT,
    TRACE,
    files_of,
    specs,
    strings,
    written,
)


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_it_parses_as_ansible_reads_it(inventory: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(ROOT / "inventories" / inventory), "--list"],
        capture_output=True, text=True, check=True, timeout=60, cwd=ROOT)
    assert "WARNING" not in done.stderr
    listed = json.loads(done.stdout)
    system, environment = inventory.split("/")
    assert set(AREAS) <= set(listed), "a group for each area"
    assert sorted(listed[environment]["children"]) == sorted(AREAS), "every area belongs to the environment's group"
    for name, host in listed["_meta"]["hostvars"].items():
        assert (host["evenkeel_system"], host["evenkeel_environment"]) == (system, environment), name


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_every_variable_is_one_of_a_role(inventory: str) -> None:
    options = {name for entries in specs().values() for entry in entries.values() for name in entry}
    for path in files_of(inventory):
        unknown = [name for name in written(path)
                   if name.split("_")[0] not in ("evenkeel", "ansible") and name not in options - GIVEN_BY_THE_RUN]
        assert not unknown, f"{path}: {unknown}"


def test_the_roles_accept_the_policy(resolved) -> None:
    """Types, choices, unknown keys: what Ansible itself asks before a role runs."""
    for host, (groups, values) in resolved.items():
        for area in set(AREAS) & set(groups):
            for entry, options in specs()[area].items():
                if set(options) & GIVEN_BY_THE_RUN:
                    continue
                # The validator writes into what it is given: what a dictionary's default leaves out.
                result = ArgumentSpecValidator(deepcopy(options)).validate({name: values[name] for name in options if name in values})
                assert not result.error_messages, f"{host}: {area}.{entry}: {result.error_messages}"


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_policy_says_where_each_value_comes_from(inventory: str) -> None:
    """Every variable of a policy cites a requirement (CR-51) or a decision (D-4)."""
    for path in (path for path in files_of(inventory) if path.name == "policy.yml"):
        blocks = re.split(r"(?m)^(?=[a-z_]+:)", path.read_text(encoding="utf-8"))
        names = set(written(path)) - {"evenkeel_system", "evenkeel_environment"}
        traced = {block.split(":")[0] for block in blocks if TRACE.search(block)}
        assert not names - traced, path


def test_a_dictionary_of_limits_leaves_none_out(resolved) -> None:
    """A dictionary replaces the role's whole, and what has no limit is not judged (D-36)."""
    for name in ("capacity_limits", "certificates_policy", "databases_limits"):
        defaults = read(ROOT / "roles" / name.split("_", maxsplit=1)[0] / "defaults/main.yml")
        for host, (_groups, values) in resolved.items():
            assert set(defaults[name]) <= set(values[name]), f"{host}: {name}"


def test_recovery_drills_the_plans_of_backups(resolved) -> None:
    for host, (groups, values) in resolved.items():
        if "recovery" in groups:
            timed = {plan["name"] for plan in values["backups_plans"] if not plan.get("on_request")}
            assert set(values["recovery_plans"]) == timed, host
            assert values["recovery_repository"] == values["backups_repository"], host


def test_without_keys_an_encrypting_system_does_not_run(monkeypatch) -> None:
    """Rather than write clear text: no task gets an empty list of recipients."""
    monkeypatch.delenv("EVENKEEL_BACKUP_RECIPIENTS", raising=False)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible")), "backups", "-i", str(ROOT / "inventories/neuron/production"), "-c", "local",
         "-m", "ansible.builtin.command", "-a", "true {{ backups_recipients | join }}"],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    assert done.returncode != 0
    assert "give the public keys to encrypt for" in done.stdout + done.stderr


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_policy_and_connection_are_apart(inventory: str) -> None:
    """So that one policy can be run against other services by giving other connections."""
    for path in files_of(inventory):
        values = written(path)
        if path.name == "connection.yml":
            assert all(name.startswith(("evenkeel_", "ansible_")) for name in values), path
        else:
            assert path.name == "policy.yml", f"{path}: policy or connection?"
            found = [text for name, value in values.items() for text in strings(value)
                     if ADDRESS.search(re.sub(r"\{\{.*?\}\}.*", "", text))]
            assert not found, f"{path} holds an address: {found}"


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_every_connection_that_a_policy_uses_is_given(inventory: str) -> None:
    paths = files_of(inventory)
    given = {name for path in paths for name in written(path)}
    used = {name for path in paths for name in re.findall(r"\bevenkeel_[a-z_]+", "\n".join(strings(written(path))))}
    assert used <= given, used - given


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_no_secret_is_written_down(inventory: str) -> None:
    for path in files_of(inventory):
        for name, value in written(path).items():
            if re.search(r"password|secret|token|passphrase", name):
                assert isinstance(value, str) and "lookup('ansible.builtin.env'" in value, f"{path}: {name}"


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_what_the_environments_share_is_written_once(inventory: str) -> None:
    """The folder of the system is linked in whole, and an environment repeats none of its values."""
    system, environment = inventory.split("/")
    base = ROOT / "inventories" / system
    link = base / environment / "group_vars" / "all"
    assert link.is_symlink() and link.readlink() == Path("../../shared")
    shared = {name: value for path in (base / "shared").glob("*.yml") for name, value in written(path).items()}
    for path in (base / environment / "group_vars" / environment).glob("*.yml"):
        for name, value in written(path).items():
            assert name not in shared or shared[name] != value, f"{path}: {name} is what the system says already"
