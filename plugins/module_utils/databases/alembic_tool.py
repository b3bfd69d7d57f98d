# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alembic as a tool of `migration_tool`: its commands, and what it prints (alembic.script.base.Script.log_entry)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..core.errors import CommandFailed, InvalidOption, Refused
from .migration_tool import Commands, Pending, State, said

_ENTRY = re.compile(r"^Rev: (?P<revision>\S+)(?P<marks>(?: \([a-z ]+\))*)$")
_ABOVE = re.compile(r"^(?:Parent|Merges|Also depends on): (?P<parents>.+)$")
_CURRENT = re.compile(r"^(?P<revision>[A-Za-z0-9_.-]+)(?: \([a-z ]+\))*$")
_BASE = "<base>"


@dataclass(frozen=True)
class Revision:
    """One script: what it rests on, what it says of itself, whether nothing rests on it."""

    name: str
    above: tuple[str, ...]
    message: str
    head: bool


def read_history(printed: str) -> dict[str, Revision]:
    """The scripts that ``alembic history --verbose`` prints, by name, oldest first."""
    found: list[Revision] = []
    name, above, lines, head = "", [], [], False

    def close() -> None:
        if name:
            found.append(Revision(name, tuple(above), next((line.strip() for line in lines if line.strip()), ""), head))

    for line in printed.splitlines():
        entry, parents = _ENTRY.match(line), _ABOVE.match(line)
        if entry:
            close()
            name, above, lines, head = entry["revision"], [], [], "(head)" in entry["marks"]
        elif parents:
            above += [word.strip() for word in parents["parents"].split(",") if word.strip() != _BASE]
        elif line.startswith("    "):
            lines.append(line)
    close()
    return {revision.name: revision for revision in reversed(found)}


def read_current(printed: str) -> tuple[str, ...]:
    """The revisions that ``alembic current`` prints; lines of an env.py that prints are passed over where they are no such."""
    return tuple(sorted({match["revision"] for line in printed.splitlines() if (match := _CURRENT.match(line.strip()))}))


def outstanding(scripts: Mapping[str, Revision], current: Iterable[str], wanted: Iterable[str]) -> list[Revision]:
    """What ``wanted`` rests on and ``current`` does not, oldest first.

    :raises Refused: for a revision that is in the database and in no script
    """
    current = list(current)
    unknown = [name for name in current if name not in scripts]
    if unknown:
        raise Refused(f"The database is at revision {', '.join(unknown)}, which these scripts do not have",
                      hint="Deploy the scripts that it was migrated with (a newer version?), and run again; nothing was done",
                      evidence={"revisions": current, "known": sorted(scripts)[:100]})
    reached, needed = _below(scripts, current), _below(scripts, wanted)
    return [revision for name, revision in scripts.items() if name in needed - reached]


def _below(scripts: Mapping[str, Revision], names: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in seen and name in scripts:
            seen.add(name)
            waiting += scripts[name].above
    return seen


class AlembicTool:
    """See `migration_tool.Tool`. ``wanted`` is ``head``, ``heads`` or a revision."""

    name = "alembic"

    def __init__(self, program: str, config: str, arguments: Sequence[str], wanted: str, version_table: str) -> None:
        if not wanted or wanted.startswith(("-", "+")) or not re.fullmatch(r"[A-Za-z0-9_.@-]+", wanted):
            raise InvalidOption(f"alembic.revision: {wanted!r} is no revision", hint="Give head, heads or the id of a script")
        self._argv = (program, "-c", config, *arguments)
        self._wanted, self.version_table = wanted, version_table
        self._scripts: dict[str, Revision] = {}
        self._agreed: set[str] = set()

    def state(self, commands: Commands) -> State:
        """See `migration_tool.Tool`. Each run of alembic costs most of a second: its scripts are read once, and where it has shown
        that it reads the version table which we read, that table is asked.
        """
        scripts = self._scripts = self._scripts or self._history(commands)
        current = commands.recorded_revisions() if commands.target in self._agreed else self._current(commands)
        wanted = self._targets(scripts)
        pending = outstanding(scripts, current, wanted)
        return State(current, tuple(Pending(one.name, one.message) for one in pending), wanted)

    def _history(self, commands: Commands) -> dict[str, Revision]:
        printed = commands.run([*self._argv, "history", "--verbose"])
        if printed.returncode:
            raise CommandFailed(f"alembic cannot read its scripts: {said(printed)}", hint="Correct alembic.config, chdir and arguments",
                                evidence={"printed": said(printed, 20)})
        return read_history(printed.stdout)

    def _current(self, commands: Commands) -> tuple[str, ...]:
        printed = commands.run(self.probe)
        if printed.returncode:
            raise CommandFailed(f"alembic cannot tell the current revision: {said(printed)}",
                                hint="Run it by hand with the same address; its whole answer is in the evidence",
                                evidence={"printed": said(printed, 20)})
        current, recorded = read_current(printed.stdout), commands.recorded_revisions()
        if current != recorded:
            raise Refused(f"alembic says that the database is at {_named(current)}, and {commands.target} is at {_named(recorded)}",
                          hint=f"{commands.address_hint} Or its table has another name: set alembic.version_table",
                          evidence={"alembic": list(current), "database": list(recorded), "database_name": commands.target})
        if current:  # that neither sees anything shows nothing
            self._agreed.add(commands.target)
        return current

    def _targets(self, scripts: Mapping[str, Revision]) -> tuple[str, ...]:
        heads = tuple(name for name, one in scripts.items() if one.head)
        if self._wanted == "heads":
            return heads
        if self._wanted == "head":
            if len(heads) > 1:
                raise Refused(f"The scripts have several heads: {', '.join(heads)}",
                              hint="Merge them (alembic merge heads), or set alembic.revision to heads; nothing was done")
            return heads
        found = [name for name in scripts if name == self._wanted] or [name for name in scripts if name.startswith(self._wanted)]
        if len(found) != 1:
            raise InvalidOption(f"alembic.revision: {self._wanted!r} names {len(found)} scripts",
                                hint="Give head, heads or the whole id of one script")
        return (found[0],)

    @property
    def probe(self) -> list[str]:
        """See `migration_tool.Tool`."""
        return [*self._argv, "current"]

    def upgrade(self, state: State) -> list[list[str]]:
        """See `migration_tool.Tool`."""
        return [[*self._argv, "upgrade", "heads" if self._wanted == "heads" else state.target[0]]]

    def downgrade(self, before: Sequence[str]) -> list[list[str]]:
        """See `migration_tool.Tool`; several branches go down one after another."""
        return [[*self._argv, "downgrade", name] for name in (before or ("base",))]

    def sql(self, commands: Commands, state: State) -> tuple[str | None, str]:
        """See `migration_tool.Tool`. From several branches alembic prints none."""
        if len(state.revisions) > 1 or len(state.target) > 1:
            return None, "alembic prints no SQL for several branches at once"
        printed = commands.run([*self._argv, "upgrade", "--sql", f"{(state.revisions or ('base',))[0]}:{state.target[0]}"])
        if printed.returncode:
            return None, f"alembic upgrade --sql failed: {said(printed)}"
        return printed.stdout, ""


def _named(revisions: Sequence[str]) -> str:
    return ", ".join(revisions) or "no revision"
