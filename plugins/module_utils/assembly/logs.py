# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The places that logs are read from, each from where the last run ended: files, the journal, Elasticsearch, pods of Kubernetes.

What keeps a place from being read is told in the reading and judged as unknown; what the caller got wrong is raised.
"""

from __future__ import annotations

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
from ..core.quantities import parse_duration
from ..core.waiting import Deadline
from ..monitoring.log_entries import EntryReader
from ..monitoring.log_judge import LogTally, Reading
from ..monitoring.log_lines import Bytes, Scanner

_DOCUMENT = 1000  # bytes that a document counts as, where a limit is one of bytes
_OTHER_TEXT = (b"\xff\xfe", b"\xfe\xff")  # byte order marks of UTF-16


class LogScan:
    """One scan of one log: from ``since`` (Unix time) or where the state says, ``limit`` bytes at the most, into ``tally``."""

    def __init__(self, options: Mapping[str, Any], known: Positions, tally: LogTally, reader: EntryReader, *, words: list[str],
                 since: float, limit: int, clock: Clock) -> None:
        self._options, self._known, self._tally, self._reader = options, known, tally, reader
        self._words, self._since, self._limit, self._clock = words, since, limit, clock
        self.reading = Reading()
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
        self.reading.files += scanner.consumed > 0
        self.reading.bytes += scanner.consumed
        if scanner.consumed >= left:
            self.reading.left += file.left

    def _journal(self) -> None:
        journal = Journal(self._options["journal"], Commands())
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
        self.reading.left = int(journal.bytes >= self._limit)

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
            return scanner

        options = self._options["kubernetes"]
        pods = PodScan(PodLogs(options, open_cluster(options)), self._known.beside.get("pods"), since=self._since, limit=self._limit,
                       clock=self._clock, take=take)
        pods.run(options["containers"], self.reading)
        self.positions.beside["pods"] = pods.kept()

    def _elasticsearch(self) -> None:
        options = self._options["elasticsearch"]
        server = Elasticsearch.from_options(options)
        read_to = self._known.beside.get("until")
        since = parse_instant(read_to).timestamp() if read_to else self._since
        until = self._clock.now().timestamp() - parse_duration(options["delay"], option="elasticsearch.delay")
        until = math.floor(1000 * until) / 1000  # as precise as it is kept
        total = found = server.count(options["query"], since, until)
        # Nothing that the query finds is good news only where something arrives at all.
        self.reading.quiet = not total and not server.count("*", since, until)
        while found > max(1, self._limit // _DOCUMENT) and until - since > 1:  # a part of the time, so that the rest has its turn
            until = math.floor(500 * (since + until)) / 1000
            found = server.count(options["query"], since, until)
        documents = server.documents(options["query"], since, until)
        self._tally.add(self._reader.document(document, always=True) for document in documents)
        self.reading.left = total - found
        self.positions.beside["until"] = _instant(until)


def _instant(at: float) -> str:
    return format_instant(datetime.fromtimestamp(at, timezone.utc))
