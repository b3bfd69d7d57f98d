# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of systemd, through ``journalctl -o json``: records as they come, from a cursor on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..core.errors import AccessDenied, CommandFailed, InvalidOption, NotFound
from ..core.options import OptionGroup
from ..core.quantities import parse_duration
from ..core.waiting import Deadline
from .command import Commands, end_group

OPTIONS = OptionGroup(
    fragment="journal",
    options={
        "journal": {"type": "dict", "options": {
            "units": {"type": "list", "elements": "str", "default": []},
            "identifiers": {"type": "list", "elements": "str", "default": []},
            "directory": {"type": "path"},
            "files": {"type": "list", "elements": "path", "default": []},
            "timeout": {"type": "str", "default": "10m"},
        }},
    },
)
_FIELDS = "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_SYSTEMD_UNIT"


class Journal:
    """``cursor`` is that of the last record that was taken, so that the next run begins behind it."""

    def __init__(self, options: Mapping[str, Any], commands: Commands) -> None:
        self._commands, self._options = commands, options
        self.timeout = parse_duration(options["timeout"], option="journal.timeout")
        self.cursor = ""
        self.bytes = self.records = 0
        if options["directory"] and options["files"]:
            raise InvalidOption("journal: directory and files are two places", hint="Give one of them, or none for this host's own journal")

    def records_since(self, since: float, cursor: str, *, wanted: Callable[[bytes], bool], deadline: Deadline,
                      limit: int) -> Iterator[dict[str, Any]]:
        """The records behind ``cursor``, or where there is none, from the Unix time ``since`` on; only those whose line is ``wanted`` are
        read. It ends after ``limit`` bytes.

        :raises NotFound: where the record of the cursor is gone, and with it maybe others that nobody has read
        :raises ToolMissing, CommandFailed, AccessDenied, TimedOut: where it cannot be read to its end
        """
        start = [f"--after-cursor={cursor}"] if cursor else [f"--since=@{since:.6f}"]
        if cursor and not self._has(cursor, deadline):
            raise NotFound("the record that was read last is no longer in the journal", hint="It was vacuumed before it was scanned: "
                           "give it more room (SystemMaxUse), or scan more often")
        process = self._commands.start([*self._argv(), *start, f"--output-fields={_FIELDS}"], text=False)
        ended = False
        alarm = threading.Timer(max(1.0, deadline.left), process.kill)  # for one that prints nothing and does not end
        alarm.daemon = True
        alarm.start()
        try:
            for line in process.stdout:
                deadline.require("reading the journal")
                self.bytes += len(line)
                self.records += 1
                place = line.find(b'"__CURSOR"')
                if wanted(line) or place < 0:
                    record = self._read(line)
                    self.cursor = str(record["__CURSOR"])
                    yield record
                else:
                    self.cursor = line[place + 10:].split(b'"', 2)[1].decode("ascii", "replace")
                if self.bytes >= limit:
                    return
            process.wait(5)
            ended = True
            deadline.require("reading the journal")
            said = process.stderr.read().decode("utf-8", "replace").strip()
            if process.returncode:
                raise CommandFailed(f"journalctl ended with status {process.returncode}: {said[-500:]}", hint="Run it by hand",
                                    evidence={"stderr": said[-2000:]})
            if "insufficient permissions" in said:
                raise AccessDenied(f"the journal is not readable here: {said[:300]}", hint="Run this as root (become), or put its account "
                                   "into the group systemd-journal")
        finally:
            alarm.cancel()
            if not ended:
                end_group(process)
            for stream in (process.stdout, process.stderr):
                stream.close()

    def _argv(self) -> list[str]:
        options = self._options
        where = [f"--directory={options['directory']}"] if options["directory"] else [f"--file={path}" for path in options["files"]]
        chosen = [f"--unit={unit}" for unit in options["units"]] + [f"--identifier={one}" for one in options["identifiers"]]
        return [self._commands.find("journalctl", package="systemd"), "--output=json", "--no-pager", "--all", *where, *chosen]

    def _has(self, cursor: str, deadline: Deadline) -> bool:
        argv = [*self._argv(), f"--cursor={cursor}", "--lines=1", "--output-fields=PRIORITY"]
        done = self._commands.run([one for one in argv if not one.startswith(("--unit=", "--identifier="))], check=False,
                                  timeout=max(1.0, deadline.left))
        try:
            return not done.returncode and json.loads(done.stdout.partition("\n")[0])["__CURSOR"] == cursor
        except (ValueError, KeyError, TypeError):
            return False

    @staticmethod
    def _read(line: bytes) -> dict[str, Any]:
        try:
            record = json.loads(line)
            if isinstance(record, dict) and "__CURSOR" in record:
                return record
        except ValueError:
            pass
        raise CommandFailed(f"journalctl prints what is no record: {line[:200]!r}", hint="See its version; it wants systemd 236 or newer")
