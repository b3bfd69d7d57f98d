# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTML through Jinja2 with everything escaped; plots are the only markup that goes in as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import LibraryMissing
from ..core.quantities import format_duration, format_size
from .plots import JOINED, LIGHT, line_plot, rules, scale_of

try:
    import jinja2
except ImportError:  # told when something is to be rendered
    jinja2 = None

UNKNOWN = "–"
_WORD = 18  # characters, as many as the narrowest column of names has room for


def render(template: Path, report: Mapping[str, Any], extra: Mapping[str, Any], *, paged: bool = False) -> str:
    """The page for a report, from a template and those beside it; ``extra`` as `operations.page.lay_out` gives it.

    ``paged``: for paper, with all that is folded away unfolded and the plots' colors in each drawing.

    :raises LibraryMissing: without Jinja2 or pygal
    """
    if jinja2 is None:
        raise LibraryMissing("Jinja2")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                                     loader=jinja2.FileSystemLoader(template.parent))
    environment.filters |= {"duration": duration, "size": size, "figure": figure, "unbroken": unbroken}
    markup = jinja2.utils.markupsafe.Markup

    def plot(entry: Mapping[str, Any]) -> Any:
        return markup(line_plot(entry, literal=paged))

    def shown(value: float | None, entry: Mapping[str, Any]) -> str:
        scale, unit = scale_of(entry)
        return UNKNOWN if value is None else f"{value / scale:.4g}{'' if unit in JOINED else ' '}{unit}"

    page = environment.get_template(template.name).render(
        report=report, paged=paged, plot=plot, shown=shown, plot_rules=markup(rules()), light=LIGHT, **extra)
    return page.encode("utf-8", "replace").decode("utf-8")  # names of files may have half a character


def duration(seconds: float | None) -> str:
    """Seconds in words a person uses."""
    return UNKNOWN if seconds is None else format_duration(seconds) or "0s"


def size(number: float | None) -> str:
    """Bytes in words a person uses."""
    return UNKNOWN if number is None else format_size(number)


def unbroken(value: Any) -> bool:
    """Whether a text, or one of several, has a word that is too long for a column of a table on paper."""
    texts = value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(text, str) and any(len(word) > _WORD for word in text.split()) for text in texts)


def figure(value: Any, unit: str = "") -> str:
    """A value as a table shows it: bytes and seconds in words a person uses, floats short."""
    if value is None or value == "":
        return UNKNOWN
    if unit == "bytes" and isinstance(value, (int, float)):
        return format_size(value)
    if unit in ("s", "seconds") and isinstance(value, (int, float)):
        return format_duration(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        value = f"{value:.2f}".rstrip("0").rstrip(".")
    text = ", ".join(str(part) for part in value) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
    return f"{text}{unit}" if unit in JOINED else f"{text} {unit}".strip()
