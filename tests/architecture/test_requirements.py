# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/requirements.yml traces every requirement to what carries it, claims nothing that is not there, and is counted."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.documents import read

ROOT = Path(__file__).resolve().parents[2]
# How many requirements each document has; their ids count up from 1.
COUNTS = {"AN-O": 46, "AN-D": 56, "CR": 121, "NE": 82, "SK": 120}
SYSTEMS = {"aeon_nova": ("AN-O", "AN-D"), "cronos_ai": ("CR",), "neuron": ("NE",), "skafu": ("SK",)}
AREAS = {
    "access", "backups", "capacity", "certificates", "changes", "compliance", "continuity", "costs", "databases", "health",
    "housekeeping", "incidents", "infrastructure", "maintenance", "monitoring", "operations", "recovery", "releases", "secrets",
    "security", "service_levels", "vendors",
}
ID = re.compile(r"\b((?:AN-O|AN-D|CR|NE|SK)-\d+)\b")
DECISION = re.compile(r"(?<![\w-])D-(\d+)\b")  # not the end of AN-D-36
PLANNED = {"asks", "status", "area"}
CARRIED = {"asks", "playbook", "variable", "test", "partly"}


def _mapping_without_doubles(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _value in node.value]
    doubled = [key for key, times in Counter(keys).items() if times > 1]
    assert not doubled, f"{node.start_mark}: written twice: {doubled}"
    return {loader.construct_object(key): loader.construct_object(value, deep=True) for key, value in node.value}


class _Strict(yaml.SafeLoader):
    """YAML keeps the last of two equal keys silently; an id written twice must show."""


_Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_doubles)


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, Any]]:
    return yaml.load((ROOT / "docs/requirements.yml").read_text(encoding="utf-8"), _Strict)


@pytest.fixture(scope="module")
def carried(rows) -> dict[str, dict[str, Any]]:
    return {name: row for name, row in rows.items() if row.get("status") != "planned"}


def inventory_files() -> list[Path]:
    """Each file once; the links of the environments lead to the same ones."""
    return sorted(path for system in SYSTEMS for path in (ROOT / "inventories" / system).rglob("*.yml"))


def role_variables() -> set[str]:
    specs = [read(path) for path in ROOT.glob("roles/*/meta/argument_specs.yml")]
    return {name for spec in specs for entry in spec["argument_specs"].values() for name in entry.get("options", {})}


def test_every_requirement_is_there_once(rows) -> None:
    assert list(rows) == [f"{prefix}-{number:02}" for prefix, count in COUNTS.items() for number in range(1, count + 1)]


def test_every_row_says_what_is_asked_and_who_carries_it(rows) -> None:
    for name, row in rows.items():
        assert row["asks"].strip(), name
        if row.get("status") == "planned":
            assert set(row) == PLANNED, name
            assert row["area"] in AREAS, name
        else:
            assert set(row) | {"partly"} == CARRIED, f"{name}: either planned with its area, or playbook, variable and test"
            assert all(row[key] and isinstance(row[key], list) for key in ("playbook", "variable", "test")), name


def test_every_playbook_that_is_named_exists(carried) -> None:
    for name, row in carried.items():
        for playbook in row["playbook"]:
            match = re.fullmatch(r"evenkeel\.ops\.([a-z_]+)\.([a-z_]+)", playbook)
            assert match, f"{name}: {playbook}"
            assert (ROOT / "playbooks" / match[1] / f"{match[2]}.yml").is_file(), f"{name}: {playbook}"


def test_every_variable_that_is_named_is_one_of_a_role(carried) -> None:
    known = role_variables()
    for name, row in carried.items():
        assert set(row["variable"]) <= known, f"{name}: {sorted(set(row['variable']) - known)}"


def test_every_test_that_is_named_exists(carried) -> None:
    functions: dict[Path, set[str]] = {}
    for name, row in carried.items():
        for test in row["test"]:
            path, _colons, function = test.partition("::")
            file = ROOT / path
            assert path.startswith("tests/") and file.is_file(), f"{name}: {test}"
            if file not in functions:
                functions[file] = {node.name for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                                   if isinstance(node, ast.FunctionDef | ast.ClassDef)}
            assert function in functions[file], f"{name}: {test} names a function that is not there"


def test_inventories_cite_their_own_requirements_and_known_decisions(rows) -> None:
    decided = {int(number) for number in re.findall(r"^## D-(\d+)", (ROOT / "docs/decisions.md").read_text(encoding="utf-8"), re.M)}
    assert decided == set(range(1, len(decided) + 1))
    for path in inventory_files():
        text = path.read_text(encoding="utf-8")
        prefixes = SYSTEMS[path.relative_to(ROOT / "inventories").parts[0]]
        for cited in ID.findall(text):
            assert cited in rows, f"{path}: {cited} is no requirement"
            assert cited.rpartition("-")[0] in prefixes, f"{path}: {cited} is another system's; name the decision instead"
        assert {int(number) for number in DECISION.findall(text)} <= decided, path


def test_what_is_carried_is_in_the_inventories_and_what_is_planned_is_not(carried) -> None:
    cited = {found for path in inventory_files() for found in ID.findall(path.read_text(encoding="utf-8"))}
    assert sorted(set(carried) - cited) == [], "carried, and no inventory says where"
    assert sorted(cited - set(carried)) == [], "in an inventory, and not carried"


def test_decisions_name_known_requirements(rows) -> None:
    text = (ROOT / "docs/decisions.md").read_text(encoding="utf-8")
    assert sorted(set(ID.findall(text)) - set(rows)) == []


def test_how_far_we_are(rows, carried, capsys) -> None:
    """Prints the count; it fails only where the numbers do not add up."""
    partly = sum("partly" in row for row in carried.values())
    planned = len(rows) - len(carried)
    assert len(carried) + planned == sum(COUNTS.values()) == 425
    by_prefix = ", ".join(f"{prefix} {sum(name.rpartition('-')[0] == prefix for name in carried)}/{count}"
                          for prefix, count in COUNTS.items())
    with capsys.disabled():
        print(f"\nrequirements: {len(rows)} = {len(carried) - partly} carried + {partly} partly + {planned} planned ({by_prefix})")
