# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL cluster seen from its host and from far: its control file, its stop, whether anything answers for it."""

from __future__ import annotations

import errno
import os
import pwd
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import AccessDenied, CommandFailed, InvalidOption, NotFound, OpsError
from ..core.files import storage_errors, sync_folder
from .command import Commands
from .postgres import PostgresTarget, connect
from .postgres_server import Installation, installation_for

_SIGNAL = "standby.signal"  # PostgreSQL documentation, section 26.2.4: with it a server starts as a standby, whoever starts it


@dataclass(frozen=True)
class Control:
    """What pg_controldata says: ``state`` (as ``shut down``), the newest checkpoint in bytes of WAL, timeline, identifier."""

    state: str
    checkpoint: int
    timeline: int
    system_identifier: str


class Cluster:
    """The data directory of a server on this host.

    :raises NotFound: where there is none
    :raises ToolMissing: without programs of its major version
    :raises AccessDenied: where this account is neither its owner nor root
    """

    def __init__(self, commands: Commands, data: str | os.PathLike[str], *, folders: Sequence[str] = ()) -> None:
        self._commands, self.data = commands, Path(data)
        with storage_errors(self.data):
            try:
                major = int((self.data / "PG_VERSION").read_text(encoding="ascii"))
            except (FileNotFoundError, NotADirectoryError) as error:
                raise NotFound(f"{self.data} is no data directory of a PostgreSQL server",
                               hint="Ask the server: SHOW data_directory") from error
            except ValueError as error:
                raise InvalidOption(f"{self.data}/PG_VERSION names no version", hint="See whether that is the data directory") from error
            owner = self.data.stat().st_uid
        if os.geteuid() not in (0, owner):
            raise AccessDenied(f"{self.data} belongs to another account", hint=f"Run this as {_name(owner)} or root (become)")
        self._user = _name(owner) if os.geteuid() == 0 else None
        self._owner = owner
        self._programs: Installation = installation_for(commands, major, program="pg_ctl", folders=folders)
        if self._programs.major != major:
            raise NotFound(f"pg_ctl of PostgreSQL {major} is not on this host", hint=f"Install postgresql-{major}, or set bin_dir")

    @property
    def running(self) -> bool:
        """Whether a server runs in it, by pg_ctl's status (0 it does, 3 it does not)."""
        done = self._commands.run([self._programs.program("pg_ctl"), "status", "-D", str(self.data)], timeout=30, user=self._user,
                                  cwd="/", check=False)
        if done.returncode not in (0, 3):
            raise CommandFailed(f"pg_ctl cannot tell whether a server runs in {self.data}: {(done.stderr or done.stdout).strip()[-300:]}",
                                hint="Look for a postmaster by hand (ps), and stop it")
        return done.returncode == 0

    @property
    def held_as_standby(self) -> bool:
        """Whether it would start as a standby."""
        return (self.data / _SIGNAL).exists()

    def control(self) -> Control:
        """The control file.

        :raises CommandFailed: where it cannot be read
        """
        said = self._commands.run([self._programs.program("pg_controldata"), "-D", str(self.data)], timeout=30, user=self._user,
                                  cwd="/").stdout
        fields = {key.strip(): value.strip() for key, _colon, value in (line.partition(":") for line in said.splitlines())}
        try:
            return Control(fields["Database cluster state"], _position(fields["Latest checkpoint location"]),
                           int(fields["Latest checkpoint's TimeLineID"]), fields["Database system identifier"])
        except (KeyError, ValueError) as error:
            raise CommandFailed(f"pg_controldata of {self.data} says something else than is known", hint="See bin_dir") from error

    def hold_as_standby(self) -> None:
        """See to it that whatever starts the server again starts a standby, which takes no writes.

        :raises StorageFailed: where that cannot be written
        """
        path = self.data / _SIGNAL
        with storage_errors(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                if os.geteuid() == 0:
                    os.fchown(descriptor, self._owner, -1)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(self.data)

    def stop(self, *, timeout: float) -> None:
        """A fast shutdown: sessions are ended, and connected standbys get all of the WAL first.

        :raises CommandFailed, TimedOut: where it does not stop
        """
        self._commands.run([self._programs.program("pg_ctl"), "stop", "-D", str(self.data), "-m", "fast", "-w",
                            "-t", str(int(timeout) or 1)], timeout=timeout + 10, user=self._user, cwd="/")


def seen_from_here(target: PostgresTarget) -> tuple[str, str]:
    """What a server is, in the words of `recovery.failover.ROLES`, and what was seen.

    Every address of its host is tried; where one of them accepts a connection, something lives there.
    """
    said, refused, silent, answers = [], False, False, False
    for family, address in _addresses(target):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.settimeout(max(2, target.connect_timeout))
                probe.connect(address)
                answers = True
        except OSError as error:
            refused |= isinstance(error, (ConnectionRefusedError, FileNotFoundError))
            # This host has no way to such addresses at all (no IPv6): that says nothing of the other side.
            silent |= not isinstance(error, (ConnectionRefusedError, FileNotFoundError)) \
                and error.errno not in (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
            said.append(f"{_told(address)}: {error.strerror or error}")
    if not answers:
        return ("down" if refused and not silent else "silent"), "; ".join(said) or f"{target.host} cannot be resolved"
    try:
        with connect(target, statement_timeout=max(2, target.connect_timeout)) as session:
            return ("standby" if session.value("SELECT pg_is_in_recovery()") else "primary"), target.name
    except OpsError as error:
        return "alive", error.message


def _addresses(target: PostgresTarget) -> list[tuple[int, object]]:
    if not target.host or target.host.startswith("/"):
        return [(socket.AF_UNIX, f"{target.host or '/var/run/postgresql'}/.s.PGSQL.{target.port}")]
    try:
        return [(family, address) for family, _type, _protocol, _name, address
                in socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def _told(address: object) -> str:
    return address if isinstance(address, str) else f"{address[0]}:{address[1]}"


def _position(text: str) -> int:
    """``0/3000028`` as bytes."""
    match = re.fullmatch(r"([0-9A-Fa-f]+)/([0-9A-Fa-f]+)", text)
    if not match:
        raise ValueError(text)
    return int(match[1], 16) << 32 | int(match[2], 16)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
