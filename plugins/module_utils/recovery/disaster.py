# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disaster drill: every plan restored at a stand-in, a stand-in name switched, and all of it measured against the objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..backups.repository import Backup, record_verification
from ..core.clock import format_instant, parse_instant
from ..core.errors import InvalidOption
from ..core.finding import Finding, Status, at_most, worst
from ..core.quantities import format_duration


@dataclass(frozen=True)
class Disaster:
    """What a drill measured; seconds, None where it did not come so far. ``drills`` are those of `recovery.drill`."""

    drills: tuple[Mapping[str, Any], ...]
    switched: bool | None
    switch: float | None
    follow: float | None

    @property
    def rto(self) -> float | None:
        """The plans are restored one after the other, then the names are switched, then the last client follows."""
        parts = [drill.get("rto_seconds") for drill in self.drills] + ([self.switch, self.follow] if self.switched is not None else [])
        return None if None in parts or not self.drills else round(sum(parts), 3)

    @property
    def rpo(self) -> float | None:
        """The oldest data of all plans."""
        ages = [drill.get("rpo_seconds") for drill in self.drills]
        return None if None in ages or not ages else max(ages)


def read_disaster(drills: Sequence[Mapping[str, Any]], switches: Sequence[Mapping[str, Any]]) -> Disaster:
    """Values ``drill`` of `restore_drill` and ``switch`` of `dns_switch`.

    :raises InvalidOption: for what is neither
    """
    try:
        seconds = [float(switch["seconds"]) for switch in switches]
        follows = [switch["clients_follow_seconds"] for switch in switches]
        known = tuple({"plan": str(drill["plan"]), "backup_id": str(drill["backup_id"]), "status": str(drill["status"]),
                       "rto_seconds": _number(drill["rto_seconds"]), "rpo_seconds": _number(drill["rpo_seconds"])} for drill in drills)
        statuses = [str(switch["status"]) for switch in switches]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidOption(f"drills or switches: {error!r}", hint="Give values of restore_drill and dns_switch") from error
    switched = all(status in ("pass", "planned") for status in statuses) if switches else None
    return Disaster(known, switched, sum(seconds) if seconds else None,
                    None if not follows or None in follows else max(map(float, follows)))


def judge_disaster(subject: str, done: Disaster, plans: Sequence[str], *, rto: float | None, rpo: float | None) -> list[Finding]:
    """``recovery.disaster`` for what was recovered, ``recovery.rto`` and ``recovery.rpo`` for the whole."""
    check, findings = "recovery.disaster", []
    by_plan = {drill["plan"]: drill for drill in done.drills}
    for plan in plans:
        drill = by_plan.get(plan)
        if drill is None:
            findings.append(Finding(check, plan, Status.UNKNOWN, "it was not restored", hint="See why its restore ended before its time"))
        elif drill["status"] == "planned":
            findings.append(Finding(check, plan, Status.PASS, f"{drill['backup_id']} would be restored"))
        elif drill["status"] != "pass":
            status = Status.FAIL if drill["status"] == "fail" else Status.UNKNOWN
            findings.append(Finding(check, plan, status, f"the restore of {drill['backup_id']} ended as {drill['status']}",
                                    hint="See the findings of that restore; on the day this plan would not be there"))
        else:
            findings.append(Finding(check, plan, Status.PASS, f"{drill['backup_id']} was restored and compared", drill["rto_seconds"],
                                    None, "s"))
    if done.switched is not None:
        findings.append(Finding(check, f"{subject}: names", Status.PASS if done.switched else Status.FAIL,
                                "the stand-in names were switched at every server" if done.switched else
                                "a name server did not follow", done.switch, None, "s",
                                "" if done.switched else "See recovery.dns: on the day its clients would stay with the old site"))
    planned = bool(done.drills) and all(drill["status"] == "planned" for drill in done.drills)
    if rto is not None and not planned:
        findings.append(at_most("recovery.rto", subject, done.rto, fail=rto, unit="s", what="time until all clients are served",
                                hint="See which plan takes it, and the TTL of the names"))
    if rpo is not None:
        findings.append(at_most("recovery.rpo", subject, done.rpo, fail=rpo, unit="s", what="age of the oldest plan's data",
                                hint="Back that plan up more often"))
    return findings


def described(done: Disaster, findings: Sequence[Finding], *, rto: float | None, rpo: float | None, now: datetime) -> dict[str, Any]:
    """The module's ``disaster``."""
    return {"status": worst(findings).value, "at": format_instant(now), "plans": [dict(drill) for drill in done.drills],
            "names_switched": done.switched, "switch_seconds": done.switch, "clients_follow_seconds": done.follow,
            "rto_seconds": done.rto, "rto_objective_seconds": rto, "rpo_seconds": done.rpo, "rpo_objective_seconds": rpo}


def record_disaster(backups: Sequence[Backup], disaster: Mapping[str, Any]) -> None:
    """Write it beside each backup that was restored. What the restore proved stays what it is: only a drill that passed can have
    the status of one, however long all took.
    """
    by_id = {drill["backup_id"]: drill for drill in disaster["plans"]}
    for backup in backups:
        own = by_id[backup.id]
        earlier = [one for one in backup.verifications if one["kind"] == "drill" and one["status"] == own["status"]]
        if earlier:  # the restore's own record is the ground that this one stands on
            record_verification(backup, {**earlier[-1], "at": disaster["at"], "disaster": dict(disaster),
                                         "message": f"disaster drill: {disaster['status']}"})


def last_disaster(backups: Sequence[Backup]) -> Mapping[str, Any] | None:
    """The latest one that came to its end and passed."""
    found = [record["disaster"] for backup in backups for record in backup.verifications
             if isinstance(record.get("disaster"), Mapping) and record["disaster"].get("status") in ("pass", "warn")
             and isinstance(record["disaster"].get("at"), str)]
    return max(found, key=lambda one: one["at"], default=None)


def judge_due(subject: str, last: Mapping[str, Any] | None, *, every: float, now: datetime) -> tuple[bool, Finding | None]:
    """Whether one is due, and where none is, the finding that says how old the last is."""
    if last is None or not every:
        return True, None
    age = (now - parse_instant(last["at"])).total_seconds()
    if age < 0 or age >= every:
        return True, None
    return False, Finding("recovery.disaster", subject, Status.PASS, f"the last disaster drill passed {format_duration(age) or '0s'} ago",
                          round(age), every, "s")


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
