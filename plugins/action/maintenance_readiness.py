# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges, from the ledger, whether a change is approved and has a way back, on the controller."""

from __future__ import annotations

from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.judge import (
    Approvals,
    judge_approvals,
    judge_rollback,
    judge_unreadable,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.records import read_approval, recorded
from ansible_collections.evenkeel.ops.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    """See plugins/modules/maintenance_readiness.py for its documentation."""

    OPTIONS = own(
        change={"type": "str", "required": True},
        approvals={"type": "list", "elements": "str", "default": []},
        approvers={"type": "int", "default": 1},
        max_age={"type": "str", "default": "30d"},
        rollback={"type": "str", "default": ""},
        rollback_required={"type": "bool", "default": True},
    )

    def answer(self, request):
        """Read the ledger, judge; nothing is written, in check mode neither."""
        change, now = request["change"].strip(), request.clock.now()
        if not change:
            raise InvalidOption("change: there is none",
                                hint="Say in maintenance_change which change this is: approvals and records go by it")
        policy = Approvals(tuple(request["approvals"]), parse_duration(request["max_age"], option="max_age"), request["approvers"])
        approvals, unreadable = recorded(request.history("maintenance", "approve"), "approval", read_approval, now)
        findings = [*judge_approvals(change, approvals, policy, now),
                    *judge_rollback(change, request["rollback"], required=request["rollback_required"]), *judge_unreadable(unreadable)]
        return Outcome(findings=findings, values={"approvals": [one.as_value() for one in approvals if one.change == change]})
