# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arrows of docs/architecture.md: who may know whom."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

PLUGINS = ROOT / "plugins"
CODE = PLUGINS / "module_utils"
COLLECTION = "ansible_collections.evenkeel.ops.plugins."
# One area may speak of another where the words themselves do.
AREAS_THAT_READ_AREAS = {("recovery", "backups"), ("monitoring", "service_levels")}


@cache
def rooms() -> list[str]:
    """The areas: every folder of module_utils but the two that know no area, and the one that puts things together."""
    others = ("core", "adapters", "assembly", "__pycache__")
    return sorted(path.name for path in CODE.iterdir() if path.is_dir() and path.name not in others)


@cache
def nodes(path: Path) -> list[ast.Import | ast.ImportFrom | ast.JoinedStr]:
    """The parts of a file's syntax that tests look at; whole trees of all files would be hundreds of MiB."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr)]


def imports(path: Path) -> Iterator[str]:
    """Absolute dotted names of everything that a file imports, at any depth of it."""
    package = ["ansible_collections", "evenkeel", "ops", *path.relative_to(ROOT).parent.parts]
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            yield module
            if node.level and not node.module:
                yield from (f"{module}.{alias.name}" for alias in node.names)


def room(name: str) -> str:
    """'core', 'adapters', an area, 'ansible', 'stdlib', or the name of a third-party library."""
    inside = name.removeprefix(COLLECTION)
    if inside != name:
        parts = inside.split(".")
        return parts[1] if parts[0] == "module_utils" and len(parts) > 1 else parts[0]
    top = name.split(".")[0]
    return "stdlib" if top in sys.stdlib_module_names else top


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def test_there_are_areas_to_look_at():
    assert {"capacity", "operations"} <= set(rooms())
    assert room(f"{COLLECTION}module_utils.core.finding") == "core" and room("psycopg.rows") == "psycopg"


@pytest.mark.parametrize("path", files(CODE / "core"), ids=lambda path: path.name)
def test_core_knows_no_area_no_adapter_and_only_its_edge_knows_ansible(path):
    allowed = {"stdlib", "core"} | ({"ansible"} if path.name == "edge.py" else set())
    assert {room(name) for name in imports(path)} <= allowed


@pytest.mark.parametrize("path", files(CODE / "adapters"), ids=lambda path: path.name)
def test_adapters_know_core_and_clients_but_no_area_and_not_ansible(path):
    assert not {room(name) for name in imports(path)} & {*rooms(), "ansible", "modules", "action", "assembly"}


@pytest.mark.parametrize("path", files(CODE / "assembly"), ids=lambda path: path.name)
def test_the_assembly_puts_areas_and_adapters_together_and_has_no_library_of_its_own(path):
    assert {room(name) for name in imports(path)} <= {"stdlib", "core", "adapters", "assembly", *rooms()}


@pytest.mark.parametrize("path", [path for area in rooms() for path in files(CODE / area)],
                         ids=lambda path: f"{path.parent.name}/{path.name}")
def test_areas_are_handed_what_they_need(path):
    own = path.relative_to(CODE).parts[0]
    allowed = {"stdlib", "core", own} | {other for area, other in AREAS_THAT_READ_AREAS if area == own}
    assert {room(name) for name in imports(path)} <= allowed


@pytest.mark.parametrize("path", files(PLUGINS / "modules"), ids=lambda path: path.name)
def test_modules_are_wiring_and_import_no_library_themselves(path):
    assert {room(name) for name in imports(path)} <= {"stdlib", "core", "adapters", "assembly", *rooms()}


@pytest.mark.parametrize("path", files(PLUGINS / "plugin_utils"), ids=lambda path: path.name)
def test_what_actions_share_knows_no_area(path):
    assert {room(name) for name in imports(path)} <= {"stdlib", "ansible", "core", "adapters"}


@pytest.mark.parametrize("path", files(PLUGINS / "action"), ids=lambda path: path.name)
def test_actions_are_wiring_and_import_no_library_but_ansible(path):
    allowed = {"stdlib", "ansible", "plugin_utils", "core", "adapters", "assembly", *rooms()}
    assert {room(name) for name in imports(path)} <= allowed


@pytest.mark.parametrize("path", files(PLUGINS), ids=lambda path: str(path.relative_to(PLUGINS)))
def test_only_the_edge_speaks_to_ansible_module(path):
    if path.name != "edge.py":
        assert not re.search(r"\b(AnsibleModule|fail_json|exit_json)\(", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", files(PLUGINS), ids=lambda path: str(path.relative_to(PLUGINS)))
def test_nothing_goes_through_a_shell(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"shell\s*=\s*True|os\.system\(|os\.popen\(", text)
    if path.name != "command.py":
        assert "subprocess.run(" not in text and "subprocess.Popen(" not in text, "programs are run by adapters/command.py"


# What only judges runs no SQL; its hints may spell out what the operator is to run.
@pytest.mark.parametrize("path", [path for path in files(PLUGINS) if path.name != "judge.py"],
                         ids=lambda path: str(path.relative_to(PLUGINS)))
def test_sql_is_not_made_by_string_formatting(path):
    """Own words may be put together; what names a relation stays a {placeholder} that psycopg fills, quoted."""
    for node in nodes(path):
        if isinstance(node, ast.JoinedStr) and any(isinstance(part, ast.FormattedValue) for part in node.values):
            start = "".join(part.value for part in node.values if isinstance(part, ast.Constant)).lstrip()
            assert "{" in start or not re.match(r"(SELECT|INSERT|UPDATE|DELETE|VACUUM|REINDEX|ANALYZE|ALTER|DROP|CREATE)\s", start), (
                f"line {node.lineno}: compose it with names= instead")


@pytest.mark.parametrize("path", files(CODE / "core") + [path for area in rooms() for path in files(CODE / area)],
                         ids=lambda path: f"{path.parent.name}/{path.name}")
def test_time_is_handed_in(path):
    if path.name == "clock.py":
        return
    assert not re.search(r"\btime\.(time|sleep|monotonic)\(|datetime\.(now|utcnow|today)\(", path.read_text(encoding="utf-8"))
