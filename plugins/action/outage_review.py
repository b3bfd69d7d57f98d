# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells MTTR and MTBF of services from the ledger, on the controller."""

from __future__ import annotations

from datetime import timedelta

from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.probe_history import health_runs
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.service_levels.outages import judge, reliability
from ansible_collections.evenkeel.ops.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    """See plugins/modules/outage_review.py for its documentation."""

    OPTIONS = own(
        period={"type": "str", "default": "91d"}, gap={"type": "str", "required": True},
    )

    def answer(self, request):
        """Read the ledger, judge; nothing is written, in check mode neither."""
        now = request.clock.now()
        since = now - timedelta(seconds=parse_duration(request["period"], option="period"))
        found = reliability(health_runs(request.place, since), since, now, parse_duration(request["gap"], option="gap"))
        return Outcome(findings=judge(found, since, now), values={"reliability": [one.as_value() for one in found]})
