# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration on a copy first: the same commands, timed, what they take away, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..core import progress
from ..core.clock import Clock
from ..core.errors import OpsError, Refused, TimedOut
from ..core.finding import Finding, Status
from ..core.quantities import format_duration
from .migration_tool import Commands, State, Tool, prove_address, said
from .schema_objects import Changes, Schema, compare
from .session import Session

_COLUMNS = """
    SELECT n.nspname::text AS schema, c.relname::text AS relation, a.attname::text AS column, format('%I.%I', n.nspname, c.relname) AS name,
           format('%I.%I.%I', n.nspname, c.relname, a.attname) AS full, c.relkind = 'r' AS counted
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
      AND c.relpersistence <> 't' ORDER BY 1, 2, a.attnum"""


class Place(Protocol):
    """One database that can be migrated."""

    commands: Commands

    def schema(self) -> Schema:
        """As it is now."""

    def session(self) -> Any:
        """A session in it, as a context manager."""

    def renewed(self) -> Place:
        """The same with its whole time anew."""


@dataclass(frozen=True)
class Attempt:
    """Commands that were run one after another until one failed; ``message`` is why, empty where all went well."""

    seconds: float
    message: str = ""
    printed: str = ""


def attempt(place: Place, commands: Sequence[Sequence[str]], clock: Clock) -> Attempt:
    """Run them; that the time is over is a failure like any other."""
    began = clock.monotonic()
    for argv in commands:
        try:
            printed = place.commands.run(argv)
        except TimedOut as error:
            return Attempt(clock.monotonic() - began, error.message)
        if printed.returncode:
            blocked = getattr(place.commands, "blocked_by", ())
            held = f"; the lock was held by {', '.join(blocked)}" if blocked and "timeout" in said(printed, 30) else ""
            message = f"{argv[0]} ended with status {printed.returncode}: {said(printed)}{held}"
            return Attempt(clock.monotonic() - began, message, said(printed, 30))
    return Attempt(clock.monotonic() - began)


@dataclass(frozen=True)
class Contents:
    """Columns by their full name, and rows by table, of one moment."""

    columns: frozenset[str]
    rows: Mapping[str, int]


def contents(session: Session) -> Contents:
    """Count everything: for copies, where nobody waits."""
    found = session.fetch(_COLUMNS)
    tables = {row["name"]: (row["schema"], row["relation"]) for row in found if row["counted"]}
    rows = {name: session.fetch("SELECT count(*) AS rows FROM {table}", names={"table": parts})[0]["rows"]
            for name, parts in tables.items()}
    return Contents(frozenset(row["full"] or row["name"] for row in found), rows)


def taken(before: Contents, after: Contents) -> list[str]:
    """What of the one is not in the other: tables, columns, rows."""
    tables = sorted(before.rows.keys() - after.rows.keys())
    gone = [f"table {name} with {before.rows[name]} rows" for name in tables]
    gone += [f"column {name}" for name in sorted(before.columns - after.columns)
             if not any(name.startswith(f"{table}.") for table in tables)]
    return gone + [f"{before.rows[name] - now} of {before.rows[name]} rows of table {name}"
                   for name, now in sorted(after.rows.items()) if now < before.rows.get(name, 0)]


@dataclass(frozen=True)
class Rehearsed:
    """``seconds`` is what the commands took, ``phases`` what each part of the rehearsal did; ``takes`` what would be lost;
    ``back`` is why the way back did not lead back, empty where it did, None where there is no way.
    """

    seconds: float
    failed: str = ""
    printed: str = ""
    changes: Changes | None = None
    takes: tuple[str, ...] = ()
    back: str | None = None
    phases: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"status": "failed" if self.failed else "done", "seconds": round(self.seconds, 3), "message": self.failed,
                "printed": self.printed, "takes": list(self.takes), "schema": self.changes.as_dict() if self.changes else None,
                "way_back": "none" if self.back is None else "failed" if self.back else "proven",
                "phases": [{"name": name, "seconds": round(value, 3)} for name, value in self.phases.items()], "notes": list(self.notes)}


