# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pointing names at another site: what is there, what is to be there, the change, and whether every server says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ..core.clock import Clock
from ..core.errors import InvalidOption, Refused, TimedOut
from ..core.finding import Finding, Status, at_most
from ..core.quantities import format_duration
from ..core.waiting import Deadline, wait_until

_LAST_LOOK = 10.0


@dataclass(frozen=True)
class RecordSet:
    """All records of a type that a name has: the unit that DNS caches and replaces (RFC 2181, section 5).

    ``name`` is absolute and in lower case, ``values`` are in presentation form and sorted; none of them is no record set.
    """

    name: str
    type: str
    values: tuple[str, ...] = ()
    ttl: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Name and type."""
        return self.name, self.type

    @property
    def answer(self) -> tuple[tuple[str, ...], int | None]:
        """Values and TTL."""
        return self.values, self.ttl

    def saying(self, answer: tuple[tuple[str, ...], int | None]) -> RecordSet:
        """The same name and type with these values and this TTL."""
        return replace(self, values=answer[0], ttl=answer[1])

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"{self.name} {self.type}"

    @property
    def told(self) -> str:
        """What it says, for messages and for a diff."""
        return f"{self.label} {self.ttl} {' '.join(self.values)}" if self.values else f"{self.label} (none)"

    def as_option(self) -> dict[str, Any]:
        """As an entry of the module's ``records``, so that what was can be put back."""
        return {"name": self.name, "type": self.type, "values": list(self.values),
                "ttl": None if self.ttl is None else f"{self.ttl}s"}


@dataclass(frozen=True)
class Wanted:
    """``record.ttl`` None keeps the one that is there. ``expected`` are values of which the record must have one set now:
    None is no such demand.
    """

    record: RecordSet
    expected: tuple[str, ...] | None = None


@dataclass(frozen=True)
class View:
    """What one authoritative server says; ``problem`` is why nothing is known of it."""

    server: str
    records: tuple[RecordSet, ...] = ()
    problem: str = ""


# What a name has of a type: values and TTL; nothing is ``((), None)``.
Answer = tuple[tuple[str, ...], "int | None"]
Key = tuple[str, str]


class Zone(Protocol):
    """`adapters.dynamic_dns.DynamicZone` and `adapters.route53.HostedZone`; keys are name and type."""

    name: str

    def observe(self, keys: Sequence[Key], deadline: Deadline) -> list[Answer]:
        """The present state, from where changes are made."""

    def apply(self, changes: Sequence[tuple[Key, Answer, Answer]], deadline: Deadline) -> None:
        """Replace all or nothing (key, before, after), and only where each ``before`` still holds.

        :raises Refused: where one does not
        """

    def views(self, keys: Sequence[Key], deadline: Deadline) -> list[tuple[str, list[Answer], str]]:
        """What each authoritative server says, asked directly: its name, its answers, or why it has none."""

    def negative_ttl(self, deadline: Deadline) -> int | None:
        """How long resolvers remember that a name is not there, in seconds (RFC 2308, section 5)."""


@dataclass(frozen=True)
class Switch:
    """``follow`` is how long resolvers may still give the old answer, in seconds, counted from the change."""

    before: tuple[RecordSet, ...]
    after: tuple[RecordSet, ...]
    views: tuple[View, ...]
    seconds: float
    follow: float | None
    planned: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything was (or would be) changed."""
        return self.before != self.after

    @property
    def agreeing(self) -> bool:
        """Whether every server was asked and says what is wanted."""
        return bool(self.views) and all(_agrees(view, self.after) for view in self.views)

    def as_value(self, zone: str) -> dict[str, Any]:
        """The module's ``switch``; plain values."""
        status = "planned" if self.planned else "pass" if self.agreeing else "fail"
        return {
            "zone": zone, "status": status, "seconds": round(self.seconds, 3), "clients_follow_seconds": self.follow,
            "records": [{"name": after.name, "type": after.type, "before": list(before.values), "after": list(after.values),
                         "ttl_before": before.ttl, "ttl_after": after.ttl, "changed": before != after}
                        for before, after in zip(self.before, self.after, strict=True)],
            "servers": [{"server": view.server, "agrees": _agrees(view, self.after), "problem": view.problem} for view in self.views],
        }

    def diff(self) -> dict[str, str]:
        """Ansible's before and after."""
        return {"before": "".join(f"{one.told}\n" for one in self.before), "after": "".join(f"{one.told}\n" for one in self.after)}


