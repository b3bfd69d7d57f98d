# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a run from the ledger and writes its report as HTML, PDF and JSON, on the controller."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from ansible import constants as C
from ansible.release import __version__ as core_version
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import paged
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.rendering import render
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.run import collection_version, run_by, run_id
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant, parse_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import NotFound
from ansible_collections.evenkeel.ops.plugins.module_utils.core.files import private_folder, write_atomically
from ansible_collections.evenkeel.ops.plugins.module_utils.core.finding import Finding, Status
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import format_size, parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.page import lay_out
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.report import (
    build_report,
    console_summary,
    span_of,
    verdict_finding,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.series import PROCEDURES
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.verdict import VerdictPolicy
from ansible_collections.evenkeel.ops.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    """See plugins/modules/report.py for its documentation."""

    OPTIONS = own(
        folder={"type": "path", "required": True},
        verdict={"type": "dict", "default": {}, "options": {"healthy": {"type": "float"}, "degraded": {"type": "float"}}},
        trend={"type": "int", "default": 30},
        history={"type": "str", "default": "30d"},
        formats={"type": "list", "elements": "str", "choices": ["html", "pdf"], "default": ["html"]},
        pdf_rows={"type": "int", "default": 200},
        run={"type": "str"},
        template={"type": "str", "default": "report.html.j2"},
    )

    def answer(self, request):
        """Write the report, show its summary, and answer with verdict and paths."""
        policy = VerdictPolicy(**{key: value for key, value in request["verdict"].items() if value is not None})
        span, most = parse_duration(request["history"], option="history"), request.count("pdf_rows")
        if request.check_mode:
            return Outcome(values={"skipped": True, "msg": "In check mode nothing is recorded, so there is no run to report on"})
        ledger, place = request.ledger, request.place
        where = {"system": place.system, "environment": place.environment}
        run, records = self._records(ledger, where, request["run"])
        began, ended = span_of(records)
        report = build_report(
            records, policy=policy, generated_at=format_instant(request.clock.now()),
            trends=ledger.trend(**where, before=run, limit=request["trend"], until=ended),
            earlier=ledger.newest_records(**where, before=began, besides=run),
            history=ledger.bodies(**where, procedures=PROCEDURES, until=ended,
                                  since=format_instant(parse_instant(ended) - timedelta(seconds=span))))
        report["evidence"] = {"records": ledger.verify_chain(), "digest": records[-1]["digest"], "ledger": place.shown}
        report["written"] = {"by": run_by(place.person), "versions": {"evenkeel.ops": collection_version(), "ansible-core": core_version}}
        findings = [verdict_finding(report, policy)]
        paths, failure = self._write(report, policy, request, run, most)
        if failure:
            findings.append(Finding("operations.pdf", f"{report['system']}/{report['environment']}", Status.FAIL,
                                    f"the report is not there as PDF: {failure.message}", hint=failure.hint))
        sizes = ", ".join(f"{path.suffix[1:].upper()} {format_size(path.stat().st_size)}" for path in paths.values())
        console = [*console_summary(report), ("", ""), (sizes, "")]
        console += [(f"pdf:    not written: {failure}", "fail")] if failure else []
        console += [(f"{word + ':':<8}{path}", "") for word, path in paths.items()]
        if "evenkeel.ops.findings" not in C.CALLBACKS_ENABLED:  # else it shows them as the very last thing of the run
            for line, _status in console:
                self._display.display(line)
        return Outcome(changed=True, findings=findings, summary=sizes, values={
            "html": None, "pdf": None, **{path.suffix[1:]: str(path) for path in paths.values()}, "verdict": report["verdict"],
            "trend": report["trend"], "console": [list(pair) for pair in console]})

    @staticmethod
    def _records(ledger, where, asked):
        """The run that is asked for, or this one, or the newest, with its records."""
        run = asked or run_id()
        records = ledger.records(run, **where)
        if not records and not asked:
            newest = ledger.newest_run(**where)
            if newest is None:
                raise NotFound(f"The ledger has no run of {where['system']}/{where['environment']} to report on",
                               hint="Run a procedure first, such as evenkeel.ops.operations.daily")
            run, records = newest, ledger.records(newest, **where)
        if not records:
            raise NotFound(f"The ledger has no run {run} of {where['system']}/{where['environment']}",
                           hint="Leave run out to report on the newest one")
        return run, records

    def _write(self, report, policy, request, run, most):
        """The files that were written, by what the console calls them, and why there is no PDF where one is wanted."""
        folder = private_folder(Path(request["folder"]).expanduser())
        stem = f"{report['system']}-{report['environment']}-{run}".replace("/", "_")
        html, paper, data = (folder / f"{stem}.{suffix}" for suffix in ("html", "pdf", "json"))
        failure = paged.missing() if "pdf" in request["formats"] else None
        template = Path(self._find_needle("templates", request["template"]))
        shown = "html" in request["formats"] or failure
        names = [*([html.name] if shown else []), data.name]
        written = {}
        if shown:
            write_atomically(html, render(template, report, lay_out(report, policy, names)).encode("utf-8"))
            written["report"] = html
        if "pdf" in request["formats"] and not failure:
            sheets = render(template, report, lay_out(report, policy, names, paper=most), paged=True)
            write_atomically(paper, paged.pdf(sheets))
            written["pdf"] = paper
        write_atomically(data, json.dumps(report, indent=2, ensure_ascii=False, default=str).encode("utf-8", "replace"))
        return {**written, "data": data}, failure
