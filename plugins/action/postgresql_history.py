# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from the ledger, on the controller, what earlier maintenance of databases took and left."""

from __future__ import annotations

from datetime import datetime, timedelta

from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding, Status
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.maintenance_history import gather
from ansible_collections.evenkeel.ops.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    """See plugins/modules/postgresql_history.py for its documentation."""

    OPTIONS = own(
        procedure={"type": "str", "default": "maintain"},
        over={"type": "str", "required": True},
        samples={"type": "int", "required": True},
    )

    def answer(self, request):
        """Read the ledger; nothing is written, in check mode neither."""
        since = _since(request.clock.now(), request["over"])
        try:
            runs = request.runs("databases", request["procedure"], since=since)
        except OpsError as error:
            # A database that nears wraparound is not left alone because a ledger is away.
            finding = Finding("database.history", request.host, Status.WARN,
                              f"durations are predicted from sizes alone, and nothing is known of what was left before: {error.message}",
                              hint=error.hint)
            return Outcome(findings=[finding], summary=finding.message, values={"history": {}})
        history = gather((values for _at, _host, values in runs), samples=request["samples"])
        durations = sum(len(one["samples"]) for one in history.values())
        return Outcome(summary=f"{len(history)} databases, {durations} durations", values={"history": history})


def _since(now: datetime, over: str) -> str:
    try:
        return format_instant(now - timedelta(seconds=parse_duration(over, option="over")))
    except OverflowError as error:
        raise InvalidOption(f"over: {over} is longer ago than the calendar reaches", hint="Give a duration such as 90d") from error
