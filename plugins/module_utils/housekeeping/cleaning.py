# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clean several caches: read all, plan all, ask whether that much may go, and only then remove."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ..core.errors import InvalidOption, NotFound, OpsError
from ..core.finding import Finding, Status
from ..core.quantities import format_duration, format_size, parse_size
from ..core.waiting import Deadline
from .caches import CachePolicy, Removal, beyond, disk_bytes, judge_cache, plan_removal, refusal
from .tree import CHANGED, GONE, Entry, Tree, shown


@dataclass(frozen=True)
class Allowance:
    """How much may go without a confirmation, in files and bytes; None is no limit."""

    files: int | None
    bytes: int | None
    confirmed: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any] | None, *, confirmed: bool) -> Allowance:
        """Read ``{files: number, bytes: size}``.

        :raises InvalidOption: for a negative number, or a size that cannot be read
        """
        files, size = (options or {}).get("files"), (options or {}).get("bytes")
        if files is not None and files < 0:
            raise InvalidOption("max_removed: files is negative", hint="Give a number of files, or leave it out")
        return cls(files, None if size is None else parse_size(size, option="max_removed: bytes"), confirmed)


@dataclass
class Cleaning:
    """What was, or in check mode would be, done.

    ``removed``: dictionaries of ``path``, ``bytes``, ``age_seconds``; ``caches``: of ``path``, ``files`` and ``bytes`` that
    stay, ``removed_files``, ``removed_bytes``; ``lines``: the removals as a person reads them.
    """

    findings: list[Finding] = field(default_factory=list)
    removed: list[dict[str, Any]] = field(default_factory=list)
    caches: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def kept(self) -> dict[str, int]:
        """Files and bytes that stay in all caches."""
        return {key: sum(one[key] for one in self.caches) for key in ("files", "bytes")}

    def summary(self, *, planned: bool) -> str:
        """One line."""
        size = sum(one["removed_bytes"] for one in self.caches)
        return f"{len(self.removed)} stale files {'would go' if planned else 'removed'} ({format_size(size)}), " \
               f"{self.kept['files']} kept ({format_size(self.kept['bytes'])})"


def clean(policies: Sequence[CachePolicy], allowance: Allowance, *, now: float, deadline: Deadline,
          open_files: Callable[[], tuple[AbstractSet[tuple[int, int]], bool]], act: bool) -> Cleaning:
    """Remove what is stale; with ``act`` False only say so.

    A cache that cannot be read gives an ``unknown`` finding, and the others are cleaned all the same.

    :raises Refused: when more than the allowance would go without a confirmation; nothing has gone then
    """
    cleaning, asked = Cleaning(), []

    @cache
    def held() -> AbstractSet[tuple[int, int]]:
        identities, complete = open_files()
        asked.append(complete)
        return identities

    planned: list[tuple[Tree, Removal]] = []
    for policy in policies:
        tree = Tree(policy.path, policy.cross_mounts)
        try:
            entries = list(tree.walk(deadline))
        except OpsError as error:
            cleaning.findings.append(_unreadable(policy, error))
            continue
        planned.append((tree, plan_removal(entries, policy, now=now, open_files=held)))
    if False in asked:
        cleaning.warnings.append("Some processes hide their open files (fewest from root): a stale file may be in use")
    removals = [removal for _tree, removal in planned]
    said = beyond(removals, allowance.files, allowance.bytes)
    if said and not allowance.confirmed:
        if act:
            raise refusal(said, removals)
        cleaning.warnings.append(f"The run itself would be refused: {said} that may go without a confirmation")
    for tree, removal in planned:
        _carry_out(tree, removal, cleaning, now=now, deadline=deadline, act=act)
    return cleaning


def _carry_out(tree: Tree, removal: Removal, cleaning: Cleaning, *, now: float, deadline: Deadline, act: bool) -> None:
    policy = removal.policy
    answers = tree.remove(removal.going, deadline) if act else ((entry, "") for entry in removal.going)
    gone: list[Entry] = []
    staying, stayed = list(removal.staying), []
    for entry, reason in answers:
        if not reason:
            gone.append(entry)
        elif reason != GONE:
            staying.append(entry)
            if reason != CHANGED:
                stayed.append((entry.path, reason))
    # A file that was written to meanwhile is fresh: its old age is not held against it.
    changed = {entry.path for entry in staying} - {entry.path for entry in removal.staying} - {path for path, _reason in stayed}
    findings = judge_cache(policy, [entry for entry in staying if entry.path not in changed], removal.exempt, now=now,
                           unread=tree.unread, stayed=stayed, planned=not act)
    cleaning.findings.extend(findings)
    for entry in gone:
        age = max(0.0, now - policy.time_of(entry))
        path = shown(f"{policy.path}/{entry.path}")
        cleaning.removed.append({"path": path, "bytes": entry.bytes, "age_seconds": round(age, 3)})
        cleaning.lines.append(f"{path}  {format_size(entry.bytes)}, {format_duration(age)} old")
    kept = disk_bytes(staying)
    cleaning.caches.append({"path": shown(policy.path), "files": len(staying), "bytes": kept, "removed_files": len(gone),
                            "removed_bytes": disk_bytes((*gone, *staying)) - kept})


def _unreadable(policy: CachePolicy, error: OpsError) -> Finding:
    path = shown(policy.path)
    if policy.optional and isinstance(error, NotFound):
        return Finding("housekeeping.cache.readable", path, Status.PASS, "the folder is not there, and need not be")
    return Finding("housekeeping.cache.readable", path, Status.UNKNOWN, error.message, hint=error.hint)
