# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares this run's reviews of databases with those that the ledger has of earlier runs, on the controller."""

from __future__ import annotations

from datetime import timedelta

from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant, parse_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_size
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.growth import GrowthPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.regressions import RegressionPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.trend import compare_runs
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.evidence import read_results
from ansible_collections.evenkeel.ops.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    """See plugins/modules/postgresql_trend.py for its documentation."""

    OPTIONS = own(
        results={"type": "raw", "required": True},
        growth={"type": "dict", "default": {}},
        regressions={"type": "dict", "default": {}},
        capacities={"type": "dict", "default": {}},
        procedure={"type": "str", "default": "inspect"},
    )

    def answer(self, request):
        """Read the ledger, compare; nothing is written, in check mode neither."""
        growth = GrowthPolicy.from_options(request["growth"]) if request["growth"] else None
        regressions = RegressionPolicy.from_options(request["regressions"]) if request["regressions"] else None
        capacities = {name: parse_size(size, option=f"capacities.{name}") for name, size in request["capacities"].items()}
        now = request.clock.now()
        since = now - timedelta(seconds=max((policy.window for policy in (growth, regressions) if policy), default=0))
        runs = request.runs("databases", request["procedure"], since=format_instant(since))
        evidence = read_results(request["results"], area="databases", procedure=request["procedure"], subject=request.host)
        trend = compare_runs(now, evidence.values, [(parse_instant(at), values) for at, of, values in runs if of == request.host],
                             growth=growth, regressions=regressions, capacities=capacities)
        return Outcome(findings=trend.findings, values={"growth": list(trend.growth), "regressions": list(trend.regressions)})
