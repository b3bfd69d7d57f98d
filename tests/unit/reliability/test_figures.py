# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of docs/reliability.md: what a run counted takes the place of what an earlier one did, the rest stays."""

from __future__ import annotations

from tests.integration.reliability.figures import Figure, rendered

PAGE = "# Title\n\n<!-- table -->\n"


def table(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| promise")]


def test_figures_are_put_in_once_and_grouped_by_promise():
    page = rendered(PAGE, [Figure("a", "one", "1"), Figure("b", "one", "2"), Figure("a", "two", "3 | 4")], "2026-01-15")
    assert page.startswith("# Title\n\n<!-- table -->\n\n| promise |")
    assert [line.split(" | ")[:3] for line in table(page)] == [["| a", "one", "1"], ["| a", "two", "3 / 4"], ["| b", "one", "2"]]


def test_what_was_not_counted_again_stays():
    first = rendered(PAGE, [Figure("a", "one", "1"), Figure("b", "one", "2")], "2026-01-15")
    second = rendered(first, [Figure("b", "one", "5")], "2026-02-15")
    assert table(second)[0] == table(first)[0] and "| 5 |" in table(second)[1] and "2026-02-15" in table(second)[1]
    assert rendered(second, [], "2026-03-15") == second
