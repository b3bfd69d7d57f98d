# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges, from the ledger, whether the continuity plan is exercised in time and its actions are done, on the controller."""

from __future__ import annotations

from ansible_collections.evenkeel.ops.plugins.module_utils.continuity.exercises import open_actions, recorded
from ansible_collections.evenkeel.ops.plugins.module_utils.continuity.judge import (
    judge_actions,
    judge_exercises,
    judge_functions,
    judge_unreadable,
    measured,
    read_functions,
    read_intervals,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.plugin_utils.controller import ControllerAction

_FUNCTION = {
    "name": {"type": "str", "required": True}, "description": {"type": "str"}, "criticality": {"type": "str", "required": True},
    "rto": {"type": "str"}, "rpo": {"type": "str"}, "dependencies": {"type": "list", "elements": "str"},
    "alternatives": {"type": "list", "elements": "str"}, "people": {"type": "list", "elements": "str"},
    "plans": {"type": "list", "elements": "str"},
}


class ActionModule(ControllerAction):
    """See plugins/modules/continuity_review.py for its documentation."""

    OPTIONS = own(
        intervals={"type": "dict", "required": True},
        warn_before={"type": "str", "default": "14d"},
        functions={"type": "list", "elements": "dict", "default": [], "options": _FUNCTION},
    )

    def answer(self, request):
        """Read the ledger, judge; nothing is written, in check mode neither."""
        intervals, functions = read_intervals(request["intervals"]), read_functions(request["functions"])
        warn_before, now = parse_duration(request["warn_before"], option="warn_before"), request.clock.now()
        exercises, unreadable = recorded(request.history("continuity", "exercise"), now)
        actions = open_actions(exercises)
        drills = measured([*request.history("recovery", "drill"), *request.history("recovery", "disaster_drill")])
        findings = [*judge_exercises(exercises, intervals, warn_before=warn_before, now=now),
                    *judge_actions(actions, warn_before=warn_before, now=now), *judge_functions(functions, drills),
                    *judge_unreadable(unreadable)]
        return Outcome(findings=findings, values={
            "exercises": [one.as_value() for one in exercises],
            "actions": [{"id": one.id, "what": one.what, "owner": one.owner, "due": one.due.isoformat()} for one in actions],
            "functions": request["functions"],
        })
