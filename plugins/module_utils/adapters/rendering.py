# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTML through Jinja2 with everything escaped, charts as inline SVG through pygal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from ..core.errors import LibraryMissing
from ..core.quantities import format_duration, format_size

try:
    import jinja2
    import pygal
    from pygal.style import Style

    # pygal leaves a finder of a protocol that Python 3.12 has dropped; tools that ask every finder trip over it.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "PluginImportFixer"]
except ImportError:  # told when something is to be rendered
    pygal = None

# The page's own colors (report.html.j2): they are told apart by people who see red and green alike, too.
PASS, WARN, FAIL, UNKNOWN, INK = "#2f7d5b", "#c98a00", "#b3382c", "#6b5fa8", "#5b6570"
PALETTE = ("#38618c", "#35a7a0", "#8a5fa8", "#c98a00", "#7a8590", "#b3382c")


def render(template: str, report: dict[str, Any], extra: dict[str, Any]) -> str:
    """The page for a report; every value is escaped, charts are the only markup that goes in as it is.

    :raises LibraryMissing: without Jinja2 or pygal
    """
    if pygal is None:
        raise LibraryMissing("pygal")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"duration": lambda seconds: "–" if seconds is None else format_duration(seconds),
                            "size": lambda size: "–" if size is None else format_size(size), "figure": figure}
    charts = {
        "trend": trend_chart(report["trends"]),
        "certificates": certificate_chart(report["certificates"]),
        "drills": drill_chart(report["drills"]),
    }
    return environment.from_string(template).render(
        report=report, charts={name: jinja2.utils.markupsafe.Markup(svg) for name, svg in charts.items()},
        phases=list(zip(_phases(report["drills"]), PALETTE, strict=False)), **extra)


def figure(value: Any, unit: str = "") -> str:
    """A value as a table shows it: bytes and seconds in words a person uses, floats short."""
    if value is None or value == "":
        return "–"
    if unit == "bytes" and isinstance(value, (int, float)):
        return format_size(value)
    if unit in ("s", "seconds") and isinstance(value, (int, float)):
        return format_duration(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        value = f"{value:.2f}".rstrip("0").rstrip(".")
    text = ", ".join(str(part) for part in value) if isinstance(value, list) else str(value)
    return f"{text}{unit}" if unit == "%" else f"{text} {unit}".strip()


def trend_chart(points: Sequence[dict[str, Any]]) -> str:
    """Share of good checks over the runs; empty for fewer than two runs."""
    if len(points) < 2:
        return ""
    chart = pygal.Line(**_look(height=220, colors=(PASS,)), show_legend=False, range=(min(60, *(p["share"] for p in points)), 100),
                       x_labels_major_count=3, show_minor_x_labels=False, dots_size=4, fill=False, y_labels_major_count=3)
    chart.x_labels = [point["at"][5:16].replace("T", " ") for point in points]
    chart.add("good checks, %", [{"value": point["share"], "label": point["verdict"]} for point in points])
    return _svg(chart)


def certificate_chart(certificates: Sequence[dict[str, Any]], *, most: int = 15) -> str:
    """Days left, the shortest first; negative is expired."""
    shown = [row for row in certificates if row.get("days_left") is not None][:most]
    if not shown:
        return ""
    colors = {"pass": PASS, "warn": WARN, "fail": FAIL, "unknown": UNKNOWN}
    chart = pygal.HorizontalBar(**_look(height=70 + 34 * len(shown), colors=(PASS,)), show_legend=False,
                                x_labels_major_count=4, show_minor_x_labels=False)
    chart.x_labels = [f"{_short(str(row.get('source') or row.get('subject')))}  {row['days_left']:.0f} d" for row in reversed(shown)]
    chart.value_formatter = lambda days: f"{days:.0f} d"
    chart.add("days left", [{"value": row["days_left"], "color": colors.get(row.get("status", "pass"), INK)} for row in reversed(shown)])
    return _svg(chart)


def drill_chart(drills: Sequence[dict[str, Any]]) -> str:
    """Seconds of each phase, stacked, one bar for each plan drilled."""
    drills = [drill for drill in drills if drill.get("phases")]
    if not drills:
        return ""
    chart = pygal.HorizontalStackedBar(**_look(height=60 + 44 * len(drills), colors=PALETTE), show_legend=False,
                                       x_labels_major_count=4, show_minor_x_labels=False)
    chart.x_labels = [_short(str(drill["plan"])) for drill in reversed(drills)]
    chart.value_formatter = format_duration
    for name in _phases(drills):
        chart.add(name, [sum(phase["seconds"] for phase in drill["phases"] if phase["name"] == name) for drill in reversed(drills)])
    return _svg(chart)


def _phases(drills: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(phase["name"] for drill in drills for phase in drill.get("phases") or ()))


def _short(text: str, length: int = 34) -> str:
    return text if len(text) <= length else f"{text[:length // 2]}…{text[-(length // 2 - 1):]}"


def _look(*, height: int, colors: Sequence[str]) -> dict[str, Any]:
    style = Style(
        background="transparent", plot_background="transparent", foreground=INK, foreground_strong=INK, foreground_subtle="#c5ccd3",
        guide_stroke_color="#c5ccd366", major_guide_stroke_color="#c5ccd3aa", guide_stroke_dasharray="0",
        major_guide_stroke_dasharray="0", opacity=".9", opacity_hover="1", colors=tuple(colors), font_family="system-ui, sans-serif",
        label_font_size=13, major_label_font_size=13, value_font_size=13, legend_font_size=13,
    )
    return {"style": style, "width": 560, "height": height, "margin": 8, "margin_right": 48,
            "truncate_label": -1, "js": (), "explicit_size": False}


def _svg(chart: Any) -> str:
    chart.add_xml_filter(_without_scripts)
    return chart.render(is_unicode=True, disable_xml_declaration=True)


def _without_scripts(root: Any) -> Any:
    """pygal puts its configuration into a script element for tooltips; the page runs no script."""
    for parent in list(root.iter()):
        for child in list(parent):
            if str(child.tag).rpartition("}")[2] == "script":
                parent.remove(child)
    return root
