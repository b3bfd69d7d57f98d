# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a run from the ledger and writes its report as HTML and JSON, on the controller."""

from __future__ import annotations

import json
from pathlib import Path

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger, ledger_of
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.rendering import render
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.run import run_id
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock, format_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import NotFound, OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.files import private_folder, write_atomically
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.report import build_report, console_summary, verdict_finding
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.verdict import VerdictPolicy


class ActionModule(ActionBase):
    """See plugins/modules/report.py for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Write the report, show its summary, and answer with verdict and paths."""
        super().run(tmp, task_vars)
        _given, options = self.validate_argument_spec({
            "folder": {"type": "path", "required": True},
            "verdict": {"type": "dict", "default": {}},
            "trend": {"type": "int", "default": 30},
            "run": {"type": "str"},
            "template": {"type": "str", "default": "report.html.j2"},
        })
        try:
            return self._report(options, ledger_of(self._templar, task_vars))
        except OpsError as error:
            return {"failed": True, "msg": str(error), **error.as_dict()}

    def _report(self, options, place):
        policy = VerdictPolicy(**{key: float(value) for key, value in options["verdict"].items()})
        if self._task.check_mode:
            return {"changed": False, "skipped": True,
                    "msg": "In check mode nothing is recorded, so there is no run to report on"}
        ledger = Ledger(place.url)
        run = options["run"] or run_id()
        records = ledger.records(run)
        if not records and not options["run"]:
            newest = ledger.newest_run(system=place.system, environment=place.environment)
            if newest is None:
                raise NotFound(f"The ledger has no run of {place.system}/{place.environment} to report on",
                               hint="Run a procedure first, such as evenkeel.ops.operations.daily")
            run, records = newest, ledger.records(newest)
        if not records:
            raise NotFound(f"The ledger has no run {run}", hint="Leave run out to report on the newest one")
        trends = ledger.trend(system=place.system, environment=place.environment, before=run, limit=options["trend"])
        now = format_instant(SystemClock().now())
        report = build_report(records, policy=policy, generated_at=now, trends=trends)
        report["evidence"] = {"records": ledger.verify_chain(), "digest": records[-1]["digest"], "ledger": place.shown}
        folder = private_folder(Path(options["folder"]).expanduser())
        stem = f"{report['system']}-{report['environment']}-{run}".replace("/", "_")
        html, data = folder / f"{stem}.html", folder / f"{stem}.json"
        template = Path(self._find_needle("templates", options["template"])).read_text(encoding="utf-8")
        page = render(template, report, {"policy": policy, "json_name": data.name})
        write_atomically(data, json.dumps(report, indent=2, ensure_ascii=False, default=str).encode("utf-8", "replace"))
        write_atomically(html, page.encode("utf-8", "replace"))
        console = [*console_summary(report), ("", ""), (f"report: {html}", ""), (f"data:   {data}", "")]
        if "evenkeel.ops.findings" not in C.CALLBACKS_ENABLED:  # else it shows them as the very last thing of the run
            for line, _status in console:
                self._display.display(line)
        return {
            "changed": True, "html": str(html), "json": str(data), "verdict": report["verdict"], "trend": report["trend"],
            "console": [list(pair) for pair in console],
            "findings": [verdict_finding(report, policy).as_dict()], "summary": "",
        }
