# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files brought to a server: checked beside, written, read by the server, and taken back where it will not."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.clock import Clock
from ..core.errors import CommandFailed, Interrupted, OpsError
from ..core.files import storage_errors, write_atomically
from ..core.waiting import Deadline, wait_until

# A line of YAML whose key says that its value is a secret; a key that ends with _file names a file.
_SECRET = re.compile(r"(?im)^([\s-]*[\"']?\w*(?:password|secret|token|key|credentials|api_url)[\"']?\s*:)[^\n]*\S[^\n]*$")
# Of new files: Prometheus, Alertmanager and Grafana run as users of their own, and nothing secret is in what is written.
_MODE = 0o644


@dataclass(frozen=True)
class Change:
    """A file as it is to be, and as it is, byte by byte (None where it is not there), with its mode and owner. These are kept: what was
    written by hand may hold a secret, and is put back as it was.
    """

    path: Path
    after: str
    before: bytes | None = None
    mode: int = _MODE
    owner: tuple[int, int] | None = None

    @property
    def needed(self) -> bool:
        """Whether anything is to be written."""
        return self.before != self.after.encode("utf-8")

    def write(self, content: bytes) -> None:
        """Put a content there.

        :raises StorageFailed: where it cannot be
        """
        write_atomically(self.path, content, mode=self.mode, owner=self.owner)


@dataclass(frozen=True)
class Server:
    """Who reads the files: ``reload`` has it read them, ``read_since`` is the Unix time at which it last did so successfully (None where
    that is not known), ``settled`` is true once what it read is in force.
    """

    reload: Callable[[], None]
    read_since: Callable[[], float | None]
    settled: Callable[[], bool]


def changes(wanted: Sequence[tuple[Path, str]]) -> list[Change]:
    """Compare with what is there.

    :raises StorageFailed: for a file that cannot be read
    """
    found = []
    for path, after in wanted:
        with storage_errors(path):
            if not path.exists():
                found.append(Change(path, after))
                continue
            seen = path.stat()
            owner = (seen.st_uid, seen.st_gid) if os.geteuid() == 0 else None  # nobody else may give files away
            found.append(Change(path, after, path.read_bytes(), stat.S_IMODE(seen.st_mode), owner))
    return found


def checked(build: Callable[[Path], Sequence[tuple[Path, str]]], check: Callable[[Path], None]) -> None:
    """Write what ``build`` gives for a folder of its own there, and have it checked; the folder is gone after.

    :raises OpsError: what ``check`` raises
    """
    with tempfile.TemporaryDirectory(prefix="evenkeel-check-") as folder:
        for path, text in build(Path(folder)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        check(Path(folder))


def bring(found: Sequence[Change], server: Server | None, clock: Clock, *, patience: float) -> bool:
    """Write what differs and have it read, also where an earlier run wrote it and nobody read it since.

    :returns: whether anything was done
    :raises CommandFailed: where the server will not have it; the files are as they were, and read again, then
    :raises TimedOut: where it took them and they are not in force in time; they stay
    """
    needed = [change for change in found if change.needed]
    if not needed and not (server and _unread(found, server)):
        return False
    for change in needed:
        _parent(change.path)
        change.write(change.after.encode("utf-8"))
    if server is None:
        return True
    try:
        server.reload()
    except (OpsError, Interrupted) as error:
        kept = _back(needed, server)
        if isinstance(error, Interrupted):
            raise
        raise CommandFailed(f"The new configuration was not read: {error.message}", hint=f"{kept}. Its log says why",
                            evidence=error.evidence) from error
    wait_until(server.settled, deadline=Deadline(clock, patience), what="the new configuration to be in force")
    return True


def as_diff(found: Sequence[Change]) -> dict[str, str]:
    """Ansible's diff of all files that differ; what looks like a secret in what was there is blanked out."""
    needed = [change for change in found if change.needed]
    before = [(change.path, (change.before or b"").decode("utf-8", "replace")) for change in needed]
    return {"before": "".join(f"# {path}\n{_SECRET.sub(_blank, text)}" for path, text in before),
            "after": "".join(f"# {change.path}\n{change.after}" for change in needed)}


def as_values(found: Sequence[Change]) -> list[dict[str, Any]]:
    """The rows of a result: path, and what was to be done with it."""
    return [{"path": str(change.path), "status": "created" if change.before is None else "changed" if change.needed else "unchanged"}
            for change in found]


def _blank(match: re.Match[str]) -> str:
    return f"{match[1]} ********"


def _unread(found: Sequence[Change], server: Server) -> bool:
    read = server.read_since()
    with storage_errors(found[0].path):
        return read is not None and any(change.path.stat().st_mtime > read for change in found)


def _back(needed: Sequence[Change], server: Server) -> str:
    for change in needed:
        if change.before is None:
            with storage_errors(change.path):
                change.path.unlink(missing_ok=True)
        else:
            change.write(change.before)
    try:
        server.reload()
    except OpsError as error:
        return f"The files are as they were, and it does not read those either ({error.message})"
    return "The files are as they were, and read again"


def _parent(path: Path) -> None:
    with storage_errors(path.parent):
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
