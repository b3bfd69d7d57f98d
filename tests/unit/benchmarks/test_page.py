# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of docs/performance.md keeps what a run did not measure."""

from __future__ import annotations

from tests.benchmarks.__main__ import line, rendered
from tests.benchmarks.harness import Row, side_by_side


def test_lines_of_an_area_that_ran_are_replaced_and_all_others_stay():
    def one(area: str, ratio: float) -> str:
        return line(area, Row("work", "peer", ratio, 1.1, False, "1 s"), "2026-11-21")

    first = rendered("# Page\n\n<!-- table -->\n", {"health": [one("health", 1.0)], "files": [one("files", 2.0)]})
    again = rendered(first, {"files": [one("files", 1.05)]})
    assert again.startswith("# Page\n") and again.count("| area |") == 1
    assert again.splitlines()[-2:] == [one("files", 1.05), one("health", 1.0)]
    assert "1.05× |" in again and "(missed)" not in again and "(missed)" in first


def test_both_sides_begin_in_turns_each_after_being_prepared():
    order: list[str] = []
    side_by_side(lambda: order.append("ours"), lambda: order.append("theirs"), prepare=lambda: order.append("-"))
    assert order == ["-", "ours", "-", "theirs", "-", "theirs", "-", "ours", "-", "ours", "-", "theirs"]