def switch(zone: Zone, wanted: Sequence[Wanted], *, clock: Clock, timeout: float, check: bool) -> Switch:
    """Bring the records about, and wait until every authoritative server has them; with ``check`` only look.

    :raises InvalidOption: for a new record without a TTL
    :raises Refused: where a record is neither what is expected nor what is wanted, or was changed meanwhile
    :raises OpsError: what the servers say
    """
    began, deadline = clock.monotonic(), Deadline(clock, timeout)
    keys = [one.record.key for one in wanted]
    before = [one.record.saying(answer) for one, answer in zip(wanted, zone.observe(keys, deadline), strict=True)]
    after = [_completed(one, there) for one, there in zip(wanted, before, strict=True)]
    changing = [(there, then) for there, then in zip(before, after, strict=True) if there != then]
    follow = _follow(zone, [there for there, _then in changing], deadline)
    if changing and not check:
        zone.apply([(there.key, there.answer, then.answer) for there, then in changing], deadline)

    def views(until: Deadline) -> list[View]:
        return [View(server, tuple(one.saying(answer) for one, answer in zip(after, answers, strict=True)) if not problem else (), problem)
                for server, answers, problem in zone.views(keys, until)]

    if check:
        seen = views(deadline)
    else:
        try:
            seen = wait_until(lambda: _unanimous(views(deadline), after), deadline=deadline, what="all servers")
        except TimedOut:
            seen = views(Deadline(clock, min(_LAST_LOOK, timeout)))  # who disagrees, or is silent, is a finding
    return Switch(tuple(before), tuple(after), tuple(seen), clock.monotonic() - began, follow, check)


def judge_switch(zone: str, done: Switch, *, max_ttl: float | None) -> list[Finding]:
    """``recovery.dns`` for each authoritative server, ``recovery.dns_ttl`` for how long clients take to follow."""
    check, findings = "recovery.dns", []
    for view in done.views:
        subject = f"{zone} at {view.server}"
        said = "; ".join(record.told for record in view.records)
        if view.problem:
            findings.append(Finding(check, subject, Status.UNKNOWN, view.problem,
                                    hint="See that the server runs; clients that ask it are not switched"))
        elif done.planned:
            findings.append(Finding(check, subject, Status.PASS, f"it answers: {said}", said))
        elif _agrees(view, done.after):
            findings.append(Finding(check, subject, Status.PASS, f"it says {said}", said, said))
        else:
            wanted = "; ".join(record.told for record in done.after)
            findings.append(Finding(check, subject, Status.FAIL, f"it says {said}", said, wanted, hint=(
                "It did not take the change over in time: see its transfers (rndc zonestatus) and notify; run again to wait on")))
    if not done.views:
        findings.append(Finding(check, zone, Status.UNKNOWN, "no authoritative server is known", hint="Name them in authorities"))
    if done.changed and (max_ttl is not None or done.follow is not None):
        findings.append(at_most("recovery.dns_ttl", zone, done.follow, fail=max_ttl, unit="s", what="time until clients follow",
                                hint="Lower the TTL of these records now, in quiet times: on the day it is too late"))
    return findings


def summary_of(zone: str, done: Switch) -> str:
    """One line for a person."""
    if not done.changed:
        return f"{zone} is as it should be"
    word = "would change" if done.planned else "changed"
    count = sum(before != after for before, after in zip(done.before, done.after, strict=True))
    within = "" if done.follow is None else f"; clients follow within {format_duration(done.follow) or '0s'}"
    return f"{zone}: {count} record set{'' if count == 1 else 's'} {word}{within}"


def _completed(wanted: Wanted, there: RecordSet) -> RecordSet:
    record = wanted.record
    if not record.values:
        record = replace(record, ttl=None)
    elif record.ttl is None:
        if there.ttl is None:
            raise InvalidOption(f"records: {record.label} is new and has no TTL", hint="Give ttl, such as 60s")
        record = replace(record, ttl=there.ttl)
    if wanted.expected is not None and there.values not in (wanted.expected, record.values):
        raise Refused(f"{there.told} is not what was expected ({' '.join(wanted.expected) or 'none'})",
                      hint="Nothing was changed: see who changed it, then correct expected",
                      evidence={"found": list(there.values), "expected": list(wanted.expected)})
    return record


def _follow(zone: Zone, changing: Sequence[RecordSet], deadline: Deadline) -> float | None:
    """The longest that a resolver may hold on to what was there; nothing changing, nothing to follow."""
    if not changing:
        return 0.0
    times = [there.ttl if there.values else zone.negative_ttl(deadline) for there in changing]
    return None if None in times else float(max(times))


def _unanimous(views: list[View], wanted: Sequence[RecordSet]) -> list[View] | None:
    return views if views and all(_agrees(view, wanted) for view in views) else None


def _agrees(view: View, wanted: Sequence[RecordSet]) -> bool:
    return not view.problem and view.records == tuple(wanted)
