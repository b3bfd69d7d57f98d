# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of stored bytes, since when, and what to read again next. Pure; the ledger is the records beside the backups.

A new copy is read in full once. After that its files are read again in turn, those with the oldest evidence first, so much in each
run. The unit is the stored file, since that is what the manifest has a hash of: a range of bytes within it could be read, and
compared with nothing. A copy that an engine keeps in a repository of its own is one unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.clock import parse_instant
from ..core.errors import InvalidOption
from ..core.finding import Finding, at_least
from ..core.quantities import format_duration, format_size, parse_duration, parse_size
from .repository import PASSED, Backup

# Depths of a verification that has read every stored byte.
_ALL_OF_IT = ("full", "hashes")
WHOLE = ""  # the path of the one unit of a copy that has no stored files


@dataclass(frozen=True)
class Unit:
    """One stored file of a copy, and when it was last seen to be as it was written."""

    backup: Backup
    path: str
    bytes: int
    seen_at: datetime


@dataclass(frozen=True)
class SamplePolicy:
    """How much is read again in a run: ``share`` of the stored bytes (0 to 1) or ``bytes``, whichever is more; no sooner than
    ``every`` seconds after the last time. Judged is whether damage to ``damage`` of the files (0 to 1) would have been seen with
    ``confidence`` (0 to 1) by what was read in the last ``window`` seconds (None: ever).
    """

    share: float = 0.0
    bytes: int = 0
    every: float = 0.0
    damage: float = 0.001
    confidence: float = 0.99
    window: float | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> SamplePolicy:
        """Read the options ``sample_share``, ``damage_share`` and ``min_confidence`` (percent), ``sample_bytes``, ``sample_every``,
        ``max_age``.

        :raises InvalidOption: for what is no percentage, size or duration
        """
        def portion(name: str) -> float:
            value = options[name]
            if not 0 <= value <= 100:
                raise InvalidOption(f"{name}: {value:g} is no percentage", hint="Give a number from 0 to 100")
            return value / 100

        damage = portion("damage_share")
        if not damage:
            raise InvalidOption("damage_share: damage to nothing is seen by nobody", hint="Give a percentage over 0, such as 0.1")
        return cls(
            share=portion("sample_share"), bytes=parse_size(options["sample_bytes"], option="sample_bytes"),
            every=parse_duration(options["sample_every"], option="sample_every"), damage=damage,
            confidence=portion("min_confidence"),
            window=None if options["max_age"] is None else parse_duration(options["max_age"], option="max_age"))


def evidence(backup: Backup) -> dict[str, datetime]:
    """For each stored file when it was last read and found good; files without evidence are missing. A drill reads everything, so
    does a verification unless its depth says less; a sample names what it read.
    """
    paths = [file.path for file in backup.manifest.files] or [WHOLE]
    seen: dict[str, datetime] = {}
    for record in backup.verifications:  # oldest first
        if record["status"] != PASSED or (record["kind"] == "verify" and record.get("depth", "full") not in _ALL_OF_IT):
            continue
        named = record.get("files") if record["kind"] == "sample" else paths
        at = parse_instant(record["at"])
        seen.update({path: at for path in (named if isinstance(named, list) else []) if path in paths})
    return seen


def seen_whole_at(backup: Backup) -> datetime | None:
    """Since when every file of it is known to be good: the oldest of their evidence; None where one was never read."""
    seen = evidence(backup)
    return min(seen.values()) if len(seen) == len(backup.manifest.files or [WHOLE]) else None


def units(backups: Iterable[Backup]) -> list[Unit]:
    """The files of every copy that was read in full once and has not failed, oldest evidence first."""
    found = []
    for backup in backups:
        seen = evidence(backup)
        sizes = {file.path: file.bytes for file in backup.manifest.files} or {WHOLE: backup.manifest.bytes}
        if WHOLE in sizes and backup.verified_at:  # its engine may have read a part of it only, and reads on from there
            seen[WHOLE] = backup.verified_at
        if backup.usable and len(seen) == len(sizes):
            found += [Unit(backup, path, size, seen[path]) for path, size in sizes.items()]
    return sorted(found, key=lambda unit: (unit.seen_at, unit.backup.id, unit.path))


