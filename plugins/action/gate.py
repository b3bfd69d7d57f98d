# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends a procedure with a failure where its findings are of a status that the policy does not let through."""

from __future__ import annotations

from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.evidence import read_results
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.verdict import stopped_by
from ansible_collections.evenkeel.ops.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    """See plugins/modules/gate.py for its documentation."""

    OPTIONS = own(
        results={"type": "raw", "required": True},
        fail_on={"type": "list", "elements": "str", "default": ["fail", "unknown"]},
    )

    def answer(self, request):
        """Pass, or fail with the findings that stopped it."""
        evidence = read_results(request["results"], area="gate", procedure="results", subject=request.host)
        stopped = stopped_by(evidence.findings, request["fail_on"])
        if not stopped:
            return Outcome(summary=evidence.summary)
        lines = [f"{finding.status.value}: {finding.subject}: {finding.message}"
                 + (f" -> {finding.hint}" if finding.hint else "") for finding in stopped]
        return Outcome(summary=evidence.summary, values={
            "failed": True, "gated": True,
            "stopped": [finding.as_dict() for finding in stopped],
            "msg": f"The gate is closed ({evidence.summary})\n" + "\n".join(lines[:20])
                   + (f"\nand {len(lines) - 20} more" if len(lines) > 20 else ""),
        })
