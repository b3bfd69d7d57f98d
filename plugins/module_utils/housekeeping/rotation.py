# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring log sets into logrotate's folder, rotate what is due, and judge the logs."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import Refused, StorageFailed
from ..core.files import storage_errors, sync_folder, write_atomically
from ..core.finding import Finding, Status
from .logs import HEADER, LogSet, fixed_folder, judge_log
from .roots import CleaningRoots
from .tree import shown


class Rotator(Protocol):
    """What is wanted of logrotate: `adapters.logrotate.Logrotate`."""

    def check(self, texts: Mapping[str, str], *, config_dir: str, leaving: Sequence[str]) -> None:
        """Raise where the configurations would not do."""

    def due(self, texts: Mapping[str, str], state: str) -> dict[str, str]:
        """Path of each log to ``""`` (due) or why not."""

    def rotate(self, files: Sequence[str], state: str, *, force: bool) -> list[str]:
        """Rotate; gives complaints."""


@dataclass(frozen=True)
class ConfigChange:
    """A set's file as it is and as it should be; None is no file."""

    log_set: LogSet
    path: str
    before: str | None
    after: str | None

    @property
    def needed(self) -> bool:
        """Whether there is anything to do."""
        return self.before != self.after


@dataclass(frozen=True)
class Log:
    """A log that a set's patterns match: its size, (device, inode)."""

    path: str
    bytes: int
    identity: tuple[int, int]
    log_set: LogSet


@dataclass
class Rotation:
    """``logs`` are dictionaries of ``path``, ``bytes``, ``status`` (rotated, planned, not_due, configured, link, missing)."""

    logs: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def rotated(self) -> int:
        """How many were, or would be, rotated."""
        return sum(log["status"] in ("rotated", "planned") for log in self.logs)


def plan_configs(sets: Sequence[LogSet], config_dir: str, *, adopt: bool) -> list[ConfigChange]:
    """Compare the sets with the files in logrotate's folder.

    :raises StorageFailed: when the folder or a file cannot be read
    :raises Refused: for a file of that name which is not ours, unless it is to be adopted
    """
    changes = []
    with storage_errors(config_dir):
        os.listdir(config_dir)
        for log_set in sets:
            path = Path(config_dir) / log_set.name
            try:
                before = path.read_text(encoding="utf-8", errors="surrogateescape")
            except FileNotFoundError:
                before = None
            if before is not None and not before.startswith(HEADER) and not adopt:
                raise Refused(f"{path} was not written by us", hint="Name the set otherwise; or adopt the file, which replaces it",
                              evidence={"path": str(path), "content": before[:2000].encode("utf-8", "replace").decode()})
            changes.append(ConfigChange(log_set, str(path), before, log_set.render() if log_set.present else None))
    return changes


def write_configs(changes: Sequence[ConfigChange]) -> None:
    """Put the files in place, each at once or not at all; they were checked before.

    :raises StorageFailed: when one cannot be written
    """
    for change in changes:
        if change.needed and change.after is not None:
            write_atomically(change.path, change.after.encode(), mode=0o644)
        elif change.needed:
            with storage_errors(change.path):
                Path(change.path).unlink(missing_ok=True)
            sync_folder(Path(change.path).parent)


def find_logs(sets: Sequence[LogSet], roots: CleaningRoots) -> tuple[list[Log], list[tuple[str, LogSet]], list[str]]:
    """What the patterns match, the patterns that match nothing, and symbolic links, which logrotate leaves alone.

    :raises Refused: where a folder on the way is a link that leads out of the roots
    """
    logs: dict[str, Log] = {}
    without, links = [], []
    for log_set in sets:
        for pattern in log_set.paths if log_set.present else ():
            _stay_inside(fixed_folder(pattern), roots)
            before = len(logs) + len(links)
            for path in sorted(glob.glob(pattern)):
                _stay_inside(os.path.dirname(path), roots)
                try:
                    found = os.lstat(path)
                except OSError:
                    continue
                if stat.S_ISLNK(found.st_mode):
                    links.append(path)
                elif stat.S_ISREG(found.st_mode):
                    logs.setdefault(path, Log(path, found.st_size, (found.st_dev, found.st_ino), log_set))
            if len(logs) + len(links) == before:
                without.append((pattern, log_set))
    return list(logs.values()), without, links


