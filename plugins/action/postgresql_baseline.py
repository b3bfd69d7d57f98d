# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the last whole quarter of a host's databases with the one before, from the ledger, on the controller."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger, ledger_of
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock, format_instant, parse_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import sentence
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.baseline import BaselinePolicy, Period, review_baseline


class ActionModule(ActionBase):
    """See plugins/modules/postgresql_baseline.py for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Read the ledger, compare; nothing is written, in check mode neither."""
        super().run(tmp, task_vars)
        _given, options = self.validate_argument_spec({
            "policy": {"type": "dict", "required": True},
            "at": {"type": "str"},
            "procedure": {"type": "str", "default": "inspect"},
        })
        try:
            return self._review(options, ledger_of(self._templar, task_vars), task_vars["inventory_hostname"])
        except OpsError as error:
            return {"failed": True, "msg": str(error), "findings": [], **error.as_dict()}

    def _review(self, options, place, host):
        policy = BaselinePolicy.from_options(options["policy"])
        now = parse_instant(options["at"]) if options["at"] else SystemClock().now()
        after = Period.last_before(now, policy.length)
        before = Period.last_before(after.start, policy.length)
        runs = Ledger(place.url).runs(system=place.system, environment=place.environment, area="databases",
                                      procedure=options["procedure"], since=format_instant(before.start))
        baselines, findings = review_baseline([(parse_instant(at), values) for at, of, values in runs if of == host], now, policy)
        return {"changed": False, "findings": [finding.as_dict() for finding in findings], "summary": sentence(findings),
                "baselines": baselines}
