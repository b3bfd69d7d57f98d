# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from the ledger, on the controller, what earlier maintenance of databases took and left."""

from __future__ import annotations

from datetime import timedelta

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger, ledger_of
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock, format_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding, Status
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.maintenance_history import gather


class ActionModule(ActionBase):
    """See plugins/modules/postgresql_history.py for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Read the ledger; nothing is written, in check mode neither."""
        super().run(tmp, task_vars)
        _given, options = self.validate_argument_spec({
            "procedure": {"type": "str", "default": "maintain"},
            "over": {"type": "str", "required": True},
            "samples": {"type": "int", "required": True},
        })
        host = task_vars["inventory_hostname"]
        try:
            since = _since(options["over"])
            place = ledger_of(self._templar, task_vars)
        except OpsError as error:
            return {"failed": True, "msg": str(error), "findings": [], **error.as_dict()}
        try:
            runs = Ledger(place.url).runs(system=place.system, environment=place.environment, area="databases",
                                          procedure=options["procedure"], since=since)
        except OpsError as error:
            # A database that nears wraparound is not left alone because a ledger is away.
            finding = Finding("database.history", host, Status.WARN,
                              f"durations are predicted from sizes alone, and nothing is known of what was left before: {error.message}",
                              hint=error.hint)
            return {"changed": False, "history": {}, "findings": [finding.as_dict()], "summary": finding.message}
        history = gather((values for _at, _host, values in runs), samples=options["samples"])
        return {"changed": False, "history": history, "findings": [],
                "summary": f"{len(history)} databases, {sum(len(one['samples']) for one in history.values())} durations"}


def _since(over: str) -> str:
    try:
        return format_instant(SystemClock().now() - timedelta(seconds=parse_duration(over, option="over")))
    except OverflowError as error:
        raise InvalidOption(f"over: {over} is longer ago than the calendar reaches", hint="Give a duration such as 90d") from error
