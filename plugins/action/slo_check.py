# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges objectives of our own probe history on the controller, where the ledger is, and has the module judge the others."""

from __future__ import annotations

from datetime import timedelta

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger_place import ledger_of
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.probe_history import health_runs, history_source
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding, sentence
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.evaluate import Policy, evaluate

_OPTIONS = {
    "objectives": {"type": "list", "elements": "dict", "required": True}, "tiers": {"type": "dict", "default": {}},
    "window": {"type": "str", "default": "30d"}, "periods": {"type": "dict", "default": {}},
    "burn_rates": {"type": "list", "elements": "dict", "default": []}, "budget": {"type": "dict", "default": {}},
    "coverage": {"type": "float", "default": 90},
    "prometheus": {"type": "dict"}, "cloudwatch": {"type": "dict"},  # the module reads their insides
}


class ActionModule(ActionBase):
    """See plugins/modules/slo_check.py for its documentation."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        """The findings of both, those of the ledger last."""
        result = super().run(tmp, task_vars)
        _given, options = self.validate_argument_spec(_OPTIONS)
        rest = [one for one in options["objectives"] if not one.get("history")]
        own = [one for one in options["objectives"] if one.get("history")]
        if rest or not own:
            result |= self._execute_module(task_vars=task_vars, module_args={**self._task.args, "objectives": rest})
            if result.get("failed") or not own:
                return result
        try:
            objectives, findings = self._judge({**options, "objectives": own}, ledger_of(self._templar, task_vars))
        except OpsError as error:
            return {**result, **error.as_result(result.get("findings", []))}
        everything = [*result.get("findings", []), *(finding.as_dict() for finding in findings)]
        return {**result, "changed": False, "objectives": [*result.get("objectives", []), *objectives], "findings": everything,
                "summary": sentence([Finding.from_dict(one) for one in everything])}

    def _judge(self, options, place):
        policy, now = Policy.from_options(options), SystemClock().now()
        longest = max(max(rule.long for rule in policy.rules) if policy.rules else 0, *(one.window for one in policy.objectives))
        return evaluate(policy, history_source(health_runs(place, now - timedelta(seconds=longest))), now)
