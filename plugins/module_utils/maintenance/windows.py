# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a window open, until when, and which comes next? Freezes win over windows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..core.clock import format_instant
from .schedule import HORIZON, Calendar, Occurrence, Schedule, occurrences


@dataclass(frozen=True)
class Slot:
    """A piece of a window that no freeze takes. ``announced`` is the beginning of the whole window, which notices name; ``ends`` is
    None for a window that is always open and before no freeze. ``notice`` is in seconds.
    """

    window: str
    begins: datetime
    ends: datetime | None
    announced: datetime
    notice: float

    def holds(self, instant: datetime) -> bool:
        """Whether the instant lies in it."""
        return self.begins <= instant and (self.ends is None or instant < self.ends)


@dataclass(frozen=True)
class Outlook:
    """What holds at an instant: the slot that is open (None: closed), the next one that begins later, and the freeze that holds or,
    where none does, comes next; None where there is none within the horizon.
    """

    now: datetime
    open: Slot | None
    next: Slot | None
    freeze: Occurrence | None

    @property
    def frozen(self) -> bool:
        """Whether a freeze holds now."""
        return self.freeze is not None and self.freeze.begins <= self.now

    @property
    def remaining(self) -> float | None:
        """Seconds until what is open closes; 0 where nothing is open, None where it does not close."""
        if self.open is None:
            return 0.0
        return None if self.open.ends is None else (self.open.ends - self.now).total_seconds()


def look(windows: Sequence[Schedule], freezes: Sequence[Schedule], calendar: Calendar, now: datetime, *,
         horizon: float = HORIZON) -> Outlook:
    """Of several open windows the one that closes last counts; of freezes the one that ends last. ``horizon`` is in seconds.

    :raises InvalidOption, StorageFailed: for an iCalendar file that cannot be read
    """
    end = now + timedelta(seconds=horizon)
    spans = [(schedule, occurrences(schedule, now, end, calendar, generous=False)) for schedule in windows]
    # A freeze may have cut what began before now, and what ends behind the horizon.
    first = min((span.begins for _schedule, found in spans for span in found), default=now)
    last = max((span.ends for _schedule, found in spans for span in found), default=end)
    frozen = sorted(one for schedule in freezes for one in occurrences(schedule, min(first, now), max(last, end), calendar, generous=True))
    slots = [slot for schedule, found in spans for slot in cut(schedule, found, frozen, end)]
    holding = [slot for slot in slots if slot.holds(now)]
    coming = [slot for slot in slots if slot.begins > now]
    active = [one for one in frozen if one.begins <= now < one.ends]
    return Outlook(
        now,
        max(holding, key=lambda slot: (slot.ends is None, slot.ends or now, slot.window), default=None),
        min(coming, key=lambda slot: (slot.begins, slot.window), default=None),
        max(active, key=lambda one: one.ends) if active else next((one for one in frozen if one.begins > now), None),
    )


def cut(schedule: Schedule, spans: Iterable[Occurrence], freezes: Sequence[Occurrence], end: datetime) -> list[Slot]:
    """What freezes leave of a window's spans; ``freezes`` are sorted, ``end`` is how far was looked."""
    slots = []
    for span in spans:
        begins = span.begins
        for freeze in freezes:
            if freeze.ends <= begins:
                continue
            if freeze.begins >= span.ends:
                break
            if freeze.begins > begins:
                slots.append(Slot(span.name, begins, freeze.begins, span.begins, schedule.notice))
            begins = freeze.ends
        if begins < span.ends:
            ends = None if schedule.unbounded and span.ends == end else span.ends
            slots.append(Slot(span.name, begins, ends, span.begins, schedule.notice))
    return slots


def as_values(outlook: Outlook, *, reserve: float) -> dict[str, Any]:
    """What `maintenance_window` returns of an outlook; instants as ISO 8601, ``reserve`` in seconds."""
    opened, coming, freeze = outlook.open, outlook.next, outlook.freeze
    return {
        "open": opened is not None, "window": opened and opened.window, "begins_at": opened and format_instant(opened.begins),
        "ends_at": format_instant(opened.ends) if opened and opened.ends else None,
        "work_ends_at": format_instant(max(outlook.now, opened.ends - timedelta(seconds=reserve))) if opened and opened.ends else None,
        "remaining_seconds": outlook.remaining,
        "next": coming and {"window": coming.window, "begins_at": format_instant(coming.begins),
                            "ends_at": coming.ends and format_instant(coming.ends), "announced_begin": format_instant(coming.announced),
                            "notice_by": format_instant(coming.announced - timedelta(seconds=coming.notice))},
        "freeze": freeze and {"name": freeze.name, "begins_at": format_instant(freeze.begins), "ends_at": format_instant(freeze.ends),
                              "active": outlook.frozen},
    }
