# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""pgBackRest: its commands on one stanza, run as the account that owns the cluster, and its errors in our words.

Everything that is secret stands in its configuration file (`pgbackrest_config`), never in arguments or environment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..core import progress
from ..core.errors import (
    AccessDenied,
    Busy,
    CommandFailed,
    Damaged,
    InvalidOption,
    NotFound,
    OpsError,
    Refused,
    StorageFailed,
    TimedOut,
    ToolMissing,
    Unreachable,
)
from .command import Commands

# The codes of pgBackRest's src/build/error/error.yaml, as they stand in "ERROR: [050]: …".
_KINDS: dict[int, tuple[type[OpsError], str]] = {
    26: (Damaged, "A file of the repository is not what was written: restore from another copy"),
    28: (Damaged, "A file of the repository cannot be used: see the evidence"),
    29: (Damaged, "A file of the repository cannot be read: see the evidence"),
    31: (InvalidOption, "Correct the configuration of the stanza (backups.prepare)"),
    32: (InvalidOption, "Correct the configuration of the stanza (backups.prepare)"),
    37: (InvalidOption, "Correct the configuration of the stanza (backups.prepare)"),
    38: (Refused, "A server runs in this data directory: stop it, or restore elsewhere"),
    40: (Refused, "Nothing was overwritten: choose an empty folder, or move away by hand what is there"),
    41: (StorageFailed, "Give the account of the server the right to it"),
    44: (Damaged, "The stanza is of another cluster: make a new stanza for a new cluster"),
    46: (ToolMissing, "Install a pgBackRest that knows this major version of PostgreSQL"),
    47: (StorageFailed, "Give the account of the server the right to it, or choose another path"),
    50: (Busy, "Another pgBackRest works on this stanza: wait for it"),
    51: (Damaged, "The stanza is of another cluster: make a new stanza for a new cluster"),
    53: (StorageFailed, "Give the account of the server the right to it"),
    55: (NotFound, "Prepare the stanza first (backups.prepare)"),
    56: (Unreachable, "See that the server runs, and that the account of the server may log in on its socket (peer)"),
    62: (Refused, "pgbackrest start allows it again"),
    64: (StorageFailed, "See free space and the state of the disk"),
    68: (InvalidOption, "archive_command is not the stanza's: prepare it (backups.prepare)"),
    75: (Busy, "pgBackRest deletes it when there is another full copy"),
    80: (Unreachable, "See that the server runs, and that the account of the server may log in on its socket (peer)"),
    81: (InvalidOption, "The stanza is configured for another server: see data directory, port and stanza"),
    82: (TimedOut, "WAL does not arrive in the repository: see the server's log for what archive_command says"),
    87: (InvalidOption, "Prepare the stanza (backups.prepare), and restart the server where it says so"),
    95: (Damaged, "The passphrase is another than that of the repository, or the repository was altered"),
}
_ERROR = re.compile(r"ERROR: \[(\d+)\]: (.*)")
_PAGES = re.compile(r"invalid page checksums? found in file (\S.*?) at pages? ([\d, -]+)")
# "backup file /srv/data/base/1/1255 (608KB, 2.60%)", of level DETAIL
_FAR = re.compile(r"(?:backup|restore) file .* \([^()]*, (\d+(?:\.\d+)?)%\)")
_LABEL = re.compile(r"\d{8}-\d{6}F(?:_\d{8}-\d{6}[DI])?", re.ASCII)
_STANZA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def checked_stanza(name: str | None) -> str:
    """A stanza's name that is safe in an option, a section header and a path.

    :raises InvalidOption: when it is not
    """
    if not name or not _STANZA.fullmatch(name):
        raise InvalidOption(f"pgbackrest.stanza: {name!r} cannot name a stanza",
                            hint="Use up to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit")
    return name


def tablespaces_of(data: Path) -> Path:
    """Where the tablespaces of a restored data directory come to: never where the source has its own."""
    return data.with_name(f"{data.name}-tablespaces")


