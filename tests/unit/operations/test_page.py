# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What paper leaves out is counted and said; what an auditor asks is answered."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.operations.page import excerpt, lay_out, on_paper
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.report import build_report
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.tables import column, table
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.verdict import VerdictPolicy
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operations import days

NAMES = ["r.html", "r.json"]


def laid_out(records: list[dict[str, Any]], *, paper: int | None = None, **more: Any) -> dict[str, Any]:
    report = build_report(records, policy=VerdictPolicy(), generated_at=days.instant(0), **more)
    report["evidence"] = {"records": len(records), "digest": "d" * 64, "ledger": "sqlite:///ledger"}
    report["written"] = {"by": "lovelace on control-1", "versions": {"evenkeel.ops": "0.1.0", "ansible-core": "2.18.1"}}
    return lay_out(report, VerdictPolicy(), NAMES, paper=paper)


def listed(*statuses: str, most: int = 2) -> Any:
    rows = [{"name": f"{index}", "status": status} for index, status in enumerate(statuses)]
    [found] = table("Services", rows, column("service", "name", "name"), column("is", "status", "status"), most=most)
    return found


def test_a_table_keeps_what_does_not_pass_and_counts_the_rest():
    kept = on_paper(listed("fail", "pass", "pass", "weird word", "pass", "created"), 300, "r.json")
    assert [row[1] for row in kept.rows] == ["fail", "weird word", "created"], "a word that nobody knows is no pass"
    assert kept.left == "3 of 6 are shown, the others pass; all are in r.json."


def test_a_table_that_fits_stays_whole():
    one = listed("pass", "pass")
    kept = on_paper(one, 300, "r.json")
    assert (kept.rows, kept.left) == (one.rows, "")


def test_more_failures_than_there_is_room_for_are_never_cut_silently():
    kept = on_paper(listed(*["fail"] * 9, "pass"), 4, "r.html and r.json")
    assert kept.left == "4 of 10 are shown, 5 of the others do not pass or are not judged; all are in r.html and r.json."


def test_rows_without_a_status_are_not_said_to_pass():
    [one] = table("", [{"name": str(index)} for index in range(5)], column("file", "name", "name"), most=3)
    assert on_paper(one, 3, "r.json").left == "3 of 5 are shown, 2 of the others do not pass or are not judged; all are in r.json."


@given(st.lists(st.tuples(st.sampled_from(["fail", "unknown", "warn"]), st.sampled_from("abc")), min_size=1), st.integers(1, 12))
def test_an_excerpt_has_the_worst_and_of_equals_no_area_more_than_another_that_has_more_left(pairs, most):
    order = ("fail", "unknown", "warn")
    rows = [{"status": status, "area": area} for status, area in sorted(pairs, key=lambda pair: (order.index(pair[0]), pair[1]))]
    found = excerpt(rows, most, "r.json")
    kept = [(row["status"], row["area"]) for row in found.rows]
    assert [status for status, _area in kept] == [row["status"] for row in rows][:most] and bool(found.left) == (len(rows) > most)
    for status in order:
        shown = {area: kept.count((status, area)) for area in "abc"}
        for area in (area for area in "abc" if pairs.count((status, area)) > shown[area]):
            assert all(shown[other] <= shown[area] + 1 for other in "abc")


@given(st.lists(st.sampled_from(["pass", "fail", "warn", "unknown", "verified", "odd"]), min_size=1, max_size=40), st.integers(1, 20),
       st.integers(1, 20))
def test_a_failure_is_left_out_only_where_worse_or_earlier_ones_fill_the_room(statuses, most, first):
    one = listed(*statuses, most=first)
    kept = on_paper(one, most, "r.json")
    bad = [status for status in statuses if status not in ("pass", "verified")]
    shown = [row[1] for row in kept.rows if row[1] not in ("pass", "verified")]
    assert shown == bad[:most] and len(kept.rows) <= max(most, len(shown))
    assert bool(kept.left) == (len(kept.rows) < len(statuses)) and kept.most >= len(kept.rows)


def test_paper_has_the_worst_of_thousands_and_says_where_the_others_are():
    page = laid_out(days.enormous(), paper=50)
    total = len(laid_out(days.enormous())["attention"].rows)
    assert [row["status"] for row in page["attention"].rows] == ["fail"] * 50
    assert page["attention"].left == f"50 of {total} are shown, the worst of each area; all are in r.html and r.json."
    assert {row["area"] for row in page["attention"].rows} >= {"backups", "capacity", "certificates", "databases", "health", "monitoring"}
    assert all(len(table.rows) <= 50 for chapter in page["chapters"] for table in chapter.tables)


def test_each_check_is_counted_beside_the_limits_it_was_held_against():
    page = laid_out(days.ordinary())
    rows = {row[0]: row[1:] for row in page["checks"].rows}
    assert rows["health.latency"] == [(120, 200, "ms"), 2, 1, 0, 1]
    assert rows["certificate.expiry"][0] == (14, 14, "days")
    assert sum(sum(row[1:]) for row in rows.values()) == sum(len(record["findings"]) for record in days.ordinary())


def test_different_limits_of_one_check_are_a_range_and_lists_are_told():
    found = [days.finding("pass", "health.latency", "a", limit=100, unit="ms"),
             days.finding("pass", "health.latency", "b", limit=500, unit="ms"),
             days.finding("pass", "certificate.signature", "c", limit=["sha256", "sha384"]),
             days.finding("pass", "health.none", "d", limit=None)]
    rows = {row[0]: row[1] for row in laid_out([days.record("health", "check", found)])["checks"].rows}
    assert rows == {"health.latency": (100, 500, "ms"), "certificate.signature": ("sha256, sha384", "sha256, sha384", ""),
                    "health.none": None}


def test_an_auditor_reads_who_when_by_which_policy_and_what_nobody_looked_at():
    told = dict(laid_out(days.ordinary())["about"])
    assert told["Written"] == ("2026-01-15 12:00 UTC, with evenkeel.ops 0.1.0, ansible-core 2.18.1.")
    assert told["Run"].endswith(", by lovelace on control-1")
    assert "Healthy begins at 95%" in told["Policy"] and "an unknown never does" in told["Policy"]
    assert "not able to look" in told["Not known"] and told["Not known"].endswith("nothing is said of it: housekeeping, continuity.")
    assert told["Let pass"] == "5 warnings"
    assert "d" * 64 in told["Evidence"] and "sqlite:///ledger" in told["Evidence"]


def test_a_run_of_several_people_names_each_and_who_wrote_its_report():
    first, second, *others = days.ordinary()
    told = dict(laid_out([{**first, "recorded_by": "hopper on control-2"}, {**second, "recorded_by": None}, *others])["about"])
    assert told["Run"].endswith(", by hopper on control-2, lovelace on control-1")
    assert told["Written"].endswith("This report was written by lovelace on control-1.")


def test_a_day_without_anything_says_so_and_has_no_table_of_checks():
    page = laid_out([])
    assert page["checks"] is None and page["attention"].rows == []
    assert dict(page["about"])["Not known"].startswith("Nothing was checked. Not part of this run")
