# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what a procedure found and did into the ledger, on the controller."""

from __future__ import annotations

import json

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.run import run_by, run_id
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.evidence import read_results
from ansible_collections.evenkeel.ops.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    """See plugins/modules/record.py for its documentation."""

    OPTIONS = own(
        area={"type": "str", "required": True},
        procedure={"type": "str", "required": True},
        results={"type": "raw", "required": True},
        keep_earlier={"type": "bool", "default": False},
    )

    def answer(self, request):
        """Record, unless this is check mode; the answer carries the findings either way."""
        area, procedure, host = request["area"], request["procedure"], request.host
        evidence = read_results(request["results"], area=area, procedure=procedure, subject=host)
        values = {"run": run_id(), "counts": evidence.counts, "status": evidence.status}
        answer = Outcome(summary=f"{area}.{procedure}: {evidence.summary}", values=values)
        if request.check_mode:
            return answer
        record = {
            "run": values["run"], "at": format_instant(request.clock.now()), "host": host, "area": area,
            "procedure": procedure, "system": request.place.system, "status": evidence.status,
            "environment": request.place.environment, "changed": evidence.changed,
            "body": json.loads(json.dumps(evidence.values, default=str)), "recorded_by": run_by(request.place.person),
        }
        try:
            if request["keep_earlier"] and any(
                    (earlier["host"], earlier["area"], earlier["procedure"]) == (host, area, procedure)
                    for earlier in request.ledger.records(values["run"], system=record["system"], environment=record["environment"])):
                return answer
            values["digest"] = request.ledger.append(record, [finding.as_dict() for finding in evidence.findings])
        except OpsError as error:  # what could not be recorded is told all the same
            values |= error.as_result()
        return answer
