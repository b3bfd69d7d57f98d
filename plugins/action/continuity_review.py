# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges, from the ledger, whether the continuity plan is exercised in time and its actions are done, on the controller."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger, ledger_of
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
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import sentence
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration

_FUNCTION = {
    "name": {"type": "str", "required": True}, "description": {"type": "str"}, "criticality": {"type": "str", "required": True},
    "rto": {"type": "str"}, "rpo": {"type": "str"}, "dependencies": {"type": "list", "elements": "str"},
    "alternatives": {"type": "list", "elements": "str"}, "people": {"type": "list", "elements": "str"},
    "plans": {"type": "list", "elements": "str"},
}


class ActionModule(ActionBase):
    """See plugins/modules/continuity_review.py for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Read the ledger, judge; nothing is written, in check mode neither."""
        super().run(tmp, task_vars)
        _given, options = self.validate_argument_spec({
            "intervals": {"type": "dict", "required": True},
            "warn_before": {"type": "str", "default": "14d"},
            "functions": {"type": "list", "elements": "dict", "default": [], "options": _FUNCTION},
        })
        try:
            return self._review(options, ledger_of(self._templar, task_vars))
        except OpsError as error:
            return {"failed": True, "msg": str(error), "findings": [], **error.as_dict()}

    def _review(self, options, place):
        intervals, functions = read_intervals(options["intervals"]), read_functions(options["functions"])
        warn_before, now, ledger = parse_duration(options["warn_before"], option="warn_before"), SystemClock().now(), Ledger(place.url)

        def history(area, procedure):
            return ledger.history(system=place.system, environment=place.environment, area=area, procedure=procedure)

        exercises, unreadable = recorded(history("continuity", "exercise"), now)
        actions = open_actions(exercises)
        drills = measured([*history("recovery", "drill"), *history("recovery", "disaster_drill")])
        findings = [*judge_exercises(exercises, intervals, warn_before=warn_before, now=now),
                    *judge_actions(actions, warn_before=warn_before, now=now), *judge_functions(functions, drills),
                    *judge_unreadable(unreadable)]
        return {
            "changed": False, "findings": [finding.as_dict() for finding in findings], "summary": sentence(findings),
            "exercises": [one.as_value() for one in exercises],
            "actions": [{"id": one.id, "what": one.what, "owner": one.owner, "due": one.due.isoformat()} for one in actions],
            "functions": options["functions"],
        }
