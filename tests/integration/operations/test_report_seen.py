# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in a real browser, on a phone and on a desktop, in the light and in the dark. Pictures are kept in .cache/report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.conftest import ROOT, missing
from tests.testbed import browser as browsers

SCREENS = {"phone": (390, 844), "desktop": (1440, 900)}
PICTURES = ROOT / ".cache" / "report"
# Of a page with thousands of findings, as far down as its chapters reach.
DEPTH = {"ordinary": 100_000, "enormous": 12_000, "empty": 100_000, "terrible": 100_000}
SEEN = [*((day, screen, scheme) for day in ("ordinary", "enormous", "empty") for screen in SCREENS for scheme in ("light", "dark")),
        ("terrible", "phone", "light")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = browsers.executable()
    if path is None:
        missing("Chromium")
    with browsers.running(path) as running:
        yield running


@dataclass
class Seen:
    """What was measured on a page, what it wrote to the console and what it asked the network for."""

    look: dict[str, Any]
    console: list[str]
    asked: list[str]
    page: Any


@pytest.fixture(params=SEEN, ids="-".join)
def seen(request: pytest.FixtureRequest, browser: Any, reports: dict[str, Path]) -> Iterator[Seen]:
    """A page as it is shown, everything folded out where that is not too much."""
    day, screen, scheme = request.param
    width, height = SCREENS[screen]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    console: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: console.append(message.text))
    page.on("pageerror", lambda error: console.append(str(error)))
    page.on("request", lambda asking: asked.append(asking.url))
    page.goto(reports[day].as_uri())
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{day}-{screen}-{scheme}.png", full_page=day != "enormous")
    if day != "enormous":
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    look = page.evaluate(browsers.LOOK, DEPTH[day])
    yield Seen(look, console, [url for url in asked if url != reports[day].as_uri()], page)
    context.close()


def test_a_page_fits_its_screen_and_reads_without_its_colors(seen):
    look = seen.look
    assert look["wide"] <= 0, "it scrolls sideways"
    assert look["escaped"] == [] and look["over"] == [], (look["escaped"][:5], look["over"][:5])
    assert (seen.console, seen.asked, look["foreign"]) == ([], [], 0)
    assert "owned" not in look["title"] and look["lines"] > 5
    signs = [sign for kind in look["signs"].values() for sign in kind]
    assert len(signs) == len(set(signs)) == len(look["signs"]), "a status has a sign of its own"
    assert len(set(look["patterns"].values())) == len(look["patterns"]), "and a pattern"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", sorted(SCREENS))
def test_contrast_and_structure_meet_wcag_aa(browser, reports, screen, scheme):
    axe = Axe()
    width, height = SCREENS[screen]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.goto(reports["ordinary"].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
    found = axe.run(page, options=rules).response
    context.close()
    assert [(one["id"], node["html"][:160], node["failureSummary"][:300]) for one in found["violations"] for node in one["nodes"]] == []
    assert "color-contrast" in {one["id"] for one in found["passes"]}, "contrast was looked at"


def test_lines_are_told_from_the_paper_in_both_schemes(browser, reports):
    """WCAG 2.1, 1.4.11: graphics that are needed to understand have a contrast of 3 to 1; axe does not look at drawings."""
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(reports["ordinary"].as_uri())
        colors = page.evaluate("""() => {
          const of = (selector, name) => getComputedStyle(document.querySelector(selector))[name];
          return { paper: of("section", "backgroundColor"), first: of(".plotted .serie-0 .line", "stroke"),
                   second: of(".plotted .serie-1 .line", "stroke"), limit: of(".plotted .serie-limit .line", "stroke") };
        }""")
        context.close()
        paper = luminance(colors.pop("paper"))
        for name, color in colors.items():
            assert contrast(luminance(color), paper) >= 3, (scheme, name, color)


def luminance(color: str) -> float:
    """Relative luminance of ``rgb(r, g, b)``, as WCAG 2.1 defines it."""
    parts = [int(part) / 255 for part in color.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: float, other: float) -> float:
    """Of two luminances."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
