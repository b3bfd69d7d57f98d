# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says whether a maintenance window is open, from the policy and from the notices in the ledger, on the controller."""

from __future__ import annotations

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.recurrence import Calendars
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import parse_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import NotFound
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.judge import judge_notice, judge_unreadable, judge_window
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.records import read_notice, recorded
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.schedule import read_schedules
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.windows import as_values, look
from ansible_collections.evenkeel.ops.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    """See plugins/modules/maintenance_window.py for its documentation."""

    OPTIONS = own(
        windows={"type": "list", "elements": "dict", "required": True},
        freezes={"type": "list", "elements": "dict", "default": []},
        only={"type": "str"},
        required={"type": "bool", "default": False},
        duration={"type": "str", "default": "0s"},
        reserve={"type": "str", "default": "0s"},
        at={"type": "str"},
    )

    def answer(self, request):
        """Look at policy, clock and ledger, judge; nothing is written, in check mode neither."""
        windows = read_schedules(request["windows"], option="windows")
        freezes = read_schedules(request["freezes"], option="freezes", bounded=True)
        if request["only"]:
            windows = [one for one in windows if one.name == request["only"]]
            if not windows:
                raise NotFound(f"There is no window named {request['only']!r}", hint="See the names in maintenance_windows")
        now = parse_instant(request["at"]) if request["at"] else request.clock.now()
        outlook = look(windows, freezes, Calendars(), now)
        notices, unreadable = recorded(request.history("maintenance", "announce"), "notice", read_notice, now)
        notice, told = judge_notice(outlook.open or outlook.next, notices, now)
        coming, _findings = judge_notice(outlook.next, notices, now)
        findings = [*judge_window(outlook, required=request["required"], duration=parse_duration(request["duration"], option="duration")),
                    *told, *judge_unreadable(unreadable)]
        values = as_values(outlook, reserve=parse_duration(request["reserve"], option="reserve"))
        return Outcome(findings=findings, values={**values, "notice": notice, "next_notice": coming})
