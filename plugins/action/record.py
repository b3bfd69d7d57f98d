# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what a procedure found and did into the ledger, on the controller."""

from __future__ import annotations

import json

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger, ledger_of
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.run import run_id
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock, format_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.evidence import read_results


class ActionModule(ActionBase):
    """See plugins/modules/record.py for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Record, unless this is check mode; the answer carries the findings either way."""
        super().run(tmp, task_vars)
        _given, options = self.validate_argument_spec({
            "area": {"type": "str", "required": True},
            "procedure": {"type": "str", "required": True},
            "results": {"type": "raw", "required": True},
            "keep_earlier": {"type": "bool", "default": False},
        })
        host = task_vars["inventory_hostname"]
        area, procedure = options["area"], options["procedure"]
        evidence = read_results(options["results"], area=area, procedure=procedure, subject=host)
        answer = {
            "changed": False, "run": run_id(), "counts": evidence.counts, "status": evidence.status,
            "summary": f"{area}.{procedure}: {evidence.summary}",
        }
        if self._task.check_mode:
            return answer

        place = ledger_of(self._templar, task_vars)
        record = {
            "run": answer["run"], "at": format_instant(SystemClock().now()), "host": host, "area": area,
            "procedure": procedure, "system": place.system, "status": evidence.status,
            "environment": place.environment, "changed": evidence.changed,
            "body": json.loads(json.dumps(evidence.values, default=str)),
        }
        try:
            ledger = Ledger(place.url)
            if options["keep_earlier"] and any(
                    (earlier["host"], earlier["area"], earlier["procedure"]) == (host, area, procedure)
                    for earlier in ledger.records(answer["run"])):
                return answer
            answer["digest"] = ledger.append(record, [finding.as_dict() for finding in evidence.findings])
        except OpsError as error:
            return {**answer, "failed": True, "msg": str(error), **error.as_dict()}
        return answer
