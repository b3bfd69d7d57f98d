# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive of the write-ahead log: is it on, does it keep up, is it without a hole? What is not archived would be lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..core.finding import Finding, Status
from ..core.quantities import format_duration

_SETTINGS = ("archive_mode", "archive_command", "archive_timeout", "wal_level")


class Session(Protocol):
    """The part of `adapters.postgres.PostgresSession` that is used here."""

    def fetch(self, query: str, parameters: Any = None, names: Any = None) -> list[dict[str, Any]]:
        """Rows."""


@dataclass(frozen=True)
class Archiving:
    """``settings`` as in force (archive_command is ``(disabled)`` while archive_mode is off); ``written`` as the server's files
    have them, where they were read; ``pending`` those that wait for a restart; ``fixed`` those that its command line gives.

    ``waiting`` is the number of finished segments that wait to be archived, None where this role may not look;
    ``archived_seconds`` the age of the newest archived one and ``failing`` that the last attempt failed, with its segment.
    """

    settings: Mapping[str, str]
    pending: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    waiting: int | None = 0
    archived: int = 0
    archived_seconds: float | None = None
    failing: str = ""
    failures: int = 0
    written: Mapping[str, str] = field(default_factory=dict)

    @property
    def on(self) -> bool:
        """Whether the server archives."""
        return self.settings.get("archive_mode") in ("on", "always") and self.settings.get("archive_command", "") not in ("", "(disabled)")


def observe_archiving(session: Session, *, files: bool = False) -> Archiving:
    """Look at a server's settings and its archiver; with ``files`` at its configuration files too, which takes a superuser.

    :raises OpsError: what the session raises
    """
    rows = session.fetch("SELECT name, setting, pending_restart, source FROM pg_settings WHERE name = ANY(%s)", (list(_SETTINGS),))
    [seen] = session.fetch("""
        SELECT archived_count AS archived, failed_count AS failures, last_failed_wal AS failed_wal,
               extract(epoch FROM clock_timestamp() - last_archived_time)::float8 AS seconds,
               coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS failing,
               pg_has_role(current_user, 'pg_monitor', 'USAGE') AS may_look
        FROM pg_stat_archiver""")
    waiting = None
    if seen["may_look"]:
        [ready] = session.fetch("SELECT count(*) AS waiting FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'")
        waiting = ready["waiting"]
    written = session.fetch("SELECT name, setting FROM pg_file_settings WHERE name = ANY(%s) AND setting IS NOT NULL ORDER BY seqno",
                            (list(_SETTINGS),)) if files else []
    return Archiving(
        {row["name"]: row["setting"] for row in rows}, frozenset(row["name"] for row in rows if row["pending_restart"]),
        frozenset(row["name"] for row in rows if row["source"] == "command line"), waiting, seen["archived"],
        seen["seconds"], seen["failed_wal"] or "" if seen["failing"] else "", seen["failures"],
        {row["name"]: row["setting"] for row in written})


def judge_archiving(subject: str, seen: Archiving, *, ceiling: float) -> list[Finding]:
    """``backup.wal_archive``: can more than ``ceiling`` seconds of work be lost? An idle server archives nothing, and rightly:
    the age of the newest segment says something only while others wait.
    """
    check, limit = "backup.wal_archive", format_duration(ceiling)
    hint = "See the server's log for what archive_command says, and SELECT * FROM pg_stat_archiver"
    if not seen.on:
        waits = ": it is set, and waits for a restart of the server" if "archive_mode" in seen.pending else ""
        return [Finding(check, subject, Status.FAIL, f"the server does not archive its log{waits}", seen.settings.get("archive_mode"),
                        "on", hint="Restart the server" if waits else "Run backups.prepare, then restart the server where it says so")]
    findings = []
    timeout = float(seen.settings.get("archive_timeout") or 0)
    if not 0 < timeout <= ceiling:
        told = f"archive_timeout is {format_duration(timeout)}" if timeout else "archive_timeout is off"
        findings.append(Finding(check, subject, Status.FAIL, f"{told}: a segment may stay unarchived for longer than {limit}", timeout,
                                ceiling, "s", hint="Run backups.prepare, or lower archive_timeout"))
    if seen.failing:
        findings.append(Finding(check, subject, Status.FAIL, f"archiving fails: {seen.failing} could not be archived "
                                f"({seen.failures} failures since statistics were reset)", seen.failing, hint=hint))
    elif seen.waiting and (seen.archived_seconds is None or seen.archived_seconds > ceiling):
        age = "none was ever archived" if seen.archived_seconds is None else \
            f"the newest was archived {format_duration(seen.archived_seconds)} ago, over {limit}"
        findings.append(Finding(check, subject, Status.FAIL, f"{seen.waiting} segments wait and {age}", seen.archived_seconds, ceiling,
                                "s", hint=hint))
    elif seen.waiting is None:
        findings.append(Finding(check, subject, Status.UNKNOWN, "this role may not see whether segments wait to be archived", None,
                                ceiling, "s", hint="GRANT pg_monitor to it"))
    if findings:
        return findings
    age = "none was needed yet" if seen.archived_seconds is None else \
        f"the newest was archived {format_duration(seen.archived_seconds)} ago"
    return [Finding(check, subject, Status.PASS, f"the log is archived at least every {format_duration(timeout)}; {age}",
                    seen.archived_seconds, ceiling, "s")]


def segments_per_id(segment_bytes: int) -> int:
    """How many segments one 4 GiB "log id" has (PostgreSQL source, access/xlog_internal.h, XLogSegmentsPerXLogId)."""
    return 0x100000000 // segment_bytes


def segment_number(name: str, segment_bytes: int) -> int:
    """The place of a segment in the log, whatever its timeline: ``000000010000000A000000FF`` counts on from the one before."""
    return int(name[8:16], 16) * segments_per_id(segment_bytes) + int(name[16:24], 16)


def first_hole(names: Sequence[str], start: str, stop: str, segment_bytes: int) -> int | None:
    """The number of the first segment from ``start`` to ``stop`` that no timeline has; None where the row is whole."""
    there = {segment_number(name, segment_bytes) for name in names}
    wanted = range(segment_number(start, segment_bytes), segment_number(stop, segment_bytes) + 1)
    return next((number for number in wanted if number not in there), None)


def name_of(number: int, timeline: str, segment_bytes: int) -> str:
    """The name of a segment by its number; ``timeline`` are the 8 digits that a name begins with."""
    per_id = segments_per_id(segment_bytes)
    return f"{timeline}{number // per_id:08X}{number % per_id:08X}"
