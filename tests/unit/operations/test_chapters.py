# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the chapters show: nothing that was recorded is left out, nothing unknown looks known."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.operations.chapters import build_chapters
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.gathering import SOURCES
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.report import build_report
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.tables import KINDS, Bar, Table
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.verdict import VerdictPolicy

from tests.unit.operations import days

# In the report's data for who reads it there; a chapter shows what was judged of them.
DATA_ONLY = {"targets", "databases", "logs"}


def built(*records: dict) -> dict[str, Any]:
    report = build_report(records, policy=VerdictPolicy(), generated_at=days.instant(0))
    return {chapter.name: chapter for chapter in build_chapters(report)}


def shown(chapter: Any, title: str) -> dict[str, list[Any]]:
    """The rows of a table by their first cell, each as title -> value."""
    [found] = [table for table in chapter.tables if table.title == title]
    return {first(row[0]): dict(zip([column.title for column in found.columns], row, strict=True)) for row in found.rows}


def first(cell: Any) -> Any:
    return cell[0] if isinstance(cell, tuple) else cell


def test_an_ordinary_day_has_a_chapter_for_each_part_in_the_order_they_are_read():
    assert list(built(*days.ordinary())) == [
        "health", "service_levels", "monitoring", "logs", "backups", "databases", "maintenance", "certificates", "capacity"]


def test_every_list_of_the_report_is_shown_by_a_chapter():
    class Asked(dict):
        asked: set[str] = set()

        def __getitem__(self, key: str) -> Any:
            self.asked.add(key)
            return super().__getitem__(key)

    report = Asked(build_report(days.ordinary(), policy=VerdictPolicy(), generated_at=days.instant(0)))
    build_chapters(report)
    assert set(SOURCES) - DATA_ONLY <= Asked.asked


def test_each_table_has_cells_of_kinds_that_the_page_can_show():
    for chapter in built(*days.ordinary()).values():
        for table in chapter.tables:
            assert isinstance(table, Table) and {column.kind for column in table.columns} <= set(KINDS)
            assert all(len(row) == len(table.columns) for row in table.rows)


def test_a_failure_is_shown_where_it_begins_with_what_follows_it():
    [(root, row)] = shown(built(*days.ordinary())["health"], "Where it begins").items()
    assert (root, row["follow it"], row["is"]) == ("orders-db", "billing, search", "fail")
    without = days.record("health", "check", [], [{"targets": [row for row in days.layers() if "follows" not in row]}])
    assert "health" not in built(without), "what has no followers is in the list of what needs attention"


def test_a_watch_says_how_it_ended_and_what_was_unsteady():
    chapter = built(*days.ordinary())["health"]
    [watched] = shown(chapter, "Watched").values()
    assert (watched["for"], watched["of"], watched["rounds"], watched["bad samples"]) == (300.0, 900.0, "11 of 31", "6 of 80")
    assert list(shown(chapter, "While it was watched")) == ["search"]


def test_what_changed_is_told_and_what_did_not_is_not():
    rows = shown(built(*days.ordinary())["health"], "What changed")
    assert {name: row["news"] for name, row in rows.items()} == {"search": "fails, flaps", "old-api": "is not asked any more"}


def test_new_classes_of_a_log_come_first_and_a_slow_trace_says_where_its_time_went():
    chapter = built(*days.ordinary())["logs"]
    assert [(form, row["since yesterday"], row["marked"]) for form, row in shown(chapter, "Classes").items()] == [
        ("login refused for <name>", "new", "SECURITY"), ("cannot reach <address>", "", "")]
    [slow] = shown(chapter, "Slowest traces").values()
    assert (slow["took"], slow["most of it in"]) == (3.2, "database SELECT orders, 2.7s")


def test_compliance_is_told_by_period_with_the_minutes_that_are_left():
    [table] = [table for table in built(*days.ordinary())["service_levels"].tables if table.title == "Compliance"]
    titles = [column.title for column in table.columns]
    assert [(row[titles.index("period")], row[titles.index("minutes left")]) for row in table.rows] == [
        ("weekly", "-1.92 of 10.08"), ("monthly", "31.2 of 43.2"), ("quarterly", "119.04 of 131.04")]


def test_an_objective_that_is_not_known_says_so_and_why():
    row = shown(built(*days.ordinary())["service_levels"], "Objectives")["search: availability"]
    assert row["achieved"] == ("not known", "the data is stale: it ends before now (the newest is 3h old)")
    assert row["error budget left"] == Bar(None, "unknown", "not known")
    assert row["minutes left"] == "not known of 216"


def test_an_outage_is_told_with_mttr_and_mtbf():
    rows = shown(built(*days.ordinary())["service_levels"], "Outages")
    assert (rows["api"]["MTTR"], rows["api"]["MTBF"], rows["web"]["MTTR"]) == (1260, 1296000, None)


def test_would_we_notice_is_no_where_one_check_says_no():
    chapter = built(*days.ordinary())["monitoring"]
    answers = shown(chapter, "Would we notice?")
    assert (answers["Targets are scraped"]["is"], answers["Targets are scraped"]["holds"], answers["Targets are scraped"]["does not"]) == (
        "fail", 1, 1)
    assert answers["Alerts reach somebody"]["is"] == "pass"
    canaries = shown(chapter, "Test alerts")
    assert (canaries["severity=critical"]["is"], canaries["severity=critical"]["took"]) == ("pass", 6.2)
    assert canaries["severity=warning"]["is"] == "unknown"


def test_an_alert_that_flaps_is_marked():
    [row] = shown(built(*days.ordinary())["monitoring"], "Alerts that fired").values()
    assert (row["noted"], row["times"], row["now"]) == ("flaps", 7, "firing")


def test_a_certificate_is_measured_against_its_own_limit():
    rows = shown(built(*days.ordinary())["certificates"], "")
    assert rows["old.example.com"]["days left"] == Bar(100 * -3.1 / 365, "fail", "-3 d", 100 * 14 / 365)
    assert rows["shop.example.com"]["days left"].mark is None  # the check said nothing of a limit


def test_debt_is_not_told_twice():
    titles = [table.title for table in built(*days.ordinary())["maintenance"].tables]
    assert "Debt" in titles and "Was due and was not done" not in titles


def test_full_disks_are_told_with_their_limit():
    [table] = built(*days.ordinary())["capacity"].tables
    assert [row[-1] for row in table.rows if row[1] == "/var"] == [Bar(82.0, "warn", "82%", 80)]


def test_a_host_is_named_where_a_table_has_several():
    one = days.record("health", "check", [], [{"services": days.services(0, ["api"])}])
    two = days.record("health", "check", [], [{"services": days.services(0, ["api"])}], on="b")
    assert [row[0][1] for row in built(one)["health"].tables[0].rows] == [""]
    assert sorted(row[0][1] for row in built(one, two)["health"].tables[0].rows) == ["app-1.example.com", "b"]


def test_what_a_newer_module_leaves_out_or_calls_otherwise_is_no_error():
    for name, source in SOURCES.items():
        for value in ([{}], [None, "text", 3], "text", {"unexpected": [1]}):
            record = days.record(source.area or "health", "check", [], [{source.key or "open": value, "remaining_seconds": 0}])
            assert isinstance(built(record), dict), name
