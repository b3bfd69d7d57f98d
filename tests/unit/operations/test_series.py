# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines over the runs: what could not be told is a gap, and nothing is made up in between."""

from __future__ import annotations

from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import parse_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.operations.series import build_series, verdict_series, with_silences
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operations import days


def health(hours: float, *rows: dict, on: str = "a") -> dict:
    return days.record("health", "check", [], [{"services": list(rows)}] if rows else [], on=on, at=days.instant(hours))


def row(service: str, p95: float | None, **more: object) -> dict:
    return {"service": service, "p50_ms": p95 and p95 / 2, "p95_ms": p95, "availability": 100.0, "status": "pass", **more}


def values(entry: dict, line: str = "P95") -> list:
    return [value for _at, value in entry["lines"][line]]


def latency(*records: dict, findings: tuple = ()) -> list[dict]:
    return build_series(records, findings)["latency"]


def test_a_run_that_could_not_tell_or_failed_as_a_whole_leaves_a_gap():
    [entry] = latency(health(4, row("api", 10.0)), health(3, row("api", None)), health(2), health(1, row("api", 12.0)))
    assert values(entry) == [10.0, None, None, 12.0]
    assert (entry["runs"], entry["unknown"], entry["last"], entry["least"], entry["most"]) == (4, 2, 12.0, 10.0, 12.0)


def test_a_service_that_a_run_left_out_has_a_gap_there_and_one_that_is_asked_no_more_is_not_plotted():
    found = latency(health(3, row("api", 1.0), row("old", 1.0)), health(2, row("old", 2.0)), health(1, row("api", 3.0)))
    assert [(entry["subject"], values(entry)) for entry in found] == [("api", [1.0, None, 3.0])]


def test_what_only_one_run_has_seen_is_no_line():
    assert latency(health(1, row("api", 1.0))) == []
    assert latency(health(2, row("api", None)), health(1, row("api", 1.0))) == []


def test_the_same_service_seen_from_two_hosts_is_two_lines():
    found = latency(*(health(hour, row("api", 1.0 + hour), on=host) for hour in (2, 1) for host in ("a", "b")))
    assert [(entry["subject"], entry["on"], values(entry)) for entry in found] == [
        ("api", "a", [3.0, 2.0]), ("api", "b", [3.0, 2.0])]


def test_a_silence_of_several_usual_distances_is_a_gap():
    [entry] = latency(*(health(hour, row("api", float(hour))) for hour in (30, 29, 28, 27, 3, 2, 1)))
    assert values(entry) == [30.0, 29.0, 28.0, 27.0, None, 3.0, 2.0, 1.0]


def test_what_misses_its_limit_comes_first_and_what_is_unknown_now():
    findings = [days.finding("fail", "health.latency", "slow", limit=5.0) | {"host": "a"},
                days.finding("pass", "health.latency", "good", limit=5.0) | {"host": "a"}]
    runs = [health(hour, row("good", 1.0), row("dark", None if hour == 1 else 1.0), row("slow", 9.0)) for hour in (3, 2, 1)]
    found = latency(*runs, findings=tuple(findings))
    assert [(entry["subject"], entry["limit"]) for entry in found] == [("dark", None), ("slow", 5.0), ("good", 5.0)]


def test_the_age_of_the_newest_copy_is_counted_to_its_run():
    runs = [days.record("backups", "create", [], [{"backups": [days.copy(day, 30), days.copy(day, 3)]}], at=days.instant(24 * day))
            for day in (2, 1)]
    [entry] = build_series(runs, [])["backup_age"]
    assert values(entry, "age") == [3 * 3600.0, 3 * 3600.0]


def test_budgets_are_those_of_the_objectives_own_windows():
    found = build_series(days.earlier(), [])["budget"]
    assert [entry["subject"] for entry in found] == ["api: availability"]


def certificates(hours: float, **left: float) -> dict:
    rows = [{"source": name, "days_left": days_left} for name, days_left in left.items()]
    return days.record("certificates", "check", [], [{"certificates": rows}], on="a", at=days.instant(hours))


def test_a_renewal_is_a_jump_of_the_days_left():
    judged = days.finding("pass", "certificate.expiry", "shop", limit=14) | {"host": "a"}
    [entry] = build_series([certificates(72, shop=9.0), certificates(48, shop=8.0), certificates(24, shop=89.0)], [judged])["days_left"]
    assert (values(entry, "days left"), entry["limit"], entry["last"]) == ([9.0, 8.0, 89.0], 14, 89.0)


def test_a_place_that_cannot_be_reached_now_is_still_followed_and_one_that_is_asked_no_more_is_not():
    runs = [certificates(72, shop=9.0, gone=5.0, web=4.0), certificates(48, shop=8.0, gone=4.0, web=3.0), certificates(24, web=2.0)]
    blind = days.finding("unknown", "certificate.reachable", "shop") | {"host": "a"}
    found = build_series(runs, [blind])["days_left"]
    assert [(entry["subject"], values(entry, "days left")) for entry in found] == [("shop", [9.0, 8.0, None]), ("web", [4.0, 3.0, 2.0])]


def test_of_several_certificates_in_one_place_the_first_to_end_is_followed():
    def both(hours: float, *left: float) -> dict:
        rows = [{"source": "chain.pem", "days_left": one} for one in left]
        return days.record("certificates", "check", [], [{"certificates": rows}], on="a", at=days.instant(hours))

    [entry] = build_series([both(48, 30.0, 900.0), both(24, 899.0, 29.0)], [])["days_left"]
    assert values(entry, "days left") == [30.0, 29.0]


def test_how_fast_a_budget_burns_is_told_by_its_two_longest_windows_and_the_rule_of_the_longest():
    [entry] = build_series(days.earlier(), [
        days.finding("fail", "service_levels.burn_rate", "api: availability 1h/5m", limit=14.4) | {"host": "app-1.example.com"},
        days.finding("fail", "service_levels.burn_rate", "api: availability 3d/6h", limit=1.0) | {"host": "app-1.example.com"}])["burn"]
    assert list(entry["lines"]) == ["3d", "1h"] and (entry["last"], entry["limit"], entry["unit"]) == (2.7, 1.0, "x")


def test_rates_of_windows_that_nobody_can_read_are_no_end_of_a_report():
    rows = [{"service": "api", "measure": "availability", "burn_rates": rates} for rates in ({"odd": 1.0}, None, "text", {})]
    runs = [days.record("service_levels", "check", [], [{"objectives": [row]}], at=days.instant(hours)) for hours in (2, 1) for row in rows]
    assert build_series(runs, [])["burn"] == []


def test_the_verdict_is_plotted_against_the_limit_of_healthy():
    [entry] = verdict_series(days.trends(), 95)
    assert (entry["limit"], entry["at_least"], len(entry["lines"]["good checks"])) == (95, True, 30)
    assert verdict_series(days.trends()[:1], 95) == []


@given(st.lists(st.tuples(st.integers(1, 500), st.one_of(st.none(), st.floats(0, 1e9)))))
def test_gaps_add_no_value_and_lose_none(steps):
    hour, points = 0, []
    for step, value in steps:
        hour += step
        points.append([days.instant(-hour), value])
    found = with_silences(points)
    assert [point for point in found if point in points] == points
    assert all(value is None for at, value in found if [at, value] not in points)
    times = [parse_instant(at) for at, _value in found]
    assert times == sorted(times)
