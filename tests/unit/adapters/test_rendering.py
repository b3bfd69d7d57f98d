# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: everything escaped, nothing fetched, every part there."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.rendering import figure, render
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.page import lay_out
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.report import build_report
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.verdict import VerdictPolicy

from tests.conftest import ROOT
from tests.unit.operations import days
from tests.unit.operations.test_report import NOW, backup, finding, record

TEMPLATE = ROOT / "roles/operations/templates/report.html.j2"
HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}\n"


def page(*records, trends=(), history=(), paged=False):
    report = build_report(records, policy=VerdictPolicy(), generated_at=NOW, trends=trends, history=history)
    report["evidence"] = {"records": 3, "digest": "d" * 64, "ledger": "sqlite:///l"}
    values = lay_out(report, VerdictPolicy(), ["x.html", "x.json"], paper=200 if paged else None)
    return render(TEMPLATE, report, values, paged=paged)


FULL = (
    record("health", "check", [finding("fail", subject=HOSTILE, hint=HOSTILE)],
           services=[{"service": HOSTILE, "total": 3, "failed": 1, "availability": 66.7, "error_rate": 33.3, "p50_ms": 1.0,
                      "p95_ms": 2.0, "p99_ms": None, "status": "fail"}]),
    record("backups", "create", [finding("pass", "backup.created")], backup=backup(plan=HOSTILE)),
    record("recovery", "drill", [], drill={
        "backup_id": backup()["id"], "plan": HOSTILE, "status": "pass", "rto_seconds": 3.2, "rto_objective_seconds": 14400,
        "rpo_seconds": 60, "rpo_objective_seconds": 900, "tables_compared": 4, "tables_different": [],
        "phases": [{"name": "fetch", "seconds": 1.0}, {"name": HOSTILE, "seconds": 2.0}]}),
    record("recovery", "readiness", [finding("warn", "recovery.readiness", HOSTILE)], readiness=[{
        "plan": HOSTILE, "score": 71.5, "parts": {"backup": 0.9, "drill": 0}, "weakest": "drill", "backup_age_seconds": 3600,
        "verification_age_seconds": 7200, "drill_age_seconds": None, "rto_seconds": None, "key": None, "log_age_seconds": None}]),
    record("backups", "verify", [], coverage=[{
        "plan": HOSTILE, "files": 1200, "bytes": 10**9, "files_read": 1100, "bytes_read": 9 * 10**8, "damaged_files": 2,
        "confidence_percent": 99.306}]),
    record("recovery", "restore", [], restore={
        "backup_id": backup()["id"], "plan": HOSTILE, "engine": "archive", "destination": HOSTILE, "status": "restored", "bytes": 10,
        "cleared": [], "phases": [{"name": "restore", "seconds": 1.5}], "compared": 4, "different": []}),
    record("databases", "maintain", [], relations=[{
        "relation": HOSTILE, "action": "vacuum", "reason": HOSTILE, "seconds": 1.5, "status": "done",
        "before": {"dead_rows": 10, "table_bytes": 2048}, "after": {"dead_rows": 0, "table_bytes": 2048}}],
        not_done=[{"relation": HOSTILE, "reason": HOSTILE}]),
    record("certificates", "check", [], certificates=[{
        "source": HOSTILE, "subject": HOSTILE, "days_left": 5, "not_after": "2026-01-20T00:00:00Z", "key": "RSA 2048", "status": "warn"}]),
    record("capacity", "check", [], host={"cpu_percent": 3.0, "memory_percent": 4.0, "disks": [{"mount": HOSTILE, "used_percent": None}]}),
)


def test_nothing_that_was_observed_becomes_markup():
    html = page(*FULL, trends=({"at": NOW, "share": 50.0, "verdict": HOSTILE},))
    assert "<script" not in html.replace(HOSTILE, "").lower()
    assert "{{ 7*7 }}" in html and "49" not in re.findall(r"&amp;(\d+)", html)


def test_nothing_is_fetched_from_elsewhere():
    class Links(HTMLParser):
        found: list[str] = []

        def handle_starttag(self, tag, attrs):
            self.found += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value and not value.startswith("#")]

    links = Links()
    links.feed(page(*FULL))
    assert links.found == []


def test_every_part_of_a_full_day_is_on_the_page():
    html = page(*FULL, trends=({"at": NOW, "share": 50.0, "verdict": "unhealthy"},))
    for part in ("Needs attention", "Backups and recovery", "Readiness to recover", "What was read again", "Restored",
                 "Restore drills", "Services", "Maintenance",
                 "Was due and was not done", "Certificates", "Capacity", "Trend", "All checks", "chain of digests"):
        assert part in html
    assert html.count("<svg") == 1
    assert "71.5%" in html and "never" in html and "99.306%" in html and "2 of 1200" in html


def test_every_plot_of_an_ordinary_month_is_drawn_and_described():
    html = page(*days.ordinary(), history=days.earlier(), trends=days.trends())
    for title in ("Latency", "Availability", "Error budget left", "Burn rate of the error budget", "Age of the newest copy",
                  "Size of the newest copy", "Size of databases", "Days left", "Space in use", "Good checks"):
        assert re.search(f"<h3>{title}(</h3>| <small>)", html), title
    drawn = html.count("<svg")
    assert drawn == 4 + 4 + 1 + 1 + 1 + 1 + 1 + 5 + 2 + 1
    assert html.count('role="img" aria-label="') == drawn + 1  # and the bar of all checks
    assert html.count("The same in figures") == 10


def test_paper_has_everything_unfolded():
    html = page(*days.ordinary(), history=days.earlier(), trends=days.trends(), paged=True)
    assert html.count("<details open>") == html.count("<details") > 0
    assert "var(--plot-1)" not in html[html.index("<svg"):html.index("</svg>")]


def test_thousands_of_findings_are_a_page_of_few_megabytes():
    html = page(*days.enormous(), history=days.earlier(names=list(days.HOSTILE)), trends=days.trends())
    print(f"\n{sum(len(record['findings']) for record in days.enormous())} findings: {len(html.encode()) / 1e6:.1f} MB")
    assert len(html.encode()) < 8e6
    assert "<script" not in html and "<img" not in html


def test_a_day_without_anything_is_a_page_too():
    html = page()
    assert "Unhealthy" in html and "<svg" not in html


def test_figures_are_written_as_people_read_them():
    assert (figure(None), figure(True), figure(2.50), figure(95, "%"), figure(3, "rows")) == ("–", "yes", "2.5", "95%", "3 rows")
    assert (figure(2048, "bytes"), figure(90, "s"), figure([1, 2])) == ("2.0 KiB", "1m30s", "1, 2")


def test_what_is_said_of_one_thing_has_its_name_once():
    both = record("health", "check", [finding("fail", "health.availability", "shop"), finding("fail", "health.probe", "other"),
                                      finding("fail", "health.error_rate", "shop")])
    shown = page(both).split('id="attention"')[1].split("</section>")[0]
    assert re.findall(r'class="(finding(?: again)?)"', shown) == ["finding", "finding", "finding again"]
    assert shown.count("<bdi>shop</bdi>") == 1 and shown.count('class="figures"') == 3