def rotate(changes: Sequence[ConfigChange], rotator: Rotator, roots: CleaningRoots, *, state: str, force: bool,
           act: bool) -> tuple[dict[str, str], list[str]]:
    """Rotate what is due (all with ``force``), or with ``act`` False say what would be.

    :returns: the status of each log (rotated, planned, not_due), and logrotate's complaints
    :raises StorageFailed: when the folder of the state file is missing
    """
    present = [change for change in changes if change.after is not None]
    before, _without, _links = find_logs([change.log_set for change in present], roots)
    if not present:
        return {}, []
    if not os.path.isdir(os.path.dirname(state)):
        raise StorageFailed(f"There is no folder for the state file {state}", hint="Create it, or choose another path")
    if not act:
        due = rotator.due({change.log_set.name: change.after for change in present}, state)
        return {log.path: "planned" if force or due.get(log.path) == "" else "not_due" for log in before}, []
    complaints = rotator.rotate([change.path for change in present], state, force=force)
    after = {log.path: log for log in find_logs([change.log_set for change in present], roots)[0]}
    return {log.path: "rotated" if _was_rotated(log, after.get(log.path)) else "not_due" for log in before}, complaints


def report(changes: Sequence[ConfigChange], roots: CleaningRoots, *, statuses: Mapping[str, str], complaints: Sequence[str],
           state: Mapping[str, float] | None, now: float) -> Rotation:
    """List and judge all logs of the sets; a log that logrotate does not know yet counts from its configuration on."""
    rotation = Rotation()
    logs, without, links = find_logs([change.log_set for change in changes if change.after is not None], roots)
    since = {change.log_set.name: now if change.needed else _modified(change.path) for change in changes}
    for log in logs:
        rotation.logs.append({"path": shown(log.path), "bytes": log.bytes, "status": statuses.get(log.path, "configured")})
        known = (state or {}).get(log.path, since[log.log_set.name])
        rotated_at = now if statuses.get(log.path) in ("rotated", "planned") else known
        size = 0 if statuses.get(log.path) == "planned" else log.bytes
        rotation.findings.extend(judge_log(log.path, size=size, rotated_at=rotated_at, log_set=log.log_set, now=now))
    for path in links:
        rotation.logs.append({"path": shown(path), "bytes": 0, "status": "link"})
        rotation.findings.append(Finding("housekeeping.logs.present", shown(path), Status.FAIL, "the log is a symbolic link",
                                         hint="logrotate leaves links alone: name the file that it points to"))
    for pattern, log_set in without:
        rotation.logs.append({"path": shown(pattern), "bytes": 0, "status": "missing"})
        status = Status.PASS if log_set.optional else Status.UNKNOWN
        rotation.findings.append(Finding(
            "housekeeping.logs.present", shown(pattern), status, "no log is of this name",
            hint="" if log_set.optional else "Correct the path, or call the set optional where its program may not have logged yet"))
    for line in complaints:
        rotation.findings.append(Finding("housekeeping.logs.logrotate", "logrotate", Status.FAIL, line,
                                         hint="The log stays as it is: mend the reason, then run again"))
    return rotation


def _was_rotated(before: Log, after: Log | None) -> bool:
    return after is None or after.identity != before.identity or after.bytes < before.bytes


def _modified(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None


def _stay_inside(folder: str, roots: CleaningRoots) -> None:
    real = os.path.realpath(folder)
    if real != folder and not any(f"{real}/".startswith(f"{os.path.realpath(root)}/") for root in roots.roots):
        raise Refused(f"{shown(folder)} leads through a symbolic link out of the declared roots, to {shown(real)}",
                      hint="Declare that folder as a root, and name the log by it")
