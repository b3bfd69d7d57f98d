# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories as tasks see them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

from tests.unit.inventories.policies import INVENTORIES, ROOT, files_of, written


@pytest.fixture(scope="module")
def environment() -> Iterator[None]:
    """What the look-ups of secrets find."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVENKEEL_DATABASE_PASSWORD", "from the environment")
        patch.setenv("EVENKEEL_BACKUP_RECIPIENTS", "age1one age1two")
        yield


@pytest.fixture(scope="module", params=INVENTORIES)
def resolved(request: pytest.FixtureRequest, environment: None) -> dict[str, tuple[list[str], dict[str, Any]]]:
    """host -> its groups and its variables, templates resolved, as a task of a play would see them; not to be changed."""
    return resolve(request.param)


@cache
def resolve(inventory: str) -> dict[str, tuple[list[str], dict[str, Any]]]:
    """Takes seconds: once for all modules."""
    loader = DataLoader()
    manager = InventoryManager(loader=loader, sources=[str(ROOT / "inventories" / inventory)])
    variables = VariableManager(loader=loader, inventory=manager)
    names = {name for path in files_of(inventory) for name in written(path)}
    found = {}
    for host in manager.get_hosts():
        available = variables.get_vars(host=host)
        templar = Templar(loader=loader, variables=available)
        found[host.name] = ([group.name for group in host.get_groups()],
                            {name: templar.template(available[name]) for name in names})
    assert found
    return found