def rehearse(tool: Tool, place: Place, expected: State, clock: Clock, *, midway: bool = False) -> Rehearsed:
    """Migrate a copy, and lead it back. ``expected`` is where the database itself stands; ``midway`` says that it is no more where
    it was when it was backed up.

    :raises Refused: where the copy is of another state, or the tool does not go to it
    """
    prove_address(tool, place.commands)
    state = tool.state(place.commands)
    if state.revisions != expected.revisions and not midway:
        raise Refused(f"The backup is of revision {', '.join(state.revisions) or 'none'}, and the database is at "
                      f"{', '.join(expected.revisions) or 'none'}", hint="Make a new backup and verify it; nothing was done")
    phases: dict[str, float] = {}
    before = place.schema()
    with place.session() as session:
        held = contents(session)
    progress.begin(f"rehearsal of {len(state.pending)} steps on {place.commands.target}")
    done = attempt(place, tool.upgrade(state), clock)
    phases["migrate"] = done.seconds
    if not done.message:
        left = tool.state(place.commands).pending
        if left:
            done = Attempt(done.seconds, f"afterwards {left[0].name} is still pending")
    if done.message:
        return Rehearsed(done.seconds, done.message, done.printed, phases=phases)
    after = place.schema()
    with place.session() as session:
        takes = taken(held, contents(session))
    commands = tool.downgrade(state.revisions)
    back: str | None = None
    if commands:
        returned = attempt(place, commands, clock)
        phases["way back"] = returned.seconds
        back = returned.message or _remains(before, place, tool, state)
    return Rehearsed(done.seconds, changes=compare(before, after), takes=tuple(takes), back=back, phases=phases)


def _remains(before: Schema, place: Place, tool: Tool, state: State) -> str:
    """What is not as it was after the way back; empty where all is."""
    try:
        now = tool.state(place.commands)
    except OpsError as error:
        return error.message
    differs = compare(before.without(tool.version_table), place.schema().without(tool.version_table))
    left = [*differs.removed, *differs.changed, *differs.added]
    if now.revisions != state.revisions:
        return f"it led to revision {', '.join(now.revisions) or 'none'} in place of {', '.join(state.revisions) or 'none'}"
    return f"it leaves another schema: {', '.join(left[:8])}" if left else ""


def judge_rehearsal(subject: str, done: Rehearsed, limit: float) -> list[Finding]:
    """``database.migration_rehearsal`` and ``database.migration_way_back``; ``limit`` is in seconds, 0 is none."""
    check = "database.migration_rehearsal"
    if done.failed:
        return [Finding(check, subject, Status.FAIL, f"on a copy the migration failed: {done.failed}", round(done.seconds, 3), limit, "s",
                        "Nothing was done to the database. Correct the migration; what it printed is in rehearsal.printed")]
    took = f"on a copy the migration took {format_duration(done.seconds)}"
    if limit and done.seconds > limit:
        return [Finding(check, subject, Status.FAIL, f"{took}, over the limit of {format_duration(limit)}", round(done.seconds, 3), limit,
                        "s", "Nothing was done to the database. Make it shorter (in batches, concurrently), or allow it more")]
    findings = [Finding(check, subject, Status.PASS, f"{took}: {done.changes.sentence() if done.changes else 'nothing'}",
                        round(done.seconds, 3), limit, "s")]
    check = "database.migration_way_back"
    if done.back is None:
        findings.append(Finding(check, subject, Status.WARN, "there is no way back but the backup", hint="Give rollback_commands"))
    elif done.back:
        findings.append(Finding(check, subject, Status.WARN, f"on the copy the way back did not lead back: {done.back}",
                                hint="Correct the downgrade, or know that only the backup leads back"))
    else:
        findings.append(Finding(check, subject, Status.PASS, "on the copy the way back led to the very schema that was there before"))
    return findings
