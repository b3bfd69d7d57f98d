# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles read as procedures, playbooks are verbs, policy is data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.documents import read

ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
TASKS = sorted((ROOT / "roles").glob("*/tasks/*.yml"))
ENTRY_POINTS = [path for path in TASKS if not path.stem.startswith("_")]
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*/*.yml"))
# step wraps a procedure that records and gates itself.
WRAPPERS = {"operations/step"}
FORBIDDEN = {"ignore_errors", "shell", "command", "raw", "ansible.builtin.shell", "ansible.builtin.command", "ansible.builtin.raw"}


def name_of(path: Path) -> str:
    """health/check for roles/health/tasks/check.yml and playbooks/health/check.yml."""
    area = path.parent.parent.name if path.parent.name == "tasks" else path.parent.name
    return f"{area}/{path.stem}"


def specs(role: Path) -> dict[str, Any]:
    return read(role / "meta" / "argument_specs.yml")["argument_specs"]


def tasks_in(content: Any) -> list[dict[str, Any]]:
    found = []
    for task in content or []:
        found.append(task)
        for part in ("block", "rescue", "always"):
            found += tasks_in(task.get(part))
    return found


@pytest.mark.parametrize("path", ENTRY_POINTS, ids=name_of)
def test_an_entry_point_is_described_and_has_a_playbook(path):
    role = path.parent.parent
    assert path.stem in specs(role)
    if name_of(path) not in WRAPPERS:
        assert (ROOT / "playbooks" / role.name / path.name).exists()


@pytest.mark.parametrize("path", [path for path in ENTRY_POINTS if name_of(path) not in WRAPPERS], ids=name_of)
def test_an_entry_point_records_always_and_gates_last(path):
    content = read(path)
    always = [task for block in content for task in tasks_in(block.get("always"))]
    assert any("evenkeel.ops.record" in task for task in always), "record belongs in always"
    assert "evenkeel.ops.gate" in content[-1], "the gate is the last task"


@pytest.mark.parametrize("path", TASKS, ids=name_of)
def test_tasks_use_no_shell_and_ignore_no_errors(path):
    for task in tasks_in(read(path)):
        assert not FORBIDDEN & set(task)
        for key in task:
            if key not in KEYWORDS:
                assert key.count(".") == 2, f"{key} is no full name"


KEYWORDS = {"name", "block", "rescue", "always", "when", "loop", "loop_control", "register", "vars", "no_log", "until", "retries",
            "delay", "tags", "delegate_to", "run_once", "become", "notify", "changed_when", "failed_when", "check_mode", "diff",
            "environment", "ignore_unreachable", "args", "throttle", "connection"}


@pytest.mark.parametrize("path", PLAYBOOKS, ids=name_of)
def test_a_playbook_is_hosts_and_entry_points(path):
    for play in read(path):
        if "ansible.builtin.import_playbook" in play:
            continue
        assert set(play) <= {"name", "hosts", "gather_facts", "tasks", "ignore_unreachable", "connection", "become", "serial",
                             "any_errors_fatal", "strategy"}
        for task in play["tasks"]:
            arguments = task["ansible.builtin.include_role"]
            area = arguments["name"].removeprefix("evenkeel.ops.")
            assert (ROOT / "roles" / area / "tasks" / f"{arguments['tasks_from']}.yml").exists()


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_are_described_and_agree(role):
    defaults = read(role / "defaults" / "main.yml") or {}
    described: dict[str, Any] = {}
    for entry in specs(role).values():
        described |= entry.get("options") or {}
    assert set(defaults) <= set(described), "a default without an entry in argument_specs"
    for name, option in described.items():
        if "default" in option:
            assert name in defaults, f"{name} has a default in argument_specs and none in defaults/main.yml"
            assert defaults[name] == option["default"], f"{name}: the two defaults differ"
        assert name.startswith(f"{role.name}_"), f"{name} does not begin with the role's name"
        assert option.get("description"), f"{name} is not described"


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_an_area_has_all_its_rooms(role):
    for room in (ROOT / "playbooks" / role.name, ROOT / "plugins" / "module_utils" / role.name, ROOT / "docs" / f"{role.name}.md"):
        assert room.exists(), f"{room.relative_to(ROOT)} is missing"


@pytest.mark.parametrize("path", TASKS, ids=name_of)
def test_no_threshold_stands_in_a_task(path):
    for number in re.findall(r":\s+(\d+(?:\.\d+)?[smhd%]?)\s*$", path.read_text(encoding="utf-8"), re.MULTILINE):
        pytest.fail(f"{number} belongs into a variable")
