# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the template is given beside the report: for a screen all of it, for paper what a reader needs and where the rest is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.finding import Status
from .chapters import build_chapters
from .report import changes_told
from .tables import MEANING, Bar, Row, Table, column, minute, table
from .verdict import VerdictPolicy

Report = Mapping[str, Any]


@dataclass(frozen=True)
class Excerpt:
    """The first rows of a list; ``left`` says how many there are and where the rest is, and is empty where this is all."""

    rows: Sequence[Row]
    left: str = ""


def lay_out(report: Report, policy: VerdictPolicy, names: Sequence[str], *, paper: int | None = None) -> dict[str, Any]:
    """Values of the template: ``policy``, ``attention`` and ``chapters``, ``checks`` (a table of what was judged, against which limits),
    ``about`` (terms with what is said of them, for who has to rely on this), ``changed``, ``meaning``, ``most`` (``paper``).

    ``names`` are the files that have everything, ``paper`` the most rows that a list has on paper; None is a screen.
    """
    chapters, rest = build_chapters(report), " and ".join(names)
    attention = Excerpt(report["attention"])
    if paper is not None:
        chapters = [replace(one, tables=[on_paper(each, paper, rest) for each in one.tables]) for one in chapters]
        attention = excerpt(report["attention"], paper, rest)
    [checks] = table(
        "", _by_check(report), column("check", "name", "check"), column("limit", "range", _limits),
        *(column(status, "count", status) for status in ("pass", "warn", "unknown", "fail")), most=1000) or [None]
    return {"policy": policy, "chapters": chapters, "attention": attention, "checks": checks, "about": about(report, policy, names),
            "changed": changes_told(report["changes"]), "meaning": MEANING, "most": paper, "rest": rest}


def excerpt(rows: Sequence[Row], most: int, rest: str) -> Excerpt:
    """The worst ``most`` rows in their order, each area with as many of a status as the others as far as it has them."""
    if len(rows) <= most:
        return Excerpt(rows)
    so_far: Counter[tuple[str, str]] = Counter()
    turns = []
    for place, row in enumerate(rows):
        turns.append((-Status(row["status"]).rank, so_far[row["status"], row["area"]], place))
        so_far[row["status"], row["area"]] += 1
    kept = sorted(place for _rank, _turn, place in sorted(turns)[:most])
    return Excerpt([rows[place] for place in kept], f"{most} of {len(rows)} are shown, the worst of each area; all are in {rest}.")


def on_paper(one: Table, most: int, rest: str) -> Table:
    """The same with at most ``most`` rows. As many as the page shows unfolded stay, then all that do not pass, as long as there is room."""
    places = range(len(one.rows))
    amiss = [place for place in places if _status(one, place) is not Status.PASS]
    kept = set(amiss[:most])
    for place in places:
        if len(kept) >= min(one.most, most):
            break
        kept.add(place)
    if len(kept) == len(one.rows):
        return replace(one, most=len(kept))
    hidden = len(amiss) - len(kept.intersection(amiss))
    others = f"{hidden} of the others do not pass or are not judged" if hidden else "the others pass"
    return replace(one, rows=[one.rows[place] for place in sorted(kept)], most=len(kept),
                   left=f"{len(kept)} of {len(one.rows)} are shown, {others}; all are in {rest}.")


def _status(one: Table, place: int) -> Status | None:
    """The worst that the cells of a row say; None where none of them is a status."""
    cells = list(zip(one.columns, one.rows[place], strict=True))
    words = [cell.status if isinstance(cell, Bar) else cell for column, cell in cells if column.kind == "status" or isinstance(cell, Bar)]
    return max((Status(MEANING.get(word, "unknown")) for word in words), key=lambda status: status.rank, default=None)


def _by_check(report: Report) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for area in report["areas"]:
        for row in sorted(area["findings"], key=lambda row: row["check"]):
            entry = found.setdefault((area["area"], row["check"]), {
                "check": row["check"], "limits": [], "unit": row.get("unit") or "", **dict.fromkeys(Status, 0)})
            entry[row["status"]] += 1
            if row.get("limit") is not None and not isinstance(row["limit"], Mapping):
                entry["limits"].append(row["limit"])
    return list(found.values())


def _limits(row: Row) -> tuple[Any, Any, str] | None:
    """The least and the most that findings of a check were held against: each may have a policy of its own."""
    numbers = [limit for limit in row["limits"] if isinstance(limit, (int, float)) and not isinstance(limit, bool)]
    if numbers:
        return min(numbers), max(numbers), row["unit"]
    words = sorted({", ".join(map(str, limit)) if isinstance(limit, (list, tuple)) else str(limit) for limit in row["limits"]})
    return (words[0], words[-1], row["unit"]) if words else None


def about(report: Report, policy: VerdictPolicy, names: Sequence[str]) -> list[tuple[str, str]]:
    """Who, when, by which policy; what nobody looked at and what was let pass: what an auditor asks first."""
    hosts, counts, written = report["on_hosts"], report["counts"], report.get("written") or {}
    span = f"{minute(report['began'])} to {minute(report['ended'])} UTC, {hosts} host{'' if hosts == 1 else 's'}"
    by = f", by {', '.join(report['by'])}" if report["by"] else ""
    other = f" This report was written by {written['by']}." if written.get("by") and report["by"] != [written["by"]] else ""
    tools = ", ".join(f"{name} {version}" for name, version in (written.get("versions") or {}).items() if version)
    evidence = report["evidence"]
    said = [
        ("Run", f"{report['run']}, {span}{by}" if report["run"] else "none"),
        ("Written", f"{minute(report['generated_at'])} UTC{f', with {tools}' if tools else ''}.{other}"),
        ("Policy", f"Healthy begins at {policy.healthy:g}% of good checks, degraded at {policy.degraded:g}%. A warning is within its "
                   "failure limit and counts as good, an unknown never does. The limits are beside the checks."),
        ("Not known", _unknown(counts["unknown"], report["verdict"]["total"], report["absent"])),
        ("Let pass", _let_pass(report)),
        ("Evidence", f"{evidence['records']} records are in the ledger{_at(evidence['ledger'])}, the chain of digests is unbroken. "
                     f"The last of this run is {evidence['digest']}."),
        ("Data", f"All of this as values: {names[-1]}"),
    ]
    return [(term, text) for term, text in said if text]


def _at(ledger: str) -> str:
    return f" {ledger}" if ledger else ""


def _unknown(number: int, total: int, absent: Sequence[str]) -> str:
    said = f"{number} check{' was' if number == 1 else 's were'} not able to look." if number else \
        "Every check was able to look." if total else "Nothing was checked."
    names = ", ".join(area.replace("_", " ") for area in absent)
    return f"{said} Not part of this run, so nothing is said of it: {names}." if names else said


def _let_pass(report: Report) -> str:
    """What is not as it should be and stops nobody: warnings, silences, decisions of people."""
    silenced, decided = sum(bool(row.get("silenced")) for row in report["alerts"]), len(report["approvals"]) + len(report["approved"])
    counted = ((report["counts"]["warn"], "warning", "warnings"), (silenced, "silenced alert", "silenced alerts"),
               (decided, "decision on a change", "decisions on changes"))
    return ", ".join(f"{number} {one if number == 1 else many}" for number, one, many in counted if number) or "Nothing."
