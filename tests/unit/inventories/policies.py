# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systems' inventories as they are written: which there are, their files, the roles' options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.documents import read

ROOT = Path(__file__).resolve().parents[3]
SYSTEMS = ("aeon_nova", "cronos_ai", "neuron", "skafu")
ENVIRONMENTS = ("development", "staging", "production")
AREAS = ("health", "backups", "recovery", "databases", "certificates", "capacity", "housekeeping", "continuity", "service_levels",
         "monitoring", "maintenance", "operations")
INVENTORIES = [f"{system}/{environment}" for system in SYSTEMS for environment in ENVIRONMENTS]
TRACE = re.compile(r"(?<![\w-])(?:AN-[OD]|CR|NE|SK|D)-\d+\b")
# What a run hands to a role itself, so that no inventory needs to.
GIVEN_BY_THE_RUN = {"operations_step", "operations_step_needs", "recovery_component", "recovery_pitr_data_dir", "continuity_exercise",
                    "maintenance_decision"}
# Words that no policy holds: they say where something is.
ADDRESS = re.compile(r"://|\b[a-z0-9-]+\.(?:com|example|net|org)\b|^/|\b\d+\.\d+\.\d+\.\d+\b")


def specs() -> dict[str, dict[str, dict[str, Any]]]:
    """area -> entry point -> options"""
    found = {}
    for area in AREAS:
        spec = read(ROOT / "roles" / area / "meta/argument_specs.yml")
        found[area] = {entry: body.get("options", {}) for entry, body in spec["argument_specs"].items()}
    return found


def files_of(inventory: str) -> list[Path]:
    """Its files of variables: those of its system, and its own."""
    system, environment = inventory.split("/")
    base = ROOT / "inventories" / system
    return [*sorted((base / "shared").glob("*.yml")), *sorted((base / environment / "group_vars" / environment).glob("*.yml"))]


def written(path: Path) -> dict[str, Any]:
    """A file's variables."""
    return read(path) or {}


def strings(value: Any) -> list[str]:
    """Every text in a value, keys among them."""
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []
