# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a cache are stale: a pure decision by age, size, patterns; and a judgement of what is left."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fnmatch import translate
from typing import Any

from ..core.errors import InvalidOption, Refused
from ..core.finding import Finding, Status, at_most
from ..core.quantities import format_duration, format_size, parse_duration, parse_size
from .roots import CleaningRoots
from .tree import Entry, shown


@dataclass(frozen=True)
class CachePolicy:
    """What may stay in one cache. ``max_age`` in seconds, ``max_size`` in bytes; None is no limit.

    Patterns are those of fnmatch(3), matched against a file's name, or against its path below the cache where they hold a
    slash. ``keep`` wins over ``patterns``; the ``min_files`` newest files always stay.
    """

    path: str
    max_age: float | None = None
    max_size: int | None = None
    patterns: tuple[str, ...] = ("*",)
    keep: tuple[str, ...] = ()
    min_files: int = 0
    by_use: bool = False
    keep_open: bool = True
    cross_mounts: bool = False
    optional: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any], roots: CleaningRoots) -> CachePolicy:
        """Read one item of the option ``caches``.

        :raises InvalidOption: without a limit, for a limit that cannot be read, a negative number, a path not plain
        :raises Refused: for a path outside of the roots
        """
        path = options["path"]
        roots.admit(path, option="caches.path")
        age, size = options.get("max_age"), options.get("max_size")
        if age is None and size is None:
            raise InvalidOption(f"caches: {path} has neither max_age nor max_size",
                                hint="Say what is stale there: max_age: 30d, max_size: 10GiB, or both")
        if (options.get("min_files") or 0) < 0:
            raise InvalidOption(f"caches: min_files of {path} is negative", hint="Give the number of files that always stay")
        return cls(
            path=path,
            max_age=None if age is None else parse_duration(age, option=f"caches: max_age of {path}"),
            max_size=None if size is None else parse_size(size, option=f"caches: max_size of {path}"),
            patterns=tuple(options.get("patterns") or ("*",)), keep=tuple(options.get("keep") or ()),
            min_files=options.get("min_files") or 0, by_use=options.get("age_by") == "use",
            keep_open=options.get("keep_open", True), cross_mounts=options.get("cross_mounts", False),
            optional=options.get("optional", False),
        )

    def time_of(self, entry: Entry) -> float:
        """The instant from which its age counts."""
        return entry.used if self.by_use else entry.modified


def read_policies(caches: Sequence[Mapping[str, Any]], roots: CleaningRoots) -> list[CachePolicy]:
    """All caches of a run.

    :raises InvalidOption: where one cache lies in another, since two policies would then judge one file
    """
    policies = [CachePolicy.from_options(options, roots) for options in caches]
    for one in policies:
        for other in policies:
            if one is not other and f"{one.path}/".startswith(f"{other.path}/"):
                raise InvalidOption(f"caches: {one.path} lies in {other.path}", hint="Keep one of the two")
    return policies


@dataclass(frozen=True)
class Removal:
    """The files of one cache that go, oldest first, and those that stay.

    ``exempt`` are files that are over a limit, or would have to go for the size, but are open.
    """

    policy: CachePolicy
    going: tuple[Entry, ...]
    staying: tuple[Entry, ...]
    exempt: tuple[Entry, ...] = ()

    @property
    def bytes(self) -> int:
        """What the removal frees."""
        return disk_bytes((*self.going, *self.staying)) - disk_bytes(self.staying)


def disk_bytes(entries: Sequence[Entry]) -> int:
    """The size of the entries, a file with several names counted once."""
    return sum({entry.identity: entry.bytes for entry in entries}.values())


def plan_removal(entries: Sequence[Entry], policy: CachePolicy, *, now: float,
                 open_files: Callable[[], AbstractSet[tuple[int, int]]] = frozenset) -> Removal:
    """First what is older than ``max_age``; then the oldest of the rest until ``max_size`` is kept.

    ``open_files`` gives the identities of files that a program holds open; it is asked only where something would go.
    """
    match, keep = _matcher(policy.patterns), _matcher(policy.keep)
    candidates = sorted((entry for entry in entries if match(entry.path) and not keep(entry.path)),
                        key=lambda entry: (policy.time_of(entry), entry.path))
    movable = candidates[:max(0, len(candidates) - policy.min_files)]
    left_names, left = Counter(entry.identity for entry in entries), disk_bytes(entries)
    held: AbstractSet[tuple[int, int]] | None = None
    going, exempt = set(), []
    for entry in movable:
        stale = policy.max_age is not None and now - policy.time_of(entry) > policy.max_age
        if not stale and (policy.max_size is None or left <= policy.max_size):
            break  # sorted by age: no later one is stale either
        if held is None:
            held = open_files() if policy.keep_open else frozenset()
        if entry.identity in held:
            exempt.append(entry)
            continue
        going.add(entry.path)
        left_names[entry.identity] -= 1
        if not left_names[entry.identity]:
            left -= entry.bytes
    return Removal(policy, tuple(entry for entry in movable if entry.path in going),
                   tuple(entry for entry in entries if entry.path not in going), tuple(exempt))


