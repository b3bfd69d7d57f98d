# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of three days as files: an ordinary one, one with very much, one with nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.rendering import render
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.page import lay_out
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.report import build_report
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.verdict import VerdictPolicy

from tests.conftest import ROOT
from tests.unit.operations import days

TEMPLATE = ROOT / "roles/operations/templates/report.html.j2"
DAYS = {
    "ordinary": lambda: (days.ordinary(), days.earlier(), days.trends()),
    "enormous": lambda: (days.enormous(), days.earlier(names=list(days.HOSTILE)), days.trends()),
    "terrible": lambda: (days.terrible(), days.earlier(), days.trends()),
    "many": lambda: ([days.record("health", "check", [days.finding("fail" if number % 3 else "pass", "health.probe", f"api-{number}")
                                                      for number in range(3000)])], [], []),
    "empty": lambda: ([], [], []),
}


def rendered(name: str, *, paged: bool = False, most: int = 200) -> str:
    """The page of a day; on paper with at most so many rows of a list."""
    records, history, trends = DAYS[name]()
    policy = VerdictPolicy()
    report: dict[str, Any] = build_report(records, policy=policy, generated_at=days.instant(0), trends=trends, history=history,
                                          earlier=days.yesterday() if records else [])
    report["evidence"] = {"records": len(records), "digest": "d" * 64, "ledger": ""}
    report["written"] = {"by": "lovelace on control-1", "versions": {"evenkeel.ops": "0.1.0", "ansible-core": "2.18.1"}}
    return render(TEMPLATE, report, lay_out(report, policy, [f"{name}.html", f"{name}.json"], paper=most if paged else None), paged=paged)


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Path of each day's page."""
    folder = tmp_path_factory.mktemp("reports")
    found = {}
    for name in DAYS:
        found[name] = folder / f"{name}.html"
        found[name].write_text(rendered(name), encoding="utf-8")
    return found


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a ledger with an ordinary day and the days before."""
    path = tmp_path_factory.mktemp("month") / "ledger.sqlite"
    kept = Ledger(f"sqlite:///{path}")
    for record in [*(record for record in days.earlier() if record["at"] != days.instant(0)), *days.ordinary()]:
        run = record["run"] if record["at"] == days.instant(0) else f"earlier-{record['at']}"
        row = {key: record[key] for key in ("at", "system", "environment", "host", "area", "procedure", "status", "changed", "body")}
        kept.append({**row, "run": run}, record["findings"])
    return path


@pytest.fixture
def ledger(tmp_path: Path, month: Path) -> Path:
    """The folder of a copy of it."""
    shutil.copy(month, tmp_path / "ledger.sqlite")
    return tmp_path
