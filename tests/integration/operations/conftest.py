# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of three days as files: an ordinary one, one with very much, one with nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.rendering import render
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.chapters import build_chapters
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.report import build_report
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.verdict import VerdictPolicy

from tests.conftest import ROOT
from tests.unit.operations import days

TEMPLATE = ROOT / "roles/operations/templates/report.html.j2"
DAYS = {
    "ordinary": lambda: (days.ordinary(), days.earlier(), days.trends()),
    "enormous": lambda: (days.enormous(), days.earlier(names=list(days.HOSTILE)), days.trends()),
    "empty": lambda: ([], [], []),
}


def rendered(name: str, *, paged: bool = False) -> str:
    """The page of a day."""
    records, history, trends = DAYS[name]()
    policy = VerdictPolicy()
    report: dict[str, Any] = build_report(records, policy=policy, generated_at=days.instant(0), trends=trends, history=history)
    report["evidence"] = {"records": len(records), "digest": "d" * 64, "ledger": ""}
    extra = {"policy": policy, "json_name": f"{name}.json", "chapters": build_chapters(report)}
    return render(TEMPLATE, report, extra, paged=paged)


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Path of each day's page."""
    folder = tmp_path_factory.mktemp("reports")
    found = {}
    for name in DAYS:
        found[name] = folder / f"{name}.html"
        found[name].write_text(rendered(name), encoding="utf-8")
    return found
