# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read of a log, counted in constant memory and judged by limits. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ..core.clock import format_instant
from ..core.counting import Top
from ..core.errors import InvalidOption
from ..core.finding import Finding, Status, at_most
from ..core.policy import Limits, number, pair, read_policy, status_word
from ..core.quantities import HOUR, format_duration, format_size
from .log_entries import Alike, Entry, level_name

_SHOWN = 3
_ROWS = 20
_REMEMBERED = 20_000
_KEPT = 10_000


@dataclass(frozen=True)
class LogPolicy:
    """Pairs of limits per hour by level, by marker and for ``each_class``, and of a number for ``new_classes``. ``silent``, ``unfinished``
    and ``gap`` are statuses, or ignore.
    """

    levels: Mapping[str, Limits] = field(default_factory=dict)
    markers: Mapping[str, Limits] = field(default_factory=dict)
    new_classes: Limits = field(default_factory=Limits)
    each_class: Limits = field(default_factory=Limits)
    silent: str = "warn"
    unfinished: str = "warn"
    gap: str = "unknown"

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> LogPolicy:
        """Read ``{levels: {ERROR: {warn: 10}}, markers: {SECURITY: {warn: 0}}, new_classes: {warn: 0}, …}``.

        :raises InvalidOption: for an unknown key or a value of the wrong kind
        """
        limits = pair(number)
        return cls(**read_policy(options, {
            "levels": _by_word(level_name), "markers": _by_word(str), "new_classes": limits, "each_class": limits,
            "silent": status_word, "unfinished": status_word, "gap": status_word}, option="limits"))


def _by_word(spell: Any) -> Any:
    def read(value: Any, option: str) -> dict[str, Limits]:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise InvalidOption(f"{option}: {value!r} is no dictionary of limits", hint="Write it as {ERROR: {warn: 10, fail: 100}}")
        return {spell(key): pair(number)(limits, f"{option}.{key}") for key, limits in value.items()}

    return read


@dataclass
class Reading:
    """How much was looked at ``where``, and what kept us from looking: pairs of message and hint. ``left`` is for the next run since there
    was more than ``limit`` bytes, counted in ``unit``, which is empty where nobody knows how much it is;
    ``lost`` says what may never be seen, and ``lost_hint`` what to do about it. ``quiet`` where the source has had nothing new at all.
    ``cut`` events were too long to be looked at whole. ``late`` documents arrived after their turn, with instants up to ``late_by`` seconds
    before it.
    """

    files: int = 0
    bytes: int = 0
    left: int = 0
    quiet: bool = False
    lost: str = ""
    lost_hint: str = "See how it is rotated: keep the file before the last one, and scan more often than it is rotated"
    unit: str = "bytes"
    cut: int = 0
    late: int = 0
    late_by: float = 0.0
    where: str = ""
    limit: int = 0
    unread: list[tuple[str, str]] = field(default_factory=list)


class LogTally:
    """Counts entries by level, marker and class; those that say an instant before ``since`` are passed over."""

    def __init__(self, since: float | None, known: Mapping[str, str]) -> None:
        self.since, self.known = since, known
        self.events = self.outside = 0
        self.levels: Counter[str] = Counter()
        self.markers: Counter[str] = Counter()
        self.classes = Top()
        self._about: dict[str, Entry] = {}
        self._span: dict[str, tuple[float, float]] = {}

    def add(self, entries: Iterable[Entry | None]) -> None:
        """Count them; None is what only mentioned a word."""
        self.add_alike(Alike(one, 1, one.at, one.at) for one in entries if one is not None)

    def add_alike(self, told: Iterable[Alike]) -> None:
        """Count events of one class together; none of them lies on both sides of ``since``."""
        for one, count, first, last in told:
            if self.since is not None and first is not None and first < self.since:
                self.outside += count
                continue
            self.events += count
            if one.level:
                self.levels[one.level] += count
            for marker in one.markers:
                self.markers[marker] += count
            self.classes.add(one.id, count)
            if one.id not in self._about:
                self._about[one.id] = one
            if len(self._about) > _KEPT:
                self._about = {key: value for key, value in self._about.items() if self.classes[key]}
                self._span = {key: value for key, value in self._span.items() if self.classes[key]}
            if first is not None and last is not None:
                begin, end = self._span.get(one.id, (first, last))
                self._span[one.id] = (min(begin, first), max(end, last))

    def largest(self, number: int) -> list[tuple[Entry, int]]:
        """The most frequent classes, by their first entry, and how often they came."""
        return [(self._about[key], int(count)) for key, count in self.classes.largest(number)]

    def new(self) -> list[tuple[Entry, int]]:
        """Classes that no earlier run has seen, the most frequent first."""
        return [pair for pair in self.largest(1 << 20) if pair[0].id not in self.known]

    def told(self, classes: Iterable[tuple[Entry, int]], where: str, *, labelled: bool = False) -> str:
        """Classes for people: how often, what, with its level where that is to be told, when last, and where to read on."""
        rows = []
        for entry, count in classes:
            last = _spelled(self._span.get(entry.id, (None, None))[1])
            word = f"{entry.level or ' '.join(entry.markers)} " if labelled else ""
            rows.append(f"{count}× {word}{entry.form}" + (f" (last at {last})" if last else ""))
        return "; ".join(rows) + (f". Read on in {where}" if rows and where else "")

    def remembered(self, now: datetime, keep: float) -> dict[str, str]:
        """When each class was seen last, of those seen within ``keep`` seconds."""
        oldest = format_instant(datetime.fromtimestamp(max(0.0, now.timestamp() - keep), timezone.utc))
        seen = {key: at for key, at in self.known.items() if at >= oldest}
        seen.update((entry.id, format_instant(now)) for entry, _count in self.largest(1 << 20))
        return dict(sorted(seen.items(), key=lambda item: item[1], reverse=True)[:_REMEMBERED])

    def values(self, *, compared: bool) -> dict[str, Any]:
        """For the ledger and the report; nothing of it is a value that stood in the log."""
        rows = []
        for entry, count in self.largest(_ROWS):
            begin, end = self._span.get(entry.id, (None, None))
            rows.append({"id": entry.id, "level": entry.level, "markers": list(entry.markers), "form": entry.form, "count": count,
                         "first": _spelled(begin), "last": _spelled(end), "new": compared and entry.id not in self.known})
        return {"events": self.events, "outside": self.outside, "levels": dict(self.levels), "markers": dict(self.markers),
                "from": _spelled(min((begin for begin, _end in self._span.values()), default=None)),
                "to": _spelled(max((end for _begin, end in self._span.values()), default=None)), "classes": rows,
                "new_classes": len(self.new()) if compared else None, "forgotten_classes": self.classes.forgotten}


