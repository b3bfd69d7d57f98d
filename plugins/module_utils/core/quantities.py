# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations and sizes as people write them: ``15m``, ``4h``, ``30d``, ``10GiB``."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from .errors import InvalidOption

MINUTE = 60
HOUR = 3600
DAY = 86400
_DURATION_UNITS = {"ms": 0.001, "s": 1, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])", re.ASCII)
# IEC 80000-13 binary prefixes beside the SI ones.
_SIZE_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
               "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)", re.ASCII)


def parse_duration(text: str | float, *, option: str = "duration") -> float:
    """Seconds of ``90s``, ``15m``, ``1h30m``, ``30d``; a bare number is seconds.

    :raises InvalidOption: for anything else, and for negative values
    """
    written = str(text).strip()
    if re.fullmatch(r"\d+(\.\d+)?", written, re.ASCII):
        written += "s"
    parts = _DURATION.findall(written)
    seconds = float(sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts))
    if not parts or "".join(number + unit for number, unit in parts) != written or not math.isfinite(seconds):
        raise InvalidOption(
            f"{option}: {written!r} is not a duration",
            hint="Write a positive number and a unit of ms, s, m, h, d or w: 90s, 15m, 1h30m, 30d",
            evidence={"option": option, "value": written},
        )
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest honest form: ``20ms``, ``0.4s``, ``42s``, ``1h30m``, ``30d``; two units at the most."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if 0 < seconds < 0.1:
        return f"{seconds * 1000:.2g}ms"
    if seconds < 10:
        return f"{seconds:.1f}".rstrip("0").rstrip(".") + "s"
    left, parts = round(seconds), []
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", 1)):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return "".join(parts)


def parse_size(text: str | int, *, option: str = "size") -> int:
    """Bytes of ``512``, ``10MB``, ``1.5GiB``.

    :raises InvalidOption: for anything else, and for negative values
    """
    written = str(text).strip()
    match = _SIZE.fullmatch(written)
    if not match or match[2].lower() not in _SIZE_UNITS:
        raise InvalidOption(
            f"{option}: {written!r} is not a size",
            hint="Write a positive number and a unit of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB: 10GiB",
            evidence={"option": option, "value": written},
        )
    return int(Decimal(match[1]) * _SIZE_UNITS[match[2].lower()])  # floats are not exact beyond 8 PiB


def format_size(size: float) -> str:
    """Binary units, one decimal: ``1.5 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
