# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every plugin has the one silhouette, its documentation, its examples and its tests."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import OptionGroup
from ansible_collections.evenkeel.ops.plugins.plugin_utils.controller import ControllerAction

from tests.conftest import ROOT
from tests.documents import parsed

PLUGINS = ROOT / "plugins"
PACKAGE = "ansible_collections.evenkeel.ops.plugins"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py") if path.stem != "__init__")
# What has no main runs in its action plugin alone; a module that has both is run by it.
ACTIONS = {path.stem for path in (PLUGINS / "action").glob("*.py")
           if "def main(" not in (PLUGINS / "modules" / path.name).read_text(encoding="utf-8")}
FRAGMENTS = sorted(path.stem for path in (PLUGINS / "doc_fragments").glob("*.py") if path.stem != "__init__")
# Keys of an argument spec that documentation repeats.
TOLD = ("type", "default", "choices", "required", "elements", "aliases")


def plugin(name: str):
    return importlib.import_module(f"{PACKAGE}.modules.{name}")


def documented(name: str) -> dict:
    """The options that a module documents, those of its fragments among them."""
    document = parsed(plugin(name).DOCUMENTATION)
    options = dict(document.get("options") or {})
    for fragment in document.get("extends_documentation_fragment") or []:
        twin = importlib.import_module(f"{PACKAGE}.doc_fragments.{fragment.removeprefix('evenkeel.ops.')}")
        options |= parsed(twin.ModuleDocFragment.DOCUMENTATION).get("options") or {}
    return options


def told(spec: dict) -> dict:
    """What documentation and argument spec must agree on, in one form."""
    result = {key: spec[key] for key in TOLD if spec.get(key) not in (None, [], False)}
    if spec.get("default") is False:
        result["default"] = False
    result.setdefault("type", "str")
    inner = spec.get("suboptions") or spec.get("options")
    if inner:
        result["inner"] = {name: told(option) for name, option in inner.items()}
    for key in ("choices", "aliases"):
        if key in result:
            result[key] = sorted(result[key])
    return result


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_the_silhouette(name):
    module = plugin(name)
    assert all(getattr(module, part, "").strip() for part in ("DOCUMENTATION", "EXAMPLES", "RETURN"))
    if name not in ACTIONS:
        assert callable(module.run) and callable(module.main) and module.OPTIONS.options


@pytest.mark.parametrize("name", [name for name in MODULES if name not in ACTIONS])
def test_documentation_and_options_agree(name):
    spec = {option: told(value) for option, value in plugin(name).OPTIONS.options.items()}
    assert {option: told(value) for option, value in documented(name).items()} == spec


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_documentation_and_options_of_an_action_agree(name):
    action = importlib.import_module(f"{PACKAGE}.action.{name}").ActionModule
    assert issubclass(action, ControllerAction)
    assert {option: told(value) for option, value in documented(name).items()} == {
        option: told(value) for option, value in action.OPTIONS.options.items()}


@pytest.mark.parametrize("name", MODULES)
def test_examples_use_full_names_and_documented_options(name):
    tasks = parsed(plugin(name).EXAMPLES)
    used = 0
    for task in tasks:
        for key, arguments in task.items():
            if key.startswith("evenkeel.ops."):
                other = key.removeprefix("evenkeel.ops.")
                options = documented(other)
                known = set(options) | {alias for option in options.values() for alias in option.get("aliases") or []}
                assert set(arguments or {}) <= known, f"unknown option in the example {task.get('name')!r}"
                used += other == name
    assert used, "no example uses the module itself"


@cache
def integration_tests() -> list[str]:
    """What stands in them, file by file."""
    return [path.read_text(encoding="utf-8") for path in (ROOT / "tests/integration").glob("*/test_*.py")]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_its_tests(name):
    assert any(name in text for text in integration_tests()), "no integration test"


@pytest.mark.parametrize("path", sorted((PLUGINS / "module_utils" / "adapters").glob("*.py")), ids=lambda path: path.stem)
def test_option_groups_and_their_fragments_are_twins(path: Path):
    adapter = importlib.import_module(f"{PACKAGE}.module_utils.adapters.{path.stem}")
    for group in [value for name, value in vars(adapter).items() if name.isupper() and isinstance(value, OptionGroup) and value.fragment]:
        assert group.fragment in FRAGMENTS
        twin = importlib.import_module(f"{PACKAGE}.doc_fragments.{group.fragment}")
        fragment = parsed(twin.ModuleDocFragment.DOCUMENTATION)["options"]
        assert {name: told(option) for name, option in fragment.items()} == {name: told(option) for name, option in group.options.items()}