def judge(tally: LogTally, reading: Reading, policy: LogPolicy, name: str, *, seconds: float, compared: bool) -> list[Finding]:
    """``monitoring.log`` says whether all could be read, ``monitoring.log_level``, ``…_marker``, ``…_class``, ``…_new`` judge what it says.
    ``seconds`` is the time that it speaks of; what is shorter than an hour counts as one. ``compared`` where there was an earlier run.
    """
    span = format_duration(seconds)
    findings = [Finding("monitoring.log", name, Status.UNKNOWN, message, hint=hint) for message, hint in reading.unread]
    if reading.lost and policy.gap != "ignore":
        findings.append(Finding("monitoring.log", name, Status(policy.gap), reading.lost, hint=reading.lost_hint))
    if reading.left and policy.unfinished != "ignore":
        left = format_size(reading.left) if reading.unit == "bytes" else f"{reading.left} {reading.unit}"
        told = f"{left} are" if reading.unit else "the rest is"
        findings.append(Finding("monitoring.log", name, Status(policy.unfinished),
                                f"it was not read to its end: {told} left for the next run", reading.left, 0, "",
                                "Run it more often, or raise read_limit" + (f" ({format_size(reading.limit)})" if reading.limit else "")))
    if reading.quiet and policy.silent != "ignore":
        findings.append(Finding("monitoring.log", name, Status(policy.silent), f"nothing was written in the last {span}", 0,
                                1, "", f"See whether what writes it runs, and where it logs{_instead_of(reading)}"))
    if not findings:
        findings = [Finding("monitoring.log", name, Status.PASS, f"{tally.events} events in the last {span}{_also(reading)}", tally.events)]
    if reading.unread and not tally.events:
        return findings  # of what could not be read nothing is said
    for what, counts, limits in (("level", tally.levels, policy.levels), ("marker", tally.markers, policy.markers)):
        findings += [_rate(tally, f"log_{what}", f"{name}: {word}", counts[word], seconds, bounds, f"the number of {word} events",
                           lambda entry, word=word: word == entry.level or word in entry.markers, reading.where)
                     for word, bounds in limits.items() if bounds]
    if policy.each_class:
        over = [_rate(tally, "log_class", f"{name}: {entry.id}", count, seconds, policy.each_class, f"the number of {entry.form!r}",
                      lambda one, entry=entry: one.id == entry.id, reading.where) for entry, count in tally.largest(_ROWS)]
        findings += [one for one in over if one.status is not Status.PASS]
    if policy.new_classes:
        findings.append(_new(tally, policy.new_classes, name, compared, reading.where))
    return findings


def _also(reading: Reading) -> str:
    told = ""
    if reading.late:
        told += f"; {reading.late} of them arrived late, with instants up to {format_duration(reading.late_by)} before their turn"
    if reading.cut:
        told += f"; {reading.cut} were too long to be looked at whole, and may be of another class"
    return told


def _instead_of(reading: Reading) -> str:
    return f", if not in {reading.where}" if reading.where else ""


def _rate(tally: LogTally, check: str, subject: str, count: float, seconds: float, bounds: Limits, what: str, which: Any,
          where: str) -> Finding:
    told = tally.told([pair for pair in tally.largest(1 << 20) if which(pair[0])][:_SHOWN], where)
    rate = float(f"{count / max(seconds / HOUR, 1.0):.3g}")
    return at_most(f"monitoring.{check}", subject, rate, warn=bounds.warn, fail=bounds.fail, unit="per hour",
                   what=f"{what} ({count:g} in the last {format_duration(seconds)})", hint=f"Most frequent: {told}" if told else "")


def _new(tally: LogTally, bounds: Limits, name: str, compared: bool, where: str) -> Finding:
    if not compared:
        return Finding("monitoring.log_new", name, Status.WARN, "there is no earlier run to compare with", hint="The next run has one")
    new = tally.new()
    told = tally.told(new[:_SHOWN], where, labelled=True)
    if tally.classes.forgotten:
        return Finding("monitoring.log_new", name, Status.UNKNOWN, "there are too many classes to remember all: "
                       f"{tally.classes.forgotten} of the rarest were let go", tally.classes.forgotten, 0, "classes",
                       f"See what differs in each of them: {told}")
    return at_most("monitoring.log_new", name, len(new), warn=bounds.warn, fail=bounds.fail, unit="classes",
                   what="the number of classes that were not seen before", hint=f"New: {told}" if told else "")


def _spelled(at: float | None) -> str:
    try:
        return "" if at is None else format_instant(datetime.fromtimestamp(at, timezone.utc))
    except (ValueError, OverflowError, OSError):
        return ""


def words_of(levels: Sequence[str], markers: Sequence[str]) -> list[str]:
    """What is looked for.

    :raises InvalidOption: for no word at all, and for one that is empty or has the end of a line in it
    """
    words = [*levels, *markers]
    if not words or not all(word.strip() and "\n" not in word for word in words):
        raise InvalidOption("levels, markers: there is no word to look for, or one is empty or longer than a line",
                            hint="Give words as the log has them: levels: [ERROR, FATAL], markers: [SECURITY]")
    return list(dict.fromkeys(words))
