# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preparing a server for pgBackRest: its configuration, the stanza, and archiving. Look, plan, act; what is as it must be stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..core.errors import InvalidOption, OpsError
from ..core.finding import Finding, Status
from ..core.quantities import format_duration
from .wal_archive import Archiving, Session, judge_archiving, observe_archiving

# What PostgreSQL reads only when it starts.
_AT_START = ("archive_mode", "wal_level")
MISSING = 1  # pgBackRest's status code for a stanza that does not exist in the repository


class Server(Session, Protocol):
    """A session that may also change settings (`adapters.archiving_settings.SettingsSession`)."""

    def alter_system(self, name: str, value: str) -> None:
        """Write it to postgresql.auto.conf."""

    def reload(self) -> None:
        """Have the server read its configuration again."""


class Programs(Protocol):
    """`adapters.pgbackrest.PgBackRest`."""

    def info(self) -> dict[str, Any]:
        """What is known of the stanza."""

    def create_stanza(self, *, timeout: float) -> None:
        """Make it."""

    def check(self, *, timeout: float) -> None:
        """Archive a segment, and see it arrive."""


class Configuration(Protocol):
    """The file, as it is and as it shall be (secrets hidden in what can be shown)."""

    @property
    def due(self) -> bool:
        """Whether it must be written."""

    @property
    def diff(self) -> dict[str, str]:
        """Ansible's before and after."""

    def write(self) -> None:
        """Write it."""


@dataclass(frozen=True)
class ArchivingPolicy:
    """``command`` is archive_command, ``timeout`` and ``ceiling`` seconds: how often a segment is closed, and what may be lost."""

    command: str
    timeout: float
    ceiling: float

    @classmethod
    def checked(cls, command: str, timeout: float, ceiling: float) -> ArchivingPolicy:
        """:raises InvalidOption: where the ceiling could not be kept"""
        if not 1 <= timeout < ceiling:
            raise InvalidOption(f"archive_timeout: {format_duration(timeout)} does not keep archive_age, {format_duration(ceiling)}",
                                hint="Give a second or more, and less than archive_age: the segment has to arrive too")
        return cls(command, timeout, ceiling)

    def settings(self, seen: Archiving) -> dict[str, str]:
        """What must be changed, by name."""
        wanted = {"archive_command": self.command, "archive_timeout": str(int(self.timeout))}
        there = {**seen.settings, **seen.written}
        if there.get("archive_mode") not in ("on", "always"):
            wanted["archive_mode"] = "on"
        if there.get("wal_level") == "minimal":
            wanted["wal_level"] = "replica"
        return {name: value for name, value in wanted.items() if value not in (seen.settings.get(name), seen.written.get(name))}


@dataclass(frozen=True)
class Prepared:
    """``actions`` is what was done, or would be; ``restart`` the settings that wait for a restart of the server."""

    actions: tuple[str, ...]
    restart: tuple[str, ...]
    findings: tuple[Finding, ...]
    settings: Mapping[str, str]
    ready: bool


def prepare(stanza: str, configuration: Configuration, programs: Programs, server: Server, policy: ArchivingPolicy, *, timeout: float,
            wait_for: Callable[[Callable[[], bool]], bool], check_mode: bool = False) -> Prepared:
    """Bring file, stanza and settings to what they must be, in that order: a server is never told to archive into a stanza that
    does not exist. ``wait_for`` waits for a predicate to come true.

    :raises OpsError: when a step fails; the steps before it stay done, and the next run goes on
    """
    actions: list[str] = []
    seen = observe_archiving(server, files=True)
    changes = {name: value for name, value in policy.settings(seen).items() if name not in seen.fixed}
    missing = _missing(programs, configuration)
    if configuration.due:
        actions.append("write the configuration")
    if missing:
        actions.append("create the stanza")
    actions += [f"set {name}" for name in sorted(changes)]
    if check_mode:
        return Prepared(tuple(actions), _restarts(seen, changes), tuple(_fixed(stanza, seen, policy)), changes, False)
    if configuration.due:
        configuration.write()
        missing = _missing_now(programs)
    if missing:
        programs.create_stanza(timeout=timeout)
    for name, value in sorted(changes.items()):
        server.alter_system(name, value)
    if changes:
        server.reload()
        wait_for(lambda: _in_force(observe_archiving(server, files=True), changes))
        seen = observe_archiving(server, files=True)
    restart = _restarts(seen, {})
    findings = [*_fixed(stanza, seen, policy), *_told(stanza, restart)]
    ready = seen.on and not restart
    if ready:
        findings += [*judge_archiving(stanza, seen, ceiling=policy.ceiling), _proven(stanza, programs, timeout)]
    return Prepared(tuple(actions), restart, tuple(findings), changes, ready)


def _missing(programs: Programs, configuration: Configuration) -> bool:
    """Whether the stanza has to be made; where the file is not there yet nobody can ask."""
    try:
        return _missing_now(programs)
    except OpsError:
        if configuration.due:
            return True
        raise


def _missing_now(programs: Programs) -> bool:
    return programs.info()["status"]["code"] == MISSING


def _in_force(seen: Archiving, changes: Mapping[str, str]) -> bool:
    return all(seen.settings.get(name) in (value, "(disabled)") or name in seen.pending for name, value in changes.items())


def _restarts(seen: Archiving, changes: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted({*(name for name in changes if name in _AT_START), *seen.pending}))


def _told(stanza: str, restart: tuple[str, ...]) -> list[Finding]:
    if not restart:
        return []
    return [Finding("backup.stanza", stanza, Status.WARN, f"{' and '.join(restart)} changed, and take a restart of the server: nothing is "
                    "archived until then", list(restart), [], hint="Restart the server at a time that suits, then run this again")]


def _fixed(stanza: str, seen: Archiving, policy: ArchivingPolicy) -> list[Finding]:
    """Settings that the server's command line gives win over those that can be written."""
    held = sorted(name for name in policy.settings(seen) if name in seen.fixed)
    return [Finding("backup.stanza", stanza, Status.FAIL, f"{name} is given on the server's command line and cannot be changed",
                    seen.settings.get(name), policy.settings(seen)[name],
                    hint="Take it out of the unit or script that starts the server, restart it, and run this again") for name in held]


def _proven(stanza: str, programs: Programs, timeout: float) -> Finding:
    try:
        programs.check(timeout=timeout)
    except OpsError as error:
        return Finding("backup.stanza", stanza, Status.FAIL, error.message, hint=error.hint)
    return Finding("backup.stanza", stanza, Status.PASS, "a segment of the log was archived and arrived in the repository")
