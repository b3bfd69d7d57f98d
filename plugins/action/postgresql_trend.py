# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares this run's reviews of databases with those that the ledger has of earlier runs, on the controller."""

from __future__ import annotations

from datetime import timedelta

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger, ledger_of
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock, format_instant, parse_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import sentence
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_size
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.growth import GrowthPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.regressions import RegressionPolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.trend import compare_runs
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.evidence import read_results


class ActionModule(ActionBase):
    """See plugins/modules/postgresql_trend.py for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Read the ledger, compare; nothing is written, in check mode neither."""
        super().run(tmp, task_vars)
        _given, options = self.validate_argument_spec({
            "results": {"type": "raw", "required": True},
            "growth": {"type": "dict", "default": {}},
            "regressions": {"type": "dict", "default": {}},
            "capacities": {"type": "dict", "default": {}},
            "procedure": {"type": "str", "default": "inspect"},
        })
        try:
            return self._compare(options, ledger_of(self._templar, task_vars), task_vars["inventory_hostname"])
        except OpsError as error:
            return {"failed": True, "msg": str(error), "findings": [], **error.as_dict()}

    def _compare(self, options, place, host):
        growth = GrowthPolicy.from_options(options["growth"]) if options["growth"] else None
        regressions = RegressionPolicy.from_options(options["regressions"]) if options["regressions"] else None
        capacities = {name: parse_size(size, option=f"capacities.{name}") for name, size in options["capacities"].items()}
        now = SystemClock().now()
        since = now - timedelta(seconds=max((policy.window for policy in (growth, regressions) if policy), default=0))
        runs = Ledger(place.url).runs(system=place.system, environment=place.environment, area="databases",
                                      procedure=options["procedure"], since=format_instant(since))
        evidence = read_results(options["results"], area="databases", procedure=options["procedure"], subject=host)
        trend = compare_runs(now, evidence.values, [(parse_instant(at), values) for at, of, values in runs if of == host],
                             growth=growth, regressions=regressions, capacities=capacities)
        return {"changed": False, "findings": [finding.as_dict() for finding in trend.findings], "summary": sentence(trend.findings),
                "growth": list(trend.growth), "regressions": list(trend.regressions)}
