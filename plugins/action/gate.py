# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends a procedure with a failure where its findings are of a status that the policy does not let through."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.evidence import read_results
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.verdict import stopped_by


class ActionModule(ActionBase):
    """See plugins/modules/gate.py for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Pass, or fail with the findings that stopped it."""
        super().run(tmp, task_vars)
        _given, options = self.validate_argument_spec({
            "results": {"type": "raw", "required": True},
            "fail_on": {"type": "list", "elements": "str", "default": ["fail", "unknown"]},
        })
        evidence = read_results(options["results"], area="gate", procedure="results", subject=task_vars["inventory_hostname"])
        try:
            stopped = stopped_by(evidence.findings, options["fail_on"])
        except OpsError as error:
            return {"failed": True, "msg": str(error), **error.as_dict()}
        if not stopped:
            return {"changed": False, "summary": evidence.summary}
        lines = [f"{finding.status.value}: {finding.subject}: {finding.message}"
                 + (f" -> {finding.hint}" if finding.hint else "") for finding in stopped]
        return {
            "failed": True, "gated": True, "changed": False, "summary": evidence.summary,
            "stopped": [finding.as_dict() for finding in stopped],
            "msg": f"The gate is closed ({evidence.summary})\n" + "\n".join(lines[:20])
                   + (f"\nand {len(lines) - 20} more" if len(lines) > 20 else ""),
        }
