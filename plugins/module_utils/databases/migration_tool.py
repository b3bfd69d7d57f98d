# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What migrates a database: Alembic, or commands of the operator's own. Argument lists, never a shell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..core.errors import CommandFailed, InvalidOption, Refused

_NAMES_AN_ERROR = re.compile(r"^[\w.]*(?:Error|Exception|errors\.\w+|Timeout)\b|\b(?:ERROR|FATAL|FAILED):")


class Printed(Protocol):
    """`adapters.command.Completed`."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float


class Commands(Protocol):
    """Commands against one database (`adapters.migration_commands.MigrationCommands`); a failed one is an answer too."""

    target: str
    address_hint: str

    def run(self, argv: Sequence[str]) -> Printed:
        """Run to the end, with the address and the timeouts in the environment."""

    def recorded_revisions(self) -> tuple[str, ...]:
        """What the version table says, sorted; empty where there is none."""

    def elsewhere(self) -> Sequence[Commands]:
        """The same commands with addresses where nothing is."""


@dataclass(frozen=True)
class Pending:
    """A step that is outstanding, by the tool's own name for it."""

    name: str
    message: str = ""


@dataclass(frozen=True)
class State:
    """Where a database stands: ``revisions`` it has (empty for a tool that counts none), what is ``pending``, the ``target``."""

    revisions: tuple[str, ...]
    pending: tuple[Pending, ...]
    target: tuple[str, ...] = ()


class Tool(Protocol):
    """How one tool is asked and told; ``version_table`` is where it keeps what it did, empty where it keeps nothing."""

    name: str
    version_table: str

    def state(self, commands: Commands) -> State:
        """Where the database stands.

        :raises CommandFailed: where the tool cannot tell
        :raises Refused: where it speaks of another database, or of revisions that it does not know
        """

    @property
    def probe(self) -> list[str]:
        """A command that reads the database and changes nothing."""

    def upgrade(self, state: State) -> list[list[str]]:
        """The commands that do what is pending."""

    def downgrade(self, before: Sequence[str]) -> list[list[str]]:
        """The commands that lead back to these revisions; none where there is no way."""

    def sql(self, commands: Commands, state: State) -> tuple[str | None, str]:
        """The SQL of what is pending, or None and why there is none."""


class CommandList:
    """Commands of the operator's own. ``pending`` prints one line for each outstanding step and ends with status 0."""

    name = "commands"
    version_table = ""

    def __init__(self, commands: Sequence[Sequence[str]], pending: Sequence[str], rollback: Sequence[Sequence[str]] = ()) -> None:
        for option, lists in (("commands", commands), ("pending", [pending]), ("rollback_commands", rollback)):
            for argv in lists:
                if not argv or not all(isinstance(word, str) for word in argv) or not argv[0]:
                    raise InvalidOption(f"{option}: {list(argv)!r} is no command", hint="Write each as a list: [program, argument]")
        if not commands:
            raise InvalidOption("commands: there is none", hint="Give the commands that migrate, or tool alembic")
        self._commands, self._pending = [list(argv) for argv in commands], list(pending)
        self._rollback = [list(argv) for argv in rollback]

    def state(self, commands: Commands) -> State:
        """See `Tool`."""
        printed = commands.run(self._pending)
        if printed.returncode:
            raise CommandFailed(f"The command in pending ended with status {printed.returncode}: {said(printed)}",
                                hint="It has to end with 0 and print one line for each step that is outstanding; nothing was done",
                                evidence={"argv": self._pending, "printed": said(printed, 20)})
        return State((), tuple(Pending(line.strip()) for line in printed.stdout.splitlines() if line.strip()))

    @property
    def probe(self) -> list[str]:
        """See `Tool`."""
        return self._pending

    def upgrade(self, state: State) -> list[list[str]]:
        """See `Tool`."""
        return self._commands

    def downgrade(self, before: Sequence[str]) -> list[list[str]]:
        """See `Tool`."""
        return self._rollback

    def sql(self, commands: Commands, state: State) -> tuple[str | None, str]:
        """See `Tool`."""
        return None, "the SQL of commands is not known before they run"


def prove_address(tool: Tool, commands: Commands) -> None:
    """Prove that a tool goes where it is sent, before it is told to change a copy: where nothing is, it must fail. A tool with an
    address of its own would not, and would migrate the database itself in place of the copy.

    :raises Refused: where it goes elsewhere
    """
    for nowhere in commands.elsewhere():
        printed = nowhere.run(tool.probe)
        if printed.returncode == 0:
            raise Refused(f"{tool.name} does not go where the address that it is given leads: it found a database at {nowhere.target}, "
                          "where there is none. The rehearsal would have migrated another database",
                          hint=f"{commands.address_hint} Nothing was done", evidence={"argv": tool.probe, "printed": said(printed, 20)})


def said(printed: Any, lines: int = 1) -> str:
    """The last lines of what a command said, errors before the rest; of one line, the last that names an error: what follows it may be
    no more than where to read about it.
    """
    words = [line.strip() for line in (printed.stderr.strip() or printed.stdout.strip()).splitlines() if line.strip()]
    if lines == 1:
        words = [line for line in words if _NAMES_AN_ERROR.search(line)] or words
    return "\n".join(words[-lines:])[:4000] or "it printed nothing"
