# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says whether a maintenance window is open, from the policy and from the notices in the ledger, on the controller."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger, ledger_of
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.recurrence import Calendars
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock, parse_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import NotFound, OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import sentence
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.judge import judge_notice, judge_unreadable, judge_window
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.records import read_notice, recorded
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.schedule import read_schedules
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.windows import as_values, look


class ActionModule(ActionBase):
    """See plugins/modules/maintenance_window.py for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Look at policy, clock and ledger, judge; nothing is written, in check mode neither."""
        super().run(tmp, task_vars)
        _given, options = self.validate_argument_spec({
            "windows": {"type": "list", "elements": "dict", "required": True},
            "freezes": {"type": "list", "elements": "dict", "default": []},
            "only": {"type": "str"},
            "required": {"type": "bool", "default": False},
            "duration": {"type": "str", "default": "0s"},
            "reserve": {"type": "str", "default": "0s"},
            "at": {"type": "str"},
        })
        try:
            return self._judge(options, ledger_of(self._templar, task_vars))
        except OpsError as error:
            return {"failed": True, "msg": str(error), "findings": [], **error.as_dict()}

    def _judge(self, options, place):
        windows = read_schedules(options["windows"], option="windows")
        freezes = read_schedules(options["freezes"], option="freezes", bounded=True)
        if options["only"]:
            windows = [one for one in windows if one.name == options["only"]]
            if not windows:
                raise NotFound(f"There is no window named {options['only']!r}", hint="See the names in maintenance_windows")
        now = parse_instant(options["at"]) if options["at"] else SystemClock().now()
        outlook = look(windows, freezes, Calendars(), now)
        values = Ledger(place.url).history(system=place.system, environment=place.environment, area="maintenance", procedure="announce")
        notices, unreadable = recorded(values, "notice", read_notice, now)
        notice, told = judge_notice(outlook.open or outlook.next, notices, now)
        coming, _findings = judge_notice(outlook.next, notices, now)
        findings = [*judge_window(outlook, required=options["required"], duration=parse_duration(options["duration"], option="duration")),
                    *told, *judge_unreadable(unreadable)]
        return {"changed": False, "findings": [finding.as_dict() for finding in findings], "summary": sentence(findings),
                **as_values(outlook, reserve=parse_duration(options["reserve"], option="reserve")), "notice": notice, "next_notice": coming}
