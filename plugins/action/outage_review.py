# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells MTTR and MTBF of services from the ledger, on the controller."""

from __future__ import annotations

from datetime import timedelta

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import ledger_of
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.service_levels import health_runs
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import sentence
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.outages import judge, reliability


class ActionModule(ActionBase):
    """See plugins/modules/outage_review.py for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Read the ledger, judge; nothing is written, in check mode neither."""
        super().run(tmp, task_vars)
        _given, options = self.validate_argument_spec({
            "period": {"type": "str", "default": "91d"}, "gap": {"type": "str", "required": True},
        })
        try:
            now = SystemClock().now()
            since = now - timedelta(seconds=parse_duration(options["period"], option="period"))
            runs = health_runs(ledger_of(self._templar, task_vars), since)
            found = reliability(runs, since, now, parse_duration(options["gap"], option="gap"))
        except OpsError as error:
            return {"failed": True, "msg": str(error), "findings": [], **error.as_dict()}
        findings = judge(found, since, now)
        return {"changed": False, "reliability": [one.as_value() for one in found], "summary": sentence(findings),
                "findings": [finding.as_dict() for finding in findings]}
