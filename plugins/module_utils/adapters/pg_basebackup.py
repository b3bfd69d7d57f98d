# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's physical backup: pg_basebackup into tar files, pg_verifybackup, pg_combinebackup, and unpacking for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ..core.errors import (
    AccessDenied,
    CommandFailed,
    Damaged,
    InvalidOption,
    NotFound,
    OpsError,
    StorageFailed,
    ToolMissing,
    Unreachable,
)
from .command import Commands
from .postgres_server import Installation, installation_for
from .tar import Tar

_NO_ZSTD = re.compile(r"(?i)zstd.*not supported by this build|build does not support.*zst|zstd compression is not supported")
_NO_SUMMARIES = re.compile(r"(?i)WAL summar")
_PAGE = re.compile(r'checksum verification failed in file "([^"]+)", block (\d+)')
_MORE = re.compile(r'file "([^"]+)" has a total of (\d+) checksum verification failure')
_SAID: tuple[tuple[str, type[OpsError], str], ...] = (
    (r"No space left on device|Disk quota exceeded", StorageFailed, "Free space there or raise the quota, then run again"),
    (r"Read-only file system|could not create (?:directory|file)", StorageFailed, "Give the user that runs this the right to it"),
    (r"authentication failed|no pg_hba.conf entry|permission denied|must be superuser or replication", AccessDenied,
     "Give the role LOGIN and REPLICATION, and pg_hba.conf a line for the database replication"),
    (r"number of requested standby connections exceeds|all replication slots are in use|all AUXILIARY", OpsError,
     "Raise max_wal_senders and max_replication_slots: a backup takes two of them"),
    (r"system identifier|timeline .* not found|incremental", InvalidOption, "Make a full backup: set pg_basebackup.type to full once"),
    (r"could not connect|connection to server|server closed the connection|timeout expired", Unreachable,
     "See whether the server runs and the network is up"),
)


class CommandsAs(Commands):
    """Programs as another account, where none is named."""

    def __init__(self, account: str | None) -> None:
        self.account = account

    def start(self, argv: Sequence[str], **keywords: Any) -> Any:
        """As `Commands.start`, in a folder that the account can enter."""
        return super().start(argv, **{**keywords, "user": keywords.get("user") or self.account, "cwd": keywords.get("cwd") or "/"})


class ClusterTar(Tar):
    """Unpacks a cluster's tar files for the account that is to own them: owners in the archive are those of another host."""

    def unpack(self, feed: Callable[[IO[bytes]], None], target: Path, *, timeout: float) -> None:
        """Below ``target``, which exists and belongs to the account.

        :raises CommandFailed: when tar cannot read it, or not write
        :raises TimedOut: after ``timeout`` seconds
        """
        self._consume([self.program, "--extract", "--file=-", f"--directory={target}", "--no-same-owner", "--preserve-permissions",
                       "--delay-directory-restore"], feed, timeout)


class BaseBackupPrograms:
    """Finds the programs; ``folders`` come before the usual places."""

    def __init__(self, commands: Commands, folders: Sequence[str] = ()) -> None:
        self._commands, self._folders = commands, tuple(folders)

    def client_for(self, major: int) -> BaseBackupClient:
        """The client of the server's major, else the nearest newer one.

        :raises ToolMissing: names what is there and the package to install
        """
        found = installation_for(self._commands, major, program="pg_basebackup", folders=self._folders)
        return BaseBackupClient(self._commands, found)


