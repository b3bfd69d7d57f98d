# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance mode, on and off: written down before it begins, proven by asking, taken back where it does not come about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from ..core.clock import Clock, format_instant, parse_instant
from ..core.errors import CommandFailed, Interrupted, InvalidOption, OpsError
from ..core.finding import Finding, Status
from ..core.quantities import format_duration
from ..core.waiting import Deadline, wait_until

_LOOK_EVERY = 5.0
# After a reload the processes of before still answer for a moment: one good answer proves nothing yet.
_IN_A_ROW = 3
State = Mapping[str, "str | None"]  # what is set, by its name; None where it is not there


class Switch(Protocol):
    """A web server that can be told to answer every request with the maintenance page."""

    def state(self) -> State:
        """What is set now."""

    def wanted(self, on: bool) -> State:
        """What is to be set."""

    def is_on(self, state: State) -> bool:
        """Whether a state is that of maintenance."""

    def apply(self, state: State) -> None:
        """Set it; where that fails, what was set before still holds."""


class Store(Protocol):
    """Where is written who switched it on, when and until when; it survives whatever happens to the run."""

    def read(self) -> Mapping[str, Any] | None:
        """None where nothing is written."""

    def write(self, values: Mapping[str, Any]) -> None:
        """Durably."""

    def remove(self) -> None:
        """Nothing where nothing is written."""


@dataclass(frozen=True)
class Seen:
    """What a URL answered: ``ours`` says that it is the maintenance page of that name; status None where nothing answered."""

    status: int | None
    retry_after: str = ""
    ours: bool = False
    error: str = ""

    @property
    def proves_on(self) -> bool:
        """RFC 9110, sections 15.6.4 and 10.2.3."""
        return self.ours and self.status == 503 and bool(self.retry_after)

    @property
    def told(self) -> str:
        """As a sentence has it."""
        if self.status is None:
            return f"does not answer ({self.error})"
        return f"answers {self.status}{' with the maintenance page' if self.ours else ''}" \
               f"{f', Retry-After {self.retry_after}' if self.retry_after else ''}"


@dataclass(frozen=True)
class Record:
    """Who switched it on, and until when that was announced."""

    since: datetime
    by: str
    change: str
    until: datetime | None

    def as_value(self) -> dict[str, Any]:
        """As the file has it."""
        return {"since": format_instant(self.since), "by": self.by, "change": self.change,
                "until": self.until and format_instant(self.until)}


@dataclass(frozen=True)
class Mode:
    """What came of it: ``before`` and ``after`` are states of the switch."""

    on: bool
    changed: bool
    record: Record | None
    seen: Seen
    before: State
    after: State

    def as_value(self, url: str, *, ends_itself: bool | None) -> dict[str, Any]:
        """What `maintenance_mode` returns."""
        return {"on": self.on, "url": url, "status_code": self.seen.status, "retry_after": self.seen.retry_after or None,
                "ends_itself": ends_itself,
                **(self.record.as_value() if self.record else {"since": None, "by": None, "change": None, "until": None})}


def observe(switch: Switch, store: Store, ask: Callable[[], Seen]) -> Mode:
    """Look, and change nothing."""
    state = switch.state()
    return Mode(switch.is_on(state), False, _read(store), ask(), state, state)


def enable(switch: Switch, store: Store, ask: Callable[[], Seen], clock: Clock, *, record: Record, patience: float, url: str) -> Mode:
    """On. The first who switched it on stays on record; an end that is announced takes the place of the earlier one.

    :raises CommandFailed: where the URL does not show the page in time; what was before is set again
    :raises OpsError: by the switch; likewise
    """
    before, written = switch.state(), _read(store)
    wanted, known = switch.wanted(True), _read(store)
    record = _joined(known, record)
    if known != record:
        store.write(record.as_value())
    try:
        if before != wanted:
            switch.apply(wanted)
        seen = _wait(ask, lambda answer: answer.proves_on, clock, patience, in_a_row=_IN_A_ROW if before != wanted else 1)
        if not seen.proves_on:
            raise CommandFailed(
                f"Maintenance mode is not served: {url} {seen.told}",
                hint="See that the web server's configuration has what docs/maintenance.md asks for, and that it serves this URL",
                evidence={"url": url, "status": seen.status, "retry_after": seen.retry_after, "error": seen.error})
    except BaseException as error:
        _take_back(switch, store, before, written, error)
        raise
    return Mode(True, before != wanted or known != record, record, seen, before, wanted)


def planned(switch: Switch, mode: Mode, *, on: bool, record: Record) -> tuple[State, bool]:
    """What would be set after what was observed, and whether `enable` or `disable` would change anything."""
    wanted = switch.wanted(on)
    kept = mode.record != _joined(mode.record, record) if on else mode.record is not None
    return wanted, wanted != mode.before or kept


def disable(switch: Switch, store: Store, ask: Callable[[], Seen], clock: Clock, *, patience: float, url: str) -> Mode:
    """Off, whatever was before; what is on record is removed when it is proven, and not earlier.

    :raises CommandFailed: where the URL still shows the page
    """
    before, known = switch.state(), _read(store)
    wanted = switch.wanted(False)
    if before != wanted:
        switch.apply(wanted)
    seen = _wait(ask, lambda answer: not answer.ours and answer.status is not None, clock, patience,
                 in_a_row=_IN_A_ROW if before != wanted else 1)
    if seen.ours:
        raise CommandFailed(f"Maintenance mode is off by its configuration, and still {url} {seen.told}",
                            hint="See whether another server or a cache in front of it answers there; then run this again",
                            evidence={"url": url, "status": seen.status})
    store.remove()
    return Mode(False, before != wanted or known is not None, known, seen, before, wanted)


