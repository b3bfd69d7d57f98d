# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells how targets did over time from the ledger, on the controller."""

from __future__ import annotations

from datetime import timedelta

from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant, parse_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.health.history import ReviewPolicy, review
from ansible_collections.evenkeel.ops.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    """See plugins/modules/health_review.py for its documentation."""

    OPTIONS = own(policy={"type": "dict", "required": True})

    def answer(self, request):
        """Read the ledger, judge; nothing is written, in check mode neither."""
        policy, now = ReviewPolicy.from_options(request["policy"]), request.clock.now()
        since = format_instant(now - timedelta(seconds=policy.period))
        runs = [(parse_instant(at), values) for at, host, values in request.runs("health", "check", since=since) if host == request.host]
        histories, findings = review(runs, now, policy)
        return Outcome(findings=findings, values={"histories": histories})
