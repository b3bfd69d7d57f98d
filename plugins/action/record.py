# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what a procedure found and did into the ledger, on the controller."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger, default_url
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

        def setting(name, default):
            return self._templar.template(task_vars[name]) if task_vars.get(name) else default

        record = {
            "run": answer["run"], "at": format_instant(SystemClock().now()), "host": host, "area": area,
            "procedure": procedure, "system": setting("evenkeel_system", "unnamed"), "status": evidence.status,
            "environment": setting("evenkeel_environment", "unnamed"), "changed": evidence.changed,
            "body": json.loads(json.dumps(evidence.values, default=str)),
        }
        try:
            answer["digest"] = Ledger(setting("evenkeel_ledger_url", default_url())).append(
                record, [finding.as_dict() for finding in evidence.findings])
        except OpsError as error:
            return {**answer, "failed": True, "msg": str(error), **error.as_dict()}
        return answer


def run_id() -> str:
    """One word for all that one ansible-playbook process does: its start and its process id.

    Task workers are children of that process, so all of them see the same parent. AWX and others may give their own
    in EVENKEEL_RUN_ID.
    """
    given = os.environ.get("EVENKEEL_RUN_ID")
    if given:
        return given
    controller = os.getppid()
    ticks = int(Path(f"/proc/{controller}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19])
    boot = next(int(line.split()[1]) for line in Path("/proc/stat").read_text(encoding="ascii").splitlines()
                if line.startswith("btime"))
    from datetime import datetime, timezone

    began = datetime.fromtimestamp(boot + ticks / os.sysconf("SC_CLK_TCK"), timezone.utc)
    return f"{began:%Y%m%dT%H%M%SZ}-{controller}"