def end_when_over(switch: Switch, store: Store, ask: Callable[[], Seen], clock: Clock, *, patience: float, url: str) -> None:
    """Off at the end that is on record, a later one that is announced meanwhile included; at once back where it is off already or has
    no end. What fails is tried again.
    """
    while (record := _read(store)) is not None and record.until is not None:
        left = (record.until - clock.now()).total_seconds()
        if left <= 0:
            with suppress(OpsError):
                disable(switch, store, ask, clock, patience=patience, url=url)
                continue
        clock.sleep(min(left, _LOOK_EVERY) if left > 0 else _LOOK_EVERY)


def judge(mode: Mode, url: str, name: str, now: datetime) -> list[Finding]:
    """``maintenance.mode``: on no longer than announced, and on record; ``maintenance.page``: what the URL shows fits it."""
    check, record = "maintenance.mode", mode.record
    off = "Switch it off (maintenance.disable), or announce a later end and switch it on with that"
    if not mode.on:
        left = record is not None and not mode.changed
        told = "off, and on record as on since " + format_instant(record.since) if left else "off"
        findings = [Finding(check, name, Status.WARN if left else Status.PASS, told,
                            hint="A run was broken off: run maintenance.disable, which clears it up" if left else "")]
    elif record is None:
        findings = [Finding(check, name, Status.WARN, "on, and nothing says since when and by whom", hint=off)]
    else:
        told = f"on since {format_instant(record.since)} by {record.by}{f' for {record.change}' if record.change else ''}"
        seconds, over = round((now - record.since).total_seconds()), record.until is not None and now > record.until
        limit = record.until and round((record.until - record.since).total_seconds())
        if over:
            told += f", {format_duration((now - record.until).total_seconds())} longer than announced ({format_instant(record.until)})"
        elif record.until:
            told += f", announced until {format_instant(record.until)}"
        findings = [Finding(check, name, Status.FAIL if over else Status.PASS, told, seconds, limit, "s", off if over else "")]
    return [*findings, _judge_page(mode, url)]


def judge_end(mode: Mode, name: str, *, ends_itself: bool | None) -> list[Finding]:
    """``maintenance.end``, where an end is announced that nobody keeps when the run is gone (None: not that anybody knows)."""
    until = mode.record.until if mode.on and mode.record else None
    if until is None or ends_itself is not None:
        return []
    return [Finding("maintenance.end", name, Status.WARN,
                    f"nobody but another run takes the page away at the announced end, {format_instant(until)}",
                    hint="See that maintenance.disable runs by then, from wherever the cluster can be reached")]


def _joined(known: Record | None, record: Record) -> Record:
    return replace(known, until=record.until or known.until, change=record.change or known.change) if known else record


def _judge_page(mode: Mode, url: str) -> Finding:
    seen, check = mode.seen, "maintenance.page"
    if mode.on:
        good, hint = seen.proves_on, "Requests reach what is being worked on: see the web server's configuration and docs/maintenance.md"
    else:
        good = seen.status is not None and seen.status < 500 and not seen.ours
        hint = "Another server or a cache may show the page" if seen.ours else "The service itself is not well: see its log"
    status = Status.PASS if good else Status.UNKNOWN if seen.status is None else Status.FAIL
    return Finding(check, url, status, f"{url} {seen.told}", seen.status, 503 if mode.on else None, "", "" if good else hint)


def _wait(ask: Callable[[], Seen], good: Callable[[Seen], bool], clock: Clock, patience: float, *, in_a_row: int) -> Seen:
    """The last answer: good as often in a row, or what it was when the time was over."""
    last, met = Seen(None, error="not asked"), 0

    def look() -> bool:
        nonlocal last, met
        last = ask()
        met = met + 1 if good(last) else 0
        return met >= in_a_row

    with suppress(OpsError):
        wait_until(look, deadline=Deadline(clock, patience), what="the page")
    return last


def _take_back(switch: Switch, store: Store, before: State, written: Record | None, error: BaseException) -> None:
    try:
        if switch.state() != before:
            switch.apply(before)
        store.write(written.as_value()) if written else store.remove()
    except OpsError as second:
        if isinstance(error, (OpsError, Interrupted)):
            error.evidence["not_taken_back"] = str(second)
            error.hint = f"{error.hint}. What was set could not be taken back ({second.message}): run maintenance.disable"
        return
    if isinstance(error, (OpsError, Interrupted)):
        error.hint = f"{error.hint}. What was set before is set again" if error.hint else "What was set before is set again"


def _read(store: Store) -> Record | None:
    values = store.read()
    if values is None:
        return None
    try:
        until = values.get("until")
        return Record(parse_instant(values["since"]), str(values["by"]), str(values.get("change") or ""),
                      parse_instant(until) if until else None)
    except (KeyError, TypeError, InvalidOption) as error:
        raise InvalidOption(f"What is on record of the maintenance mode cannot be read: {error}",
                            hint="Look at the file in state_dir; remove it if it is none of ours, then run this again") from error
