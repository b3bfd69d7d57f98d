# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines over time as inline SVG, drawn by pygal: no script, no network, and no color but those of the page around it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ..core.clock import parse_instant
from ..core.errors import LibraryMissing
from ..core.quantities import DAY, HOUR, MINUTE

try:
    import pygal
    from pygal.style import Style

    # pygal leaves a finder of a protocol that Python 3.12 has dropped; tools that ask every finder trip over it.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "PluginImportFixer"]
except ImportError:  # told when something is to be drawn
    pygal = None

# Of a plot as it is drawn; the page scales it to its column, about this wide on a phone and in each of two columns on a desktop.
WIDTH, HEIGHT = 380, 170
# The first two lines of Okabe and Ito's colors for every kind of sight ("Color Universal Design", 2008), for paper; the second is dashed
# as well. The page redefines the variables for the dark.
LIGHT = {"--plot-1": "#0072b2", "--plot-2": "#a8480f", "--limit": "#5b6570", "--soft": "#56616c", "--line": "#dde2e7"}
JOINED = frozenset({"%", "x"})  # units that stand at their number without a space
_SCALES = {"s": ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")), "ms": ((1000.0, "s"),),
           "bytes": ((2.0 ** 40, "TiB"), (2.0 ** 30, "GiB"), (2.0 ** 20, "MiB"), (2.0 ** 10, "KiB"))}
# Chosen by pygal's class names; in a PDF they stand in each drawing, since a page's styles do not reach into one there.
RULES = """.plot .background,.graph>.background{{fill:none}}
.plotted text{{font:11px system-ui,"DejaVu Sans",sans-serif;fill:{soft}}}
.plotted .axis.x text{{text-anchor:middle}} .plotted .axis.y text{{text-anchor:end}}
.plotted .guide.line,.plotted .axis .line{{fill:none;stroke:{line};stroke-width:1}} .plotted .axis.x .guide.line{{stroke:none}}
.plotted .serie-0 .line{{stroke:{one};fill:none;stroke-width:2}} .plotted .serie-0 .dot{{fill:{one}}}
.plotted .serie-1 .line{{stroke:{two};fill:none;stroke-width:2;stroke-dasharray:2 3}} .plotted .serie-1 .dot{{fill:{two}}}
.plotted .serie-limit .line{{stroke:{limit};fill:none;stroke-width:1.5;stroke-dasharray:7 4}}"""


def rules(*, literal: bool = False) -> str:
    """The styles of all plots: by the page's variables, or ``literal`` for paper."""
    names = {"soft": "--soft", "line": "--line", "one": "--plot-1", "two": "--plot-2", "limit": "--limit"}
    return RULES.format(**{key: LIGHT[name] if literal else f"var({name})" for key, name in names.items()})


def line_plot(entry: Mapping[str, Any], *, literal: bool = False) -> str:
    """One entry of `operations.series` as SVG; a point without a value is a gap.

    :raises LibraryMissing: without pygal
    """
    if pygal is None:
        raise LibraryMissing("pygal")
    scale, unit = scale_of(entry)
    lines = {name: [(parse_instant(at).timestamp(), None if value is None else value / scale) for at, value in points]
             for name, points in entry["lines"].items()}
    times = [at for points in lines.values() for at, _value in points]
    limit = None if entry["limit"] is None else entry["limit"] / scale
    first, last = min(times), max(times)
    chart = pygal.XY(
        style=Style(label_font_size=11, major_label_font_size=11, background="transparent", plot_background="transparent"), css=(), js=(),
        width=WIDTH, height=HEIGHT, margin=6, margin_right=22, explicit_size=False, show_legend=False, dots_size=1.8, stroke_style={},
        allow_interruptions=True, range=_range([value for points in lines.values() for _at, value in points if value is not None], limit,
                                               percent=entry["unit"] == "%"),
        xrange=(first, max(last, first + 1)), min_scale=3, max_scale=5, include_x_axis=False, disable_xml_declaration=True,
        value_formatter=lambda value: f"{value:,.10g}{'' if unit in JOINED else ' '}{unit}".strip(),
        x_value_formatter=_clock_face(last - first), truncate_label=-1)
    chart.x_labels = [first, (first + last) / 2, last]
    for name, points in lines.items():
        chart.add(name, points, show_dots=_lonely([value for _at, value in points]))
    if limit is not None:
        chart.add("limit", [(first, limit), (max(last, first + 1), limit)], show_dots=False)
    told = description(entry)
    chart.add_xml_filter(lambda root: _plain(root, told, literal=literal, limited=limit is not None, lines=len(lines)))
    return chart.render(is_unicode=True)


