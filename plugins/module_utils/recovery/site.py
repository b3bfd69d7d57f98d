# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""May the standby site be activated, and can it? Pure judgements of what was observed, before anything is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status
from ..core.quantities import format_duration, parse_duration

_KEYS = {"outage", "primary_gone"}


@dataclass(frozen=True)
class Trigger:
    """A declared reason to activate a site: an outage of at least so many seconds, and whether the old site must not answer."""

    outage: float | None = None
    primary_gone: bool = False


@dataclass(frozen=True)
class Case:
    """What the operator says: the trigger by its name, since when, and the name of the site as a confirmation.

    ``planned`` is a plan or a rehearsal, in which what would refuse the real thing is a warning.
    """

    site: str
    trigger: str = ""
    since: datetime | None = None
    confirm: str = ""
    planned: bool = False

    @property
    def refusing(self) -> Status:
        """The status of what stands against it."""
        return Status.WARN if self.planned else Status.FAIL


def read_triggers(options: Mapping[str, Any]) -> dict[str, Trigger]:
    """The declared triggers by name; each a dictionary of ``outage`` and ``primary_gone``, both optional.

    :raises InvalidOption: for an unknown key, for what is no duration or no truth, and where none is declared
    """
    found = {}
    for name, entry in options.items():
        if entry is not None and not isinstance(entry, Mapping):
            raise InvalidOption(f"triggers.{name}: {entry!r} is no dictionary", hint="Write {outage: 15m, primary_gone: true}, or {}")
        unknown = set(entry or {}) - _KEYS
        if unknown:
            raise InvalidOption(f"triggers.{name}: unknown key {min(map(str, unknown))!r}", hint=f"Known are {', '.join(sorted(_KEYS))}")
        gone, outage = (entry or {}).get("primary_gone", False), (entry or {}).get("outage")
        if not isinstance(gone, bool):
            raise InvalidOption(f"triggers.{name}.primary_gone: {gone!r} is neither true nor false", hint="Write true or false")
        found[str(name)] = Trigger(None if outage is None else parse_duration(outage, option=f"triggers.{name}.outage"), gone)
    if not found:
        raise InvalidOption("triggers: none is declared", hint="Declare for what reasons the site may be activated")
    return found


def judge_case(case: Case, triggers: Mapping[str, Trigger], *, answering: Sequence[str], asked: int, now: datetime) -> list[Finding]:
    """``recovery.trigger``, ``recovery.confirmation`` and ``recovery.primary``.

    ``answering`` are the endpoints of the old site that accept connections, of ``asked`` that were tried.
    """
    return [_judge_trigger(case, triggers, now), _judge_confirmation(case), *_judge_primary(case, triggers, answering, asked)]


def judge_endpoints(site: str, problems: Mapping[str, str]) -> list[Finding]:
    """``recovery.endpoint`` for each address of the standby site; ``problems`` has why one is not reached, empty where it is."""
    return [Finding("recovery.endpoint", f"{site}: {endpoint}", Status.FAIL if problem else Status.PASS,
                    problem or "it accepts connections", hint="Start it, or open the way to it" if problem else "")
            for endpoint, problem in problems.items()]


def _judge_trigger(case: Case, triggers: Mapping[str, Trigger], now: datetime) -> Finding:
    check, declared = "recovery.trigger", ", ".join(triggers)
    if not case.trigger:
        return Finding(check, case.site, case.refusing, "no trigger is named", None, declared, hint=f"Name one of: {declared}")
    if case.trigger not in triggers:
        return Finding(check, case.site, Status.FAIL, f"{case.trigger!r} is no declared trigger", case.trigger, declared,
                       hint=f"Name one of: {declared}; who wants another adds it to the policy first")
    needed = triggers[case.trigger].outage
    if needed is None:
        return Finding(check, case.site, Status.PASS, f"{case.trigger} is a declared trigger", case.trigger, declared)
    if case.since is None:
        return Finding(check, case.site, case.refusing, f"{case.trigger} takes an outage of {format_duration(needed)}, and none is stated",
                       None, needed, "s", "Say since when, in UTC")
    lasted = (now - case.since).total_seconds()
    if lasted < needed:
        told = "is in the future" if lasted < 0 else f"has lasted {format_duration(lasted) or '0s'}"
        return Finding(check, case.site, case.refusing, f"the outage {told}, and {case.trigger} takes {format_duration(needed)}",
                       round(lasted), needed, "s", "Wait, or name the trigger that it really is")
    return Finding(check, case.site, Status.PASS, f"{case.trigger}, for {format_duration(lasted)}", round(lasted), needed, "s")


def _judge_confirmation(case: Case) -> Finding:
    check = "recovery.confirmation"
    if case.confirm == case.site:
        return Finding(check, case.site, Status.PASS, "the site was named as a confirmation", case.confirm, case.site)
    told = "the activation is not confirmed" if not case.confirm else f"{case.confirm!r} was confirmed, and not this site"
    return Finding(check, case.site, case.refusing, told, case.confirm, case.site,
                   hint=f"Give the name of the site, {case.site}, as confirmation")


def _judge_primary(case: Case, triggers: Mapping[str, Trigger], answering: Sequence[str], asked: int) -> list[Finding]:
    check, trigger = "recovery.primary", triggers.get(case.trigger)
    if trigger is None or not trigger.primary_gone:
        return []
    if not asked:
        return [Finding(check, case.site, Status.WARN if case.planned else Status.UNKNOWN,
                        "no endpoint of the old site is known, so none was asked",
                        hint="Name its endpoints, so that its outage can be seen")]
    if answering:
        return [Finding(check, case.site, case.refusing, f"the old site answers at {', '.join(answering)}: it is not gone",
                        len(answering), 0, "endpoints", f"{case.trigger} is for a site that is gone; name another trigger if this must be")]
    return [Finding(check, case.site, Status.PASS, f"none of {asked} endpoints of the old site answers", 0, 0, "endpoints")]
