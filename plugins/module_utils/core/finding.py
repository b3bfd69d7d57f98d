# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The currency of the house: what a check saw, against which limit, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How a check ended. ``unknown`` means that it could not look; it is never a pass."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        """Order of concern, 0 (pass) to 3 (fail); a known failure outranks an unknown."""
        return _RANKS[self]


_RANKS = {Status.PASS: 0, Status.WARN: 1, Status.UNKNOWN: 2, Status.FAIL: 3}


@dataclass(frozen=True, slots=True)
class Finding:
    """One judged observation.

    ``check`` is a dotted id whose first word is the area (``certificate.expiry``), ``subject`` the thing looked at
    (``api.example.com:443``), ``observed`` and ``limit`` are plain JSON values in ``unit``.
    """

    check: str
    subject: str
    status: Status
    message: str
    observed: Any = None
    limit: Any = None
    unit: str = ""
    hint: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain JSON values, the status as its word."""
        # Spelled out: dataclasses.asdict copies deeply, which shows with thousands of findings.
        return {"check": self.check, "subject": self.subject, "status": self.status.value, "message": self.message,
                "observed": self.observed, "limit": self.limit, "unit": self.unit, "hint": self.hint}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Finding:
        """The inverse of `as_dict`; keys that a later version may add are left out.

        :raises KeyError: where ``check``, ``subject``, ``status`` or ``message`` is missing
        :raises ValueError: where the status is none of the four
        """
        return cls(
            check=data["check"],
            subject=data["subject"],
            status=Status(data["status"]),
            message=data["message"],
            observed=data.get("observed"),
            limit=data.get("limit"),
            unit=data.get("unit") or "",
            hint=data.get("hint") or "",
        )


def at_most(check: str, subject: str, observed: float | None, *, warn: float | None = None, fail: float | None = None,
            unit: str = "", what: str = "value", hint: str = "") -> Finding:
    """Judge a value that should stay at or below its limits; no value is ``unknown``."""
    return _judge(check, subject, observed, warn, fail, unit, what, hint, "over", lambda seen, limit: seen > limit)


def at_least(check: str, subject: str, observed: float | None, *, warn: float | None = None, fail: float | None = None,
             unit: str = "", what: str = "value", hint: str = "") -> Finding:
    """Judge a value that should stay at or above its limits; no value is ``unknown``."""
    return _judge(check, subject, observed, warn, fail, unit, what, hint, "under", lambda seen, limit: seen < limit)


def _judge(check, subject, observed, warn, fail, unit, what, hint, word, breaks) -> Finding:
    limit = fail if fail is not None else warn
    if observed is None or math.isnan(observed):
        return Finding(check, subject, Status.UNKNOWN, f"{what} could not be read", None, limit, unit, hint)
    for status, bound in ((Status.FAIL, fail), (Status.WARN, warn)):
        if bound is not None and breaks(observed, bound):
            seen, allowed = _figure(observed, unit), _figure(bound, unit)
            if seen == allowed:  # 80.04 is over 80: the figures must show it
                seen = _united(f"{observed:.12g}", unit)
            message = f"{what} is {seen}, {word} the limit of {allowed}"
            return Finding(check, subject, status, message, observed, bound, unit, hint)
    return Finding(check, subject, Status.PASS, f"{what} is {_figure(observed, unit)}", observed, limit, unit)


def _figure(value: float, unit: str) -> str:
    number = f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) and abs(value) >= 1 else f"{value:g}" \
        if isinstance(value, float) else str(value)
    return _united(number, unit)


def _united(number: str, unit: str) -> str:
    return f"{number}{unit}" if unit in ("", "%") else f"{number} {unit}"


def worst(findings: Iterable[Finding]) -> Status:
    """The status of most concern; of no findings at all it is ``unknown``, since nothing was looked at."""
    return max((finding.status for finding in findings), key=lambda status: status.rank, default=Status.UNKNOWN)


def count(findings: Iterable[Finding]) -> dict[str, int]:
    """How many findings ended in each of the four statuses."""
    counts = {status.value: 0 for status in Status}
    for finding in findings:
        counts[finding.status.value] += 1
    return counts


def sentence(findings: Iterable[Finding]) -> str:
    """The counts as a person reads them: ``12 checks: 10 pass, 2 fail``."""
    counts = count(findings)
    total = sum(counts.values())
    parts = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    return f"{total} check{'' if total == 1 else 's'}" + (f": {parts}" if parts else "")