class BaseBackupClient:
    """The programs of one installation."""

    def __init__(self, commands: Commands, installation: Installation) -> None:
        self._commands = commands
        self.installation = installation

    @property
    def major(self) -> int:
        """17 for 17.2."""
        return self.installation.major

    @property
    def version(self) -> str:
        """``17.2``."""
        return ".".join(map(str, self.installation.version))

    def copy(self, folder: Path, *, environment: Mapping[str, str], level: int | None, workers: int, parent: Path | None,
             timeout: float, sync: bool, watch: Callable[[], None] | None = None) -> bool:
        """Copy the cluster into tar files below ``folder``, which must not exist or be empty, with the log that it takes to be
        consistent. ``level`` asks the server to compress with zstd; ``parent`` is the backup_manifest that an incremental copy
        rests on. False where the server's build has no zstd: nothing was copied then.

        :raises Damaged: where the source's page checksums do not fit; names file and block
        :raises NotFound: where the server has no summaries of the log since the parent
        :raises OpsError: by what pg_basebackup said
        """
        argv = [self.installation.program("pg_basebackup"), f"--pgdata={folder}", "--format=tar", "--wal-method=stream",
                "--checkpoint=fast", "--label=evenkeel.ops", "--no-password", "--manifest-checksums=CRC32C"]
        if level is not None:
            argv.append(f"--compress=server-zstd:level={level},workers={workers}")
        if parent is not None:
            argv.append(f"--incremental={parent}")
        if not sync:
            argv.append("--no-sync")
        try:
            self._commands.run(argv, timeout=timeout, env=environment, watch=watch)
        except CommandFailed as error:
            said = str(error.evidence.get("stderr", ""))
            if level is not None and _NO_ZSTD.search(said):
                return False
            if parent is not None and _NO_SUMMARIES.search(said):
                raise NotFound("The server has no summaries of its log since the backup that this one was to rest on",
                               hint="Make a full one; raise wal_summary_keep_time", evidence=error.evidence) from error
            raise _in_our_words(error) from error
        return True

    def verify(self, data: Path, *, timeout: float) -> None:
        """pg_verifybackup of an unpacked copy: every file against the manifest, and the log that it needs.

        :raises Damaged: names what is wrong
        """
        try:
            self._commands.run([self.installation.program("pg_verifybackup"), "--quiet", str(data)], timeout=timeout)
        except CommandFailed as error:
            raise Damaged(f"pg_verifybackup: {_short(error)}", hint="Restore from another backup", evidence=error.evidence) from error

    def combine(self, parts: Sequence[Path], target: Path, moved: Mapping[Path, Path], *, timeout: float) -> None:
        """pg_combinebackup of a full copy and its incremental ones, oldest first, into ``target``; ``moved`` are tablespaces.

        :raises Damaged: when they do not fit together
        """
        argv = [self.installation.program("pg_combinebackup"), f"--output={target}", "--no-sync", "--manifest-checksums=NONE",
                *(f"--tablespace-mapping={old}={new}" for old, new in moved.items()), *map(str, parts)]
        try:
            self._commands.run(argv, timeout=timeout)
        except CommandFailed as error:
            if "No space left" in str(error.evidence.get("stderr", "")):
                raise
            raise Damaged(f"pg_combinebackup: {_short(error)}", hint="Restore from another chain", evidence=error.evidence) from error


def client_from(commands: Commands, version: str, folders: Sequence[str]) -> BaseBackupClient:
    """The programs of the major version that made a copy.

    :raises ToolMissing: names what is there and the package to install
    """
    found = re.match(r"\d+", version)
    client = BaseBackupPrograms(commands, folders).client_for(int(found[0]) if found else 0)
    if found and client.major != int(found[0]):
        raise ToolMissing(f"A copy by pg_basebackup {found[0]} is read by the programs of {found[0]}; the nearest here is {client.major}",
                          hint=f"Install the package postgresql-client-{found[0]}")
    return client


def _in_our_words(error: CommandFailed) -> OpsError:
    said = str(error.evidence.get("stderr", ""))
    pages = _PAGE.findall(said)
    if pages:
        totals = dict(_MORE.findall(said))
        named = "; ".join(f"{file} block {block}" for file, block in pages)
        rest = "; ".join(f"{file}: {count} in all" for file, count in totals.items())
        return Damaged(f"The source itself is damaged, page checksums do not fit: {named}{f' ({rest})' if rest else ''}",
                       evidence={"pages": [list(page) for page in pages], "totals": totals},
                       hint="No backup was made, earlier ones are kept. Find what is hit (pg_filenode_relation), restore it from a backup "
                            "made before, and look at the disk")
    for pattern, kind, hint in _SAID:
        line = next((line for line in said.splitlines() if re.search(pattern, line)), None)
        if line:
            return kind(f"The backup failed: {line}", hint=hint, evidence=error.evidence)
    return error


def _short(error: CommandFailed) -> str:
    lines = [line for line in str(error.evidence.get("stderr", "")).splitlines() if line.strip()]
    return "; ".join(line.partition("error: ")[2] or line for line in lines[:5]) or error.message
