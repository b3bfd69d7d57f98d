# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's defaults are policies that the reviews take, and every entry point takes the same targets."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.baseline import BaselinePolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.growth import GrowthPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.limits import DatabaseLimits
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.log_judge import LogLimits
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.pooler import PoolerLimits
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.regressions import RegressionPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.schema_judge import SchemaPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.statements import StatementPolicy

from tests.conftest import ROOT

ROLE = ROOT / "roles" / "databases"
DEFAULTS = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
POLICIES = {"databases_limits": DatabaseLimits, "databases_schema": SchemaPolicy, "databases_statements": StatementPolicy,
            "databases_growth": GrowthPolicy, "databases_regressions": RegressionPolicy, "databases_pooler_limits": PoolerLimits,
            "databases_log_limits": LogLimits, "databases_baseline": BaselinePolicy}


@pytest.mark.parametrize("name", POLICIES)
def test_defaults_are_read(name):
    assert POLICIES[name].from_options(DEFAULTS[name])


def test_a_target_that_one_procedure_takes_is_taken_by_all():
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    options = {entry: set(spec["options"]["databases_targets"]["options"]) for entry, spec in specs.items()
               if "databases_targets" in spec["options"]}
    assert len(options) > 1 and len(set(map(frozenset, options.values()))) == 1, options
