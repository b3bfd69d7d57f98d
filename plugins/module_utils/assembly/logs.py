# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The places that logs are read from, each from where the last run ended: files, the journal, Elasticsearch, pods of Kubernetes.

What keeps a place from being read is told in the reading and judged as unknown; what the caller got wrong is raised.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from ..adapters.command import Commands
from ..adapters.elasticsearch import Elasticsearch
from ..adapters.journal import Journal
from ..adapters.server_logs import Positions, find_logs
from ..core.clock import Clock, format_instant, parse_instant
from ..core.errors import InvalidOption, LibraryMissing, NotFound, OpsError
from ..core.quantities import format_size, parse_duration
from ..core.waiting import Deadline
from ..monitoring.log_entries import EntryReader
from ..monitoring.log_judge import LogTally, Reading
from ..monitoring.log_late import Arrivals
from ..monitoring.log_lines import Bytes, Scanner

_DOCUMENT = 1000  # bytes that a document counts as, where a limit is one of bytes
_OTHER_TEXT = (b"\xff\xfe", b"\xfe\xff")  # byte order marks of UTF-16


class LogScan:
    """One scan of one log: from ``since`` (Unix time) or where the state says, ``limit`` bytes at the most, into ``tally``."""

    def __init__(self, options: Mapping[str, Any], known: Positions, tally: LogTally, reader: EntryReader, *, words: list[str],
                 since: float, limit: int, clock: Clock) -> None:
        self._options, self._known, self._tally, self._reader = options, known, tally, reader
        self._words, self._since, self._limit, self._clock = words, since, limit, clock
        self.reading = Reading(limit=limit)
        self.positions = Positions(format_instant(clock.now()), known.files, dict(known.beside))

    def run(self) -> None:
        """Read the one place that the options name.

        :raises InvalidOption, LibraryMissing: where they cannot be used
        """
        for name, read in (("paths", self._files), ("journal", self._journal), ("elasticsearch", self._elasticsearch),
                           ("kubernetes", self._kubernetes)):
            if self._options.get(name) is not None and not self._told(read):
                self.positions.at = self._known.at  # the next run looks back as far as this one did

    def _told(self, read: Callable[[], None]) -> bool:
        try:
            read()
        except (InvalidOption, LibraryMissing):
            raise
        except OpsError as error:
            self.reading.unread.append((error.message, error.hint))
            return False
        return True

    def _files(self) -> None:
        patterns = self._options["paths"]
        self.reading.where = ", ".join(patterns)
        broken: list[OpsError] = []
        files, paths = find_logs(patterns, self._known, newer_than=self._since, broken=broken)
        if not paths:
            raise NotFound(f"no file matches {', '.join(patterns)}", hint="See where it logs; the paths are those of this host")
        self.reading.unread += [(error.message, error.hint) for error in broken]
        followed = [one for one in self._known.files if one.newest]
        if followed and not any(file.was == one for file in files for one in followed):
            self.reading.lost = "the file that was read last is gone, or was truncated: its end may never have been read"
        for file in files:
            self._told(lambda file=file: self._file(file))
        self.reading.quiet = not (self.reading.bytes or self.reading.left or self.reading.unread)
        self.positions.files = [file.position for file in files]

    def _file(self, file: Any) -> None:
        if file.beginning.startswith(_OTHER_TEXT):
            self.reading.unread.append((f"{file.path} is in UTF-16", "Have it written in UTF-8"))
            return
        left = self._limit - self.reading.bytes
        if left <= 0:
            self.reading.left += file.left
            return
        scanner = Scanner(self._words, within=file.within)
        try:
            with file.stream() as stream:
                self._tally.add_alike(self._reader.alike(scanner.batches(stream, limit=left), self._tally.since))
        finally:
            # What was counted is counted, whatever came then.
            file.offset, file.within = file.offset + scanner.consumed, scanner.within
            self.reading.cut += scanner.cut
        if scanner.endless:
            self.reading.unread.append((f"{file.path}: its last line has {format_size(scanner.endless)} without an end, and is not counted",
                                        "See what writes it: binary data is no log. What is longer than read_limit is never read: raise "
                                        "it, or take the file away"))
        self.reading.files += scanner.consumed > 0
        self.reading.bytes += scanner.consumed
        if scanner.consumed >= left:
            self.reading.left += file.left

    def _journal(self) -> None:
        journal = Journal(self._options["journal"], Commands())
        self.reading.where = " ".join(["journalctl", *(f"-u {unit}" for unit in self._options["journal"]["units"])])
        words = [word.encode() for word in self._words]
        grave = [b'"PRIORITY":"%d"' % number for number in range(4)]

        def wanted(line: bytes) -> bool:
            return any(word in line for word in words) or any(one in line for one in grave) or b'"MESSAGE":[' in line

        deadline = Deadline(self._clock, journal.timeout)
        cursor = str(self._known.beside.get("cursor", ""))
        try:
            self._records(journal, cursor, wanted, deadline)
        except NotFound as error:
            self.reading.lost = error.message
            self._records(journal, "", wanted, deadline)
        finally:
            self.reading.bytes = journal.bytes
            self.positions.beside["cursor"] = journal.cursor or cursor
        self.reading.quiet = not journal.records
        self.reading.left, self.reading.unit = int(journal.bytes >= self._limit), ""

    def _records(self, journal: Journal, cursor: str, wanted: Callable[[bytes], bool], deadline: Deadline) -> None:
        self._tally.add(map(self._reader.document, journal.records_since(self._since, cursor, wanted=wanted, deadline=deadline,
                                                                         limit=self._limit)))

    def _kubernetes(self) -> None:
        from ..adapters.kubernetes import open_cluster
        from ..adapters.kubernetes_logs import PodLogs
        from .pod_logs import PodScan

        def take(stream: Bytes, within: bool) -> Scanner:
            scanner = Scanner(self._words, within=within)
            self._tally.add_alike(self._reader.alike(scanner.batches(stream), self._tally.since))
            self.reading.cut += scanner.cut
            return scanner

        options = self._options["kubernetes"]
        self.reading.where = f"kubectl logs -n {options['namespace']}" + (f" -l {options['selector']}" if options["selector"] else "")
        pods = PodScan(PodLogs(options, open_cluster(options)), self._known.beside.get("pods"), since=self._since, limit=self._limit,
                       clock=self._clock, take=take)
        pods.run(options["containers"], self.reading)
        self.positions.beside["pods"] = pods.kept()

    def _elasticsearch(self) -> None:
        options = self._options["elasticsearch"]
        server = Elasticsearch.from_options(options)
        self.reading.where, self.reading.unit = f"{options['index']} ({options['query']})", "documents"
        read_to = self._known.beside.get("until")
        since = parse_instant(read_to).timestamp() if read_to else self._since
        delay, late = (parse_duration(options[key], option=f"elasticsearch.{key}") for key in ("delay", "late"))
        until = self._clock.now().timestamp() - delay
        until = max(since, math.floor(1000 * until) / 1000)  # as precise as it is kept; a clock may go back, and delay be raised
        total = found = server.count(options["query"], since, until)
        quiet = not total and not server.count("*", since, until)  # that the query finds nothing is good news only where something arrives
        while found > max(1, self._limit // _DOCUMENT) and until - since > 1:  # a part of the time, so that the rest has its turn
            until = math.floor(500 * (since + until)) / 1000
            found = server.count(options["query"], since, until)
        question = self._question()
        if read_to:
            arrivals = Arrivals.load(self._known.beside.get("late"), _ms(since), question)
            self._missed(arrivals, server)
        else:
            arrivals = Arrivals(_ms(since))
        self._tally.add(self._reader.document(one.fields, always=True) for one in server.documents(
            options["query"], arrivals.begin / 1000, until) if arrivals.is_new(one.id, one.at, _ms(until)))
        arrivals.read_to(_ms(until), _ms(late))
        self.reading.late, self.reading.late_by = arrivals.late, since - arrivals.earliest / 1000
        self.reading.left, self.reading.quiet = total - found, quiet and not arrivals.late
        self.positions.beside["late"] = arrivals.kept(question)
        self.positions.beside["until"] = _instant(until)

    def _missed(self, arrivals: Arrivals, server: Elasticsearch) -> None:
        """Tell how many arrived too late to be told from those that were counted, looking as far back as the first scan does."""
        query, old, begin = self._options["elasticsearch"]["query"], arrivals.older_from, arrivals.begin
        horizon = self._clock.now().timestamp() - parse_duration(self._options["look_back"], option="look_back")
        newest = min(max(old, _ms(horizon)), begin)
        there, moved = (server.count(query, old / 1000, to / 1000) if to > old else 0 for to in (begin, newest))
        missed, after = arrivals.missed(there, moved, newest), self._options["elasticsearch"]["late"]
        if missed:
            self.reading.lost = f"documents that were not counted, since they arrived more than {after} after their instant: {missed}"
            self.reading.lost_hint = "Raise elasticsearch.late, and see why what ships them is behind: its queue, its clock"

    def _question(self) -> str:
        asked = self._options["elasticsearch"]
        return hashlib.sha256("\0".join(str(asked[key]) for key in ("url", "index", "query", "time_field")).encode()).hexdigest()[:16]


def _ms(at: float) -> int:
    return round(1000 * at)


def _instant(at: float) -> str:
    return format_instant(datetime.fromtimestamp(at, timezone.utc))