def _matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    if "*" in patterns:
        return lambda path: True
    names = _joined([pattern for pattern in patterns if "/" not in pattern])
    paths = _joined([pattern.lstrip("/") for pattern in patterns if "/" in pattern])
    return lambda path: bool((names and names.match(path.rpartition("/")[2])) or (paths and paths.match(path)))


def _joined(patterns: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(translate(pattern) for pattern in patterns)) if patterns else None


def beyond(removals: Sequence[Removal], max_files: int | None, max_bytes: int | None) -> str:
    """How a removal passes the limits of what may go without a confirmation, as words; empty where it does not."""
    files, size = sum(len(removal.going) for removal in removals), sum(removal.bytes for removal in removals)
    words = []
    if max_files is not None and files > max_files:
        words.append(f"{files} files, more than the {max_files}")
    if max_bytes is not None and size > max_bytes:
        words.append(f"{format_size(size)}, more than the {format_size(max_bytes)}")
    return " and ".join(words)


def refusal(said: str, removals: Sequence[Removal]) -> Refused:
    """The error for a removal that is larger than may go without a confirmation; nothing has gone by then."""
    return Refused(
        f"Nothing was removed: {said} that may go without a confirmation",
        hint="Read the list of a --check run; where it is right, confirm for one run (-e housekeeping_confirm=true)",
        evidence={removal.policy.path: {"files": len(removal.going), "bytes": removal.bytes} for removal in removals})


def judge_cache(policy: CachePolicy, staying: Sequence[Entry], exempt: Sequence[Entry], *, now: float,
                unread: Sequence[tuple[str, str]] = (), stayed: Sequence[tuple[str, str]] = (),
                planned: bool = False) -> list[Finding]:
    """What is left against the limits; ``unread`` folders and files that ``stayed`` against our will are (path, reason).

    Files that the policy itself holds (``keep``, ``min_files``, not of ``patterns``) do not count for the age, and do
    for the size. ``planned``: the files are those of a plan.
    """
    path, when = shown(policy.path), " after the planned removal" if planned else ""
    findings = []
    if unread:
        listed = ", ".join(f"{shown(where)} ({reason})" for where, reason in unread[:5])
        findings.append(Finding(
            "housekeeping.cache.readable", path, Status.UNKNOWN, f"{len(unread)} folders could not be read: {listed}",
            len(unread), 0, "folders", "Run as a user that may read them (become), or see why they cannot be read"))
    if stayed:
        listed = ", ".join(f"{shown(where)} ({reason})" for where, reason in stayed[:5])
        findings.append(Finding(
            "housekeeping.cache.removal", path, Status.FAIL, f"{len(stayed)} stale files could not be removed: {listed}",
            len(stayed), 0, "files", "See the reasons: rights, a read-only mount, an immutable file (lsattr); then run again"))
    if policy.max_age is not None:
        match, keep, held = _matcher(policy.patterns), _matcher(policy.keep), {entry.path for entry in exempt}
        mine = sorted((entry for entry in staying if match(entry.path) and not keep(entry.path)),
                      key=policy.time_of, reverse=True)[policy.min_files:]
        times = [policy.time_of(entry) for entry in mine if entry.path not in held]
        oldest = max(0.0, round(now - times[-1], 3)) if times else 0.0
        over = oldest > policy.max_age
        message = f"the oldest file{when} is {format_duration(oldest)} old, " \
                  + ("over" if over else "within") + f" the limit of {format_duration(policy.max_age)}"
        if held:
            message += f"; {len(held)} stale files stay because a program holds them open"
        findings.append(Finding("housekeeping.cache.age", path, Status.FAIL if over else Status.PASS, message, oldest,
                                policy.max_age, "s", "Clean it, and see in the findings what stays" if over else ""))
    if policy.max_size is not None:
        size = disk_bytes(staying)
        judged = at_most("housekeeping.cache.size", path, size, fail=policy.max_size, unit="B")
        over = judged.status is Status.FAIL
        message = f"the size{when} is {format_size(size)}, " + ("over" if over else "within") \
                  + f" the limit of {format_size(policy.max_size)}"
        hint = f"What is left is held by keep, min_files, or open in programs ({len(exempt)} files): raise the limit or stop them"
        findings.append(Finding(judged.check, path, judged.status, message, size, policy.max_size, "B", hint if over else ""))
    return findings
