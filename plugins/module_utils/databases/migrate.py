# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration from end to end: what is pending, the backup, the rehearsal, the change, the way back, and what to do where that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core import progress
from ..core.clock import Clock, format_instant
from ..core.errors import OpsError, Refused
from ..core.finding import Finding, Status
from ..core.quantities import format_duration
from .destructive import destructive
from .migration_journal import Entry, Journal
from .migration_policy import Copy, Migrated, MigrationPolicy, restore_command
from .migration_tool import State, Tool
from .rehearsal import Attempt, Place, Rehearsed, attempt, judge_rehearsal
from .schema_objects import Changes, Schema, compare

CHECK = "database.migration"


class Migration:
    """One database, one tool. ``name`` is the database's with its server's. ``backup`` finds the copy of the moment before, None where
    there is none that will do; ``rehearse`` migrates a copy of it.
    """

    def __init__(self, name: str, database: str, tool: Tool, place: Place, policy: MigrationPolicy, journal: Journal, clock: Clock, *,
                 backup: Callable[[str | None], Copy | None], rehearse: Callable[[Copy, State, bool], Rehearsed]) -> None:
        self._name, self._database, self._tool, self._place, self._policy = name, database, tool, place, policy
        self._journal, self._clock, self._find_backup, self._rehearse = journal, clock, backup, rehearse
        self._findings: list[Finding] = []
        self._told: dict[str, Any] = {"database": name, "tool": tool.name, "status": "planned", "rehearsal": None, "schema": None,
                                      "restore": None, "phases": []}

    def run(self, *, check_mode: bool) -> Migrated:
        """Migrate, or in check mode say what would be done.

        :raises Refused: without a backup, without a confirmation that is needed, and for a database that is not what it should be
        :raises OpsError: where one cannot look
        """
        earlier = self._journal.read()
        state, before = self._tool.state(self._place.commands), self._schema()
        earlier = self._earlier(earlier, state, before, check_mode)
        self._tell_state(state, earlier)
        if not state.pending and earlier is None:
            self._found(Status.PASS, f"nothing is pending{_at(state.revisions)}")
            return self._answer("nothing", False)
        back = earlier is not None and self._policy.interrupted == "rollback"
        takes = self._preview(state)
        copy = self._find_backup(earlier.backup_id if earlier else None)
        self._tell_backup(copy)
        if back:
            takes = [f"what was done since {earlier.began_at}, with all data that was written into it"]
        if check_mode:
            return self._planned(state, earlier, takes, back)
        if copy is None:
            raise Refused(f"There is no verified backup of {self._name} that is young enough", evidence={"migration": self._told},
                          hint="Make one and verify it (backups.create, backups.verify; the role does), or allow an older one with "
                               "backup_max_age. Nothing was done")
        if back and not self._policy.only_rehearse:
            self._refuse(takes)
            return self._lead_back(earlier, copy, f"a run of {earlier.began_at} was broken off", asked=True)
        if self._policy.rehearse:
            done = self._rehearse(copy, state, earlier is not None)
            self._told["rehearsal"] = done.as_dict()
            self._findings += judge_rehearsal(self._name, done, self._policy.rehearsal_limit)
            takes = list(dict.fromkeys([*takes, *done.takes]))
            if any(finding.status is Status.FAIL for finding in self._findings):
                self._found(Status.FAIL, "it was not begun: the rehearsal failed", hint="The database is as it was; see the other findings")
                return self._answer("unchanged", False)
            self._see_that_nothing_changed(before)
        self._told["takes"] = takes
        if self._policy.only_rehearse:
            self._found(Status.PASS, f"{_steps(state.pending)} rehearsed on a copy, and the database was left alone",
                        observed=len(state.pending))
            return self._answer("rehearsed", False)
        self._refuse(takes)
        if takes:
            self._findings.append(Finding(f"{CHECK}_takes", self._name, Status.WARN, f"confirmed, and taken away: {_listed(takes)}",
                                          takes, hint=f"Backup {copy.id} has it"))
        return self._carry_out(state, before, earlier or self._entry(state, before, copy), copy)

    def _earlier(self, earlier: Entry | None, state: State, before: Schema, check_mode: bool) -> Entry | None:
        """What a run that was broken off left to do; says what state it found, and forgets one that left nothing."""
        if earlier is None:
            return None
        began = f"a run of {earlier.began_at} was broken off"
        was = f"from {', '.join(earlier.before) or 'none'} to {', '.join(earlier.target)}" if earlier.target else "of commands"
        if _untouched(earlier, state, before):
            message, left = f"{began} ({was}) before it had changed anything", None
        elif not state.pending:
            message, left = f"{began} ({was}) after its last step: nothing of it is left to do", None
        else:
            there = _at(state.revisions) or " in between"
            message, left = f"{began} ({was}); the database is{there}, {_steps(state.pending)} short", earlier
        status = Status.WARN if left else Status.PASS
        self._findings.append(Finding(f"{CHECK}_interrupted", self._name, status, message, list(state.revisions), list(earlier.target),
                                      hint=f"The backup of before is {earlier.backup_id}" if left else ""))
        self._told["interrupted"] = {"began_at": earlier.began_at, "before": list(earlier.before), "target": list(earlier.target),
                                     "backup_id": earlier.backup_id, "left": left is not None}
        if left is None and not check_mode:
            self._journal.clear()
        return left

    def _tell_state(self, state: State, earlier: Entry | None) -> None:
        self._told |= {"from": list(earlier.before if earlier else state.revisions), "at": list(state.revisions), "to": list(state.target),
                       "pending": [{"name": one.name, "message": one.message} for one in state.pending]}

    def _tell_backup(self, copy: Copy | None) -> None:
        self._told["backup"] = None if copy is None else {"id": copy.id, "plan": copy.plan, "status": copy.status,
                                                          "age_seconds": round(copy.age, 3)}
        if copy:
            self._findings.append(Finding(f"{CHECK}_backup", self._name, Status.PASS, f"backup {copy.id} is {copy.status} and "
                                          f"{format_duration(copy.age)} old", round(copy.age, 3), unit="s"))

    def _preview(self, state: State) -> list[str]:
        """The SQL where the tool can say it, and what of it takes data away."""
        sql, reason = self._tool.sql(self._place.commands, state)
        takes = destructive(sql, version_table=self._tool.version_table) if sql is not None else []
        if sql is None and not self._policy.rehearse:
            takes = [f"nobody knows what: {reason}, and there is no rehearsal"]
        self._told |= {"sql": sql, "sql_unavailable": reason, "takes": takes}
        return takes

    def _refuse(self, takes: Sequence[str]) -> None:
        if takes and not self._policy.confirm:
            raise Refused(f"The migration of {self._name} takes away: {_listed(takes)}", evidence={"migration": self._told},
                          hint="Nothing was done. Look at it; then confirm (confirm: true, databases_migration_confirm)")

    def _planned(self, state: State, earlier: Entry | None, takes: Sequence[str], back: bool) -> Migrated:
        steps = ", ".join(one.name for one in state.pending)
        what = f"{_steps(state.pending)} pending: {steps}"
        if back:
            what = f"would be led back to {', '.join(earlier.before) or 'the beginning'}"
        backup = "" if self._told["backup"] else "; a backup would be made and verified first"
        rehearsed = "; a copy would be migrated first" if self._policy.rehearse and not back else ""
        self._found(Status.PASS, f"{what}{backup}{rehearsed}", observed=len(state.pending))
        if takes:
            word = "confirmed" if self._policy.confirm else "to be confirmed"
            self._findings.append(Finding(f"{CHECK}_takes", self._name, Status.WARN, f"{word}, it takes away: {_listed(takes)}",
                                          list(takes)))
        self._told["takes"] = list(takes)
        return self._answer("planned", True)

    def _entry(self, state: State, before: Schema, copy: Copy) -> Entry:
        return Entry(self._name, self._tool.name, format_instant(self._clock.now()), state.revisions, state.target,
                     tuple(one.name for one in state.pending), before.digest, copy.id)

    def _see_that_nothing_changed(self, before: Schema) -> None:
        changes = compare(before, self._schema())
        if changes:
            raise Refused(f"While the migration was rehearsed, the schema of {self._name} changed: {changes.sentence()}",
                          hint="See who works on it, or whether the tool goes to another address than it is given; nothing more was done")

    def _carry_out(self, state: State, before: Schema, entry: Entry, copy: Copy) -> Migrated:
        self._journal.write(entry)
        self._place = self._place.renewed()
        progress.begin(f"migration of {self._name}: {_steps(state.pending)}")
        done = attempt(self._place, self._tool.upgrade(state), self._clock)
        self._phase("migrate", done.seconds)
        self._tell_timeouts(done)
        now, after = self._tool.state(self._place.renewed().commands), self._schema()
        changes = compare(before, after)
        self._told |= {"at": list(now.revisions), "schema": changes.as_dict()}
        message = done.message or (f"afterwards {_steps(now.pending)} still pending: {now.pending[0].name}" if now.pending else "")
        if not message:
            self._journal.clear()
            self._found(Status.PASS, f"{_steps(state.pending)} in {format_duration(done.seconds)}{_at(now.revisions)}: "
                        f"{changes.sentence()}", observed=len(state.pending))
            return self._answer("migrated", True, changes)
        self._told["printed"] = done.printed
        if _untouched(entry, now, after):
            self._journal.clear()
            self._found(Status.FAIL, f"{message}. The schema and the revision are as they were",
                        hint="Correct the migration, or wait until the lock is free, and run again")
            return self._answer("unchanged", False)
        if not self._policy.rollback:
            self._found(Status.FAIL, f"{message}. It stays half done{_at(now.revisions)}: {changes.sentence()}",
                        hint="Correct it and run again, which goes on; or set interrupted to rollback (databases_migration_interrupted)")
            return self._answer("half", True, changes)
        return self._lead_back(entry, copy, message)

    def _lead_back(self, entry: Entry, copy: Copy, message: str, *, asked: bool = False) -> Migrated:
        """The way back to ``entry``; where there is none or it fails, what to restore. ``asked``: it is what this run is for."""
        commands = self._tool.downgrade(entry.before)
        place = self._place.renewed()
        progress.begin(f"way back of {self._name}")
        done = attempt(place, commands, self._clock) if commands else Attempt(0.0, "there are no rollback_commands")
        self._phase("way back", done.seconds)
        try:
            now, after = self._tool.state(place.renewed().commands), self._schema()
            self._told["at"] = list(now.revisions)
            reached = now.revisions == entry.before and after.digest == entry.schema
        except OpsError as error:
            reached, done = False, Attempt(done.seconds, done.message or error.message)
        if reached and not done.message:
            self._journal.clear()
            self._found(Status.WARN if asked else Status.FAIL, hint="Correct the migration and run again",
                        message=f"{message}. It was led back{_to(entry.before)}: the schema is as it was before")
            return self._answer("rolled_back", True)
        why = done.message or "the schema is not as it was before"
        self._told["restore"] = {"backup_id": copy.id, "plan": copy.plan, "command": restore_command(copy, self._database)}
        self._told["printed"] = self._told.get("printed") or done.printed
        self._found(Status.FAIL, f"{message}. The way back failed too: {why}",
                    hint=f"Stop the applications. Put it in order by hand, or restore backup {copy.id}: {self._told['restore']['command']}")
        return self._answer("half", True)

    def _tell_timeouts(self, done: Attempt) -> None:
        commands = self._place.commands
        cancelled = getattr(commands, "cancelled", [])
        if cancelled:
            self._findings.append(Finding(
                f"{CHECK}_timeouts", self._name, Status.WARN,
                f"{len(cancelled)} statements were cancelled from outside: the migration does not keep to {cancelled[0]}",
                len(cancelled), 0,
                hint="Leave out SET lock_timeout and SET statement_timeout in it, or see that its driver takes PGOPTIONS"))
        elif done.seconds > _SEEN_AFTER and not getattr(commands, "sessions", True):
            self._findings.append(Finding(
                f"{CHECK}_timeouts", self._name, Status.UNKNOWN,
                "its sessions were not seen: whether they kept to the timeouts is not known",
                hint="Let the tool keep libpq's application_name and options (PGAPPNAME, PGOPTIONS)"))

    def _schema(self) -> Schema:
        return self._place.schema().without(self._tool.version_table)

    def _phase(self, name: str, seconds: float) -> None:
        self._told["phases"].append({"name": name, "seconds": round(seconds, 3)})

    def _found(self, status: Status, message: str, *, hint: str = "", observed: Any = None) -> None:
        self._findings.insert(0, Finding(CHECK, self._name, status, message, observed, hint=hint))

    def _answer(self, status: str, changed: bool, changes: Changes | None = None) -> Migrated:
        self._told["status"] = status
        return Migrated(changed, self._told, self._findings, changes)


_SEEN_AFTER = 5.0  # seconds after which a session would have been seen about ten times


def _untouched(entry: Entry, state: State, schema: Schema) -> bool:
    """Whether a database is where it was before; data that was changed without any of these does not show."""
    return (state.revisions == entry.before and schema.digest == entry.schema
            and tuple(one.name for one in state.pending) == entry.pending)


def _steps(pending: Sequence[Any]) -> str:
    return f"{len(pending)} step{'' if len(pending) == 1 else 's'}"


def _to(revisions: Sequence[str]) -> str:
    return f" to {', '.join(revisions)}" if revisions else " to the beginning"


def _at(revisions: Sequence[str]) -> str:
    return f" at {', '.join(revisions)}" if revisions else ""


def _listed(takes: Sequence[str]) -> str:
    return "; ".join(takes[:8]) + (f" and {len(takes) - 8} more" if len(takes) > 8 else "")