def plan_sample(backups: Sequence[Backup], policy: SamplePolicy, now: datetime) -> list[Unit]:
    """What to read again now, oldest evidence first, until the budget is used up; at least one file where there is a budget, so
    that one that is larger than it has its turn too. Nothing where a sample was taken a short while ago, and no file that was read
    (by a first verification or a drill, say) as short a while ago.
    """
    known = units(backups)
    if not known or not (policy.share or policy.bytes):
        return []
    samples = [parse_instant(record["at"]) for backup in backups for record in backup.verifications if record["kind"] == "sample"]
    if samples and 0 <= (now - max(samples)).total_seconds() < policy.every:
        return []
    chosen: list[Unit] = []
    left = max(policy.bytes, math.ceil(policy.share * sum(unit.bytes for unit in known)))
    for unit in known:
        if (chosen and unit.bytes > left) or (now - unit.seen_at).total_seconds() < policy.every:
            break
        chosen.append(unit)
        left -= unit.bytes
    return chosen


def detection(total: int, read: int, damaged: int) -> float:
    """The probability that at least one of ``damaged`` units is among ``read`` of ``total``, drawn without replacement.

    1 - C(total - damaged, read) / C(total, read), the hypergeometric distribution (G. Ateniese et al., "Provable Data Possession at
    Untrusted Stores", CCS 2007, section 5.1), at least 1 - (1 - damaged/total)^read. It holds for damage that strikes without regard
    to what was read when, as decay and bad sectors do.
    """
    if not 0 <= damaged <= total or not 0 <= read <= total:
        raise ValueError(f"{damaged} damaged and {read} read of {total}")
    missed = 1.0
    for number in range(min(damaged, read)):  # symmetric in both: the shorter product
        missed *= (total - max(damaged, read) - number) / (total - number)
    return (1.0 - missed) if min(damaged, read) else 0.0


@dataclass(frozen=True)
class Coverage:
    """What is known of a plan's copies: ``read`` of ``files`` were read within the window, the oldest evidence is of ``oldest``."""

    plan: str
    files: int
    bytes: int
    read: int
    read_bytes: int
    damaged: int
    confidence: float
    oldest: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """The shape of ``coverage`` in docs/architecture.md."""
        return {"plan": self.plan, "files": self.files, "bytes": self.bytes, "files_read": self.read, "bytes_read": self.read_bytes,
                "damaged_files": self.damaged, "confidence_percent": round(100 * self.confidence, 3)}


def measure(plan: str, backups: Sequence[Backup], policy: SamplePolicy, now: datetime) -> Coverage:
    """The coverage of a plan. Copies that were never read count as unread; failed ones are told elsewhere and not counted."""
    files = read = size = read_size = 0
    instants = []
    for backup in backups:
        if not backup.usable:
            continue
        seen = evidence(backup)
        for path, stored in ({file.path: file.bytes for file in backup.manifest.files} or {WHOLE: backup.manifest.bytes}).items():
            files, size = files + 1, size + stored
            if path in seen:
                instants.append(seen[path])
                if policy.window is None or (now - seen[path]).total_seconds() <= policy.window:
                    read, read_size = read + 1, read_size + stored
    damaged = max(1, math.ceil(policy.damage * files - 1e-9)) if files else 0
    return Coverage(plan, files, size, read, read_size, damaged, detection(files, read, damaged), min(instants, default=None))


def judge_coverage(coverage: Coverage, policy: SamplePolicy) -> Finding:
    """``backup.coverage``: what damage would have been seen, and how surely; too little is a warning."""
    share = f"{100 * policy.damage:g}%"
    finding = at_least("backup.coverage", coverage.plan, round(100 * coverage.confidence, 3), warn=100 * policy.confidence, unit="%",
                       what="confidence", hint="Let backups.verify run, read more of it again each time (backups_verify_sample_share), "
                       "or keep fewer copies")
    within = "" if policy.window is None else f" within {format_duration(policy.window)}"
    fewer = coverage.damaged > policy.damage * coverage.files  # a share of one file at the least
    of = f"{coverage.damaged} of {coverage.files} files" if fewer else f"{share} of the files"
    message = f"damage to {of} would have been seen with {100 * coverage.confidence:.4g}%: {coverage.read} of {coverage.files} files " \
        f"({format_size(coverage.read_bytes)} of {format_size(coverage.bytes)}) were read{within}"
    return Finding(finding.check, finding.subject, finding.status, message, finding.observed, finding.limit, "%", finding.hint)
