# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the last whole quarter of a host's databases with the one before, from the ledger, on the controller."""

from __future__ import annotations

from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant, parse_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.baseline import BaselinePolicy, Period, review_baseline
from ansible_collections.evenkeel.ops.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    """See plugins/modules/postgresql_baseline.py for its documentation."""

    OPTIONS = own(
        policy={"type": "dict", "required": True},
        at={"type": "str"},
        procedure={"type": "str", "default": "inspect"},
    )

    def answer(self, request):
        """Read the ledger, compare; nothing is written, in check mode neither."""
        policy = BaselinePolicy.from_options(request["policy"])
        now = parse_instant(request["at"]) if request["at"] else request.clock.now()
        after = Period.last_before(now, policy.length)
        before = Period.last_before(after.start, policy.length)
        runs = request.runs("databases", request["procedure"], since=format_instant(before.start))
        baselines, findings = review_baseline([(parse_instant(at), values) for at, of, values in runs if of == request.host], now, policy)
        return Outcome(findings=findings, values={"baselines": baselines})