def scale_of(entry: Mapping[str, Any]) -> tuple[float, str]:
    """By what values are divided so that a scale has short numbers, and the unit that they have then."""
    values = [value for points in entry["lines"].values() for _at, value in points if value is not None]
    top, unit = max([*map(abs, values), abs(entry["limit"] or 0)]), entry["unit"]
    as_it_is = (1.0, "B" if unit == "bytes" else unit)
    return next(((size, name) for size, name in _SCALES.get(unit, ()) if top >= 2 * size), as_it_is)


def description(entry: Mapping[str, Any]) -> str:
    """What a plot shows, in a sentence, for who does not see it."""
    scale, unit = scale_of(entry)

    def shown(value: float | None) -> str:
        return "not known" if value is None else f"{value / scale:.4g}{'' if unit in JOINED else ' '}{unit}"

    words = f"{entry['title']} {entry['subject']}: {next(iter(entry['lines']))} now {shown(entry['last'])}, " \
            f"between {shown(entry['least'])} and {shown(entry['most'])} in {entry['runs']} looks"
    words += f", of which {entry['unknown']} could not tell" if entry["unknown"] else ""
    return words + (f"; the limit is {shown(entry['limit'])}" if entry["limit"] is not None else "")


def _range(values: Sequence[float], limit: float | None, *, percent: bool) -> tuple[float, float]:
    """From zero, so that what looks like half is half, or from below it; shares from a round number below the least, since all is told
    near 100.
    """
    seen = [*values, *([limit] if limit is not None else [])]
    low, high = min(seen), max(seen)
    if percent:
        room = max(100 - low, 0.1)
        step = 10 ** math.floor(math.log10(room))
        return (max(math.floor((low - 0.1 * room) / step) * step, 0.0) if low >= 0 else low * 1.1, 100.0)
    return min(low * 1.05, 0.0), (max(high, 0.0) * 1.05 or 1.0)


def _lonely(values: Sequence[float | None]) -> bool:
    """Whether a value has a gap on both sides: without a dot nobody would see it."""
    around = [None, *values, None]
    return any(value is not None and around[index] is None and around[index + 2] is None for index, value in enumerate(values))


def _clock_face(seconds: float) -> Callable[[float], str]:
    form = "%H:%M" if seconds < DAY else "%d %b"
    return lambda at: datetime.fromtimestamp(at, timezone.utc).strftime(form).lstrip("0")


def _plain(root: Any, told: str, *, literal: bool, limited: bool, lines: int) -> Any:
    """Without scripts, styles of its own and what only scripts show; with a description, and a class that the page's styles go by."""
    for parent in list(root.iter()):
        for child in list(parent):
            name = str(child.tag).rpartition("}")[2]
            if name in ("script", "desc", "title", "style", "defs") or (name == "g" and "tooltip" in (child.get("class") or "").split()):
                parent.remove(child)
        # Ids are of no use here, and one page has many drawings.
        parent.attrib.pop("id", None)
    limits = [group for group in root.iter() if limited and f"serie-{lines}" in (group.get("class") or "").split()]
    for group in limits:
        group.set("class", "series serie-limit")
    root.set("class", "plotted")
    root.set("role", "img")
    root.set("aria-label", _printable(told))
    if literal:
        style = root.makeelement("style", {})
        style.text = rules(literal=True)
        root.insert(0, style)
    return root


def _printable(text: str) -> str:
    """XML has no place for control characters."""
    return "".join(mark if mark.isprintable() else " " for mark in text)
