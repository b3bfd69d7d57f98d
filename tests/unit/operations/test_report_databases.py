# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases' part of the page: growth, pools, regressions, logs and baselines, with hostile names and with gaps."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.rendering import render
from ansible_collections.evenkeel.ops.plugins.module_utils.databases.log_review import Tally
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.page import lay_out
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.report import build_report
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.verdict import VerdictPolicy

from tests.conftest import ROOT

HOSTILE = 'a<b>"x"'
BODY = [
    {"growth": [{"target": HOSTILE, "bytes": 2 ** 30, "bytes_per_day": None, "capacity": None, "days_left": None, "relations": []},
                {"target": "shop", "bytes": 2 ** 30, "bytes_per_day": 2 ** 20, "capacity": 2 ** 31, "days_left": 12.5,
                 "relations": [{"relation": "public.orders", "bytes": 1, "bytes_per_day": 2 ** 20}]}],
     "regressions": [{"target": "shop", "queryid": "42", "statement": f"SELECT {HOSTILE}", "calls": 5, "before_ms": None, "after_ms": 12.5,
                      "plan_before": None, "plan_after": {"shape": "Seq Scan on t", "cost": 900.0, "digest": "x"}, "replanned": False}]},
    {"pooler": {"name": "front", "version": "1", "clients": {"error": "no"}, "databases": [], "pools": [
        {"database": "shop", "user": "app", "mode": "transaction", "active": 7, "waiting": 3, "waited": 1.5,
         "servers": {"active": 5, "idle": 1}}]}},
    {"pooler": {"name": "hidden", "pools": {"error": "not allowed", "hint": ""}}},
    {"log": {"name": "main", "files": 1, "bytes": 1, "lines": 1, "unread": 0, "left": 0, **Tally().values()}},
    {"baselines": [{"target": "shop", "before": "2026-Q1", "after": "2026-Q2", "runs_before": 1, "runs_after": 1, "figures": [
        {"name": "query_mean", "unit": "ms", "before": 5.0, "after": None, "change_percent": None}]}]}]


@pytest.fixture
def page():
    record = {"run": "r", "system": "s", "environment": "e", "at": "2026-07-01T00:00:00.000Z", "host": "db1", "area": "databases",
              "procedure": "inspect", "findings": [], "body": BODY}
    policy = VerdictPolicy()
    report = build_report([record], policy=policy, generated_at="2026-07-01T00:00:00.000Z")
    report["evidence"] = {"records": 1, "digest": "d", "ledger": ""}
    template = ROOT / "roles" / "operations" / "templates" / "report.html.j2"
    return render(template, report, lay_out(report, policy, ["r.json"]))


def test_everything_is_shown_and_nothing_is_markup(page):
    for words in ("public.orders", "not known yet", "shop as app", "Seq Scan on t", "2026-Q2", "query mean", "12.5", "front"):
        assert words in page, words
    assert HOSTILE not in page and "a&lt;b&gt;" in page
