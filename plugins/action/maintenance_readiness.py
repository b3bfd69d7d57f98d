# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges, from the ledger, whether a change is approved and has a way back, on the controller."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger, ledger_of
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import sentence
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.judge import (
    Approvals,
    judge_approvals,
    judge_rollback,
    judge_unreadable,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.records import read_approval, recorded


class ActionModule(ActionBase):
    """See plugins/modules/maintenance_readiness.py for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Read the ledger, judge; nothing is written, in check mode neither."""
        super().run(tmp, task_vars)
        _given, options = self.validate_argument_spec({
            "change": {"type": "str", "required": True},
            "approvals": {"type": "list", "elements": "str", "default": []},
            "approvers": {"type": "int", "default": 1},
            "max_age": {"type": "str", "default": "30d"},
            "rollback": {"type": "str", "default": ""},
            "rollback_required": {"type": "bool", "default": True},
        })
        try:
            return self._judge(options, ledger_of(self._templar, task_vars))
        except OpsError as error:
            return {"failed": True, "msg": str(error), "findings": [], **error.as_dict()}

    def _judge(self, options, place):
        change, now = options["change"].strip(), SystemClock().now()
        if not change:
            raise InvalidOption("change: there is none",
                                hint="Say in maintenance_change which change this is: approvals and records go by it")
        policy = Approvals(tuple(options["approvals"]), parse_duration(options["max_age"], option="max_age"), options["approvers"])
        values = Ledger(place.url).history(system=place.system, environment=place.environment, area="maintenance", procedure="approve")
        approvals, unreadable = recorded(values, "approval", read_approval, now)
        findings = [*judge_approvals(change, approvals, policy, now),
                    *judge_rollback(change, options["rollback"], required=options["rollback_required"]), *judge_unreadable(unreadable)]
        return {"changed": False, "findings": [finding.as_dict() for finding in findings], "summary": sentence(findings),
                "approvals": [one.as_value() for one in approvals if one.change == change]}