class PgBackRest:
    """The commands on one stanza. ``account`` is the cluster's, None where this process is it.

    :raises ToolMissing: where pgBackRest is not installed
    """

    def __init__(self, commands: Commands, *, config: str, stanza: str, account: str | None) -> None:
        self._commands = commands
        self.program = commands.find("pgbackrest", package="pgbackrest")
        self.config = config
        self.stanza = checked_stanza(stanza)
        self.account = account

    @property
    def version(self) -> str:
        """``2.45``."""
        printed = self._commands.run([self.program, "version"], timeout=10).stdout
        found = re.search(r"\d+(?:\.\d+)*", printed)
        if not found:
            raise ToolMissing(f"{self.program} does not tell its version", hint="See that it is pgBackRest")
        return found[0]

    def info(self, *, timeout: float = 120) -> dict[str, Any]:
        """What ``info --output=json`` says of this stanza: ``backup`` (oldest first), ``archive``, ``db``, ``status``."""
        [stanza] = _first_json(self._run("info", ["--output=json"], timeout=timeout).stdout)
        return stanza

    def create_stanza(self, *, timeout: float) -> None:
        """Make the stanza, or see that it is as it was."""
        self._run("stanza-create", [], timeout=timeout)

    def check(self, *, timeout: float) -> None:
        """Have a WAL segment archived, and see it arrive."""
        self._run("check", [], timeout=timeout)

    def backup(self, kind: str, *, jobs: int, timeout: float) -> list[tuple[str, str]]:
        """Make a ``full``, ``diff`` or ``incr`` copy; gives the damaged pages of the source as (file, pages)."""
        done = self._run("backup", [f"--type={kind}", f"--process-max={jobs}", "--start-fast", "--no-expire-auto"], timeout=timeout,
                         follow=_tell if progress.watched() else None)
        return [(match[1], match[2]) for match in _PAGES.finditer(done.stderr)]

    def verify(self, *, jobs: int, timeout: float) -> tuple[str, str]:
        """Read everything in the stanza: the report of ``verify --output=text --verbose``, and the log that names what is bad.

        Up to 2.45 its exit status is 0 whatever it finds.
        """
        done = self._run("verify", ["--output=text", "--verbose", f"--process-max={jobs}", "--log-level-stderr=info"], timeout=timeout)
        return done.stdout, done.stderr

    def segments(self, *, timeout: float) -> dict[str, list[str]]:
        """The WAL segments in the archive, sorted, by archive id (``15-1``)."""
        listed = _first_json(self._run("repo-ls", ["--recurse", "--output=json", f"archive/{self.stanza}"], timeout=timeout).stdout)
        found: dict[str, list[str]] = {}
        for path in listed:
            parts = path.split("/")
            if len(parts) == 3 and re.fullmatch(r"[0-9A-F]{24}-[0-9a-f]{40}(\.\w+)?", parts[2]):
                found.setdefault(parts[0], []).append(parts[2][:24])
        return {archive: sorted(names) for archive, names in found.items()}

    def expire(self, label: str, *, timeout: float) -> None:
        """Delete a copy and those that rest on it, and the WAL that nothing needs any more."""
        if not _LABEL.fullmatch(label):
            raise InvalidOption(f"{label!r} is no label of pgBackRest", hint="The manifest was altered")
        self._run("expire", [f"--set={label}"], timeout=timeout)

    def restore(self, label: str, target: Path, *, jobs: int, timeout: float) -> None:
        """Restore a copy into an empty folder that belongs to the account, every file checked against its SHA-1. Tablespaces come
        to a folder beside it. Recovery goes to the end of the log, where the server is not told otherwise when it starts.
        """
        if not _LABEL.fullmatch(label):
            raise InvalidOption(f"{label!r} is no label of pgBackRest", hint="The manifest was altered")
        self._run("restore", [f"--set={label}", f"--pg1-path={target}", f"--process-max={jobs}",
                              f"--tablespace-map-all={tablespaces_of(target)}"], timeout=timeout,
                  follow=_tell if progress.watched() else None)

    def _run(self, command: str, options: Sequence[str], *, timeout: float, follow: Callable[[str], bool] | None = None) -> Any:
        argv = [self.program, f"--config={self.config}", f"--stanza={self.stanza}", f"--log-level-console={'detail' if follow else 'off'}",
                *([] if any(one.startswith("--log-level-stderr") for one in options) else ["--log-level-stderr=warn"]),
                "--no-log-timestamp", command, *options]
        try:
            return self._commands.run(argv, timeout=timeout, user=self.account, cwd="/", follow=follow)
        except CommandFailed as error:
            raise _in_our_words(error, command) from error


def _tell(line: str) -> bool:
    """Whether the line only says how far pgBackRest is; if so that is told."""
    found = _FAR.search(line)
    if found:
        progress.reach_share(float(found[1]) / 100)
    return bool(found)


def _first_json(text: str) -> Any:
    try:
        return json.JSONDecoder().raw_decode(text.lstrip())[0]
    except ValueError as error:
        raise CommandFailed("pgBackRest did not answer in JSON", hint="See that it is version 2.45 or newer",
                            evidence={"printed": text[:500]}) from error


def _in_our_words(error: CommandFailed, command: str) -> OpsError:
    said = str(error.evidence.get("stderr", ""))
    found = _ERROR.search(said)
    if not found:
        return error
    number, message = int(found[1]), found[2]
    if "ermission denied" in said:
        return AccessDenied(f"pgBackRest {command}: {message}", hint="Give the account of the server the right to it",
                            evidence=error.evidence)
    if "No space left" in said:
        return StorageFailed(f"pgBackRest {command}: {message}", hint="Free space there, then run again", evidence=error.evidence)
    kind, hint = _KINDS.get(number, (CommandFailed, "The end of what it said is in the evidence"))
    return kind(f"pgBackRest {command}: {message}", hint=hint, evidence={**error.evidence, "code": number})
