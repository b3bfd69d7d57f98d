# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``pgbackrest``: physical copies in pgBackRest's own repository, full, differential and incremental.

A copy whose source has damaged pages does not count: it is left in pgBackRest's repository, and named in the error. The next
copy is a full one then, as it is after any copy that our repository does not know: a chain rests on known links only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from ..core import progress
from ..core.clock import Clock
from ..core.errors import Damaged, InvalidOption, NotFound
from .engine import Product, Source
from .payload import Codecs
from .repository import Backup
from .wal_archive import Session, first_hole, judge_archiving, name_of, observe_archiving

KINDS = ("full", "diff", "incr")
_BAD_FILE = re.compile(r"(?:file missing|invalid \w+) '?([^':\s]+)")
_REPORT = re.compile(r"backup: (\S+), status: (\w+), total files checked: (\d+), total valid files: (\d+)")


class PhysicalSession(Session, Protocol):
    """A session on the server that is backed up."""

    server_version: int

    def value(self, query: str, parameters: Any = None, names: Any = None) -> Any:
        """One value."""

    def close(self) -> None:
        """End it."""


class Programs(Protocol):
    """`adapters.pgbackrest.PgBackRest`."""

    version: str
    stanza: str
    config: str

    def info(self) -> dict[str, Any]:
        """What is known of the stanza."""

    def backup(self, kind: str, *, jobs: int, timeout: float) -> list[tuple[str, str]]:
        """Make a copy; damaged pages."""

    def verify(self, *, jobs: int, timeout: float) -> tuple[str, str]:
        """Report and log."""

    def segments(self, *, timeout: float) -> dict[str, list[str]]:
        """Names by archive."""


@dataclass(frozen=True)
class PgBackRestPolicy:
    """``kind`` of copy; a full one all the same where the newest full one is ``full_every`` seconds old (None: never for its
    age). ``archive_age`` seconds of log may be unarchived. ``host``, ``port`` say which server it is.
    """

    kind: str = "incr"
    full_every: float | None = None
    archive_age: float = 900
    jobs: int = 2
    timeout: float = 4 * 3600

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidOption(f"pgbackrest.type: {self.kind!r} is unknown", hint=f"Known are {', '.join(KINDS)}")


def kind_due(known: Sequence[Backup], labels: Sequence[Mapping[str, Any]], policy: PgBackRestPolicy, now: datetime) -> str:
    """``full`` where nothing known can be built on, or where the newest full copy is too old; else what the policy says."""
    if policy.kind == "full" or not labels:
        return "full"
    ours = {backup.manifest.native["name"]: backup for backup in known if backup.manifest.native and backup.usable}
    fulls = [label for label in labels if label["type"] == "full"]
    base = fulls[-1] if policy.kind == "diff" and fulls else labels[-1]
    chain = {base["label"], *(base.get("reference") or ())}
    if not chain <= ours.keys() or any(label["error"] for label in labels if label["label"] in chain):
        return "full"
    newest_full = ours[fulls[-1]["label"]] if fulls and fulls[-1]["label"] in ours else None
    if newest_full is None or (policy.full_every is not None and (now - newest_full.created_at).total_seconds() >= policy.full_every):
        return "full"
    return policy.kind


class PgBackRestEngine:
    """See `engine.Engine`. ``known`` gives the backups of the plan, ``place`` host and port as they are to be told."""

    name = "pgbackrest"

    def __init__(self, open_session: Callable[[], PhysicalSession], programs: Programs, policy: PgBackRestPolicy, clock: Clock,
                 known: Callable[[], Sequence[Backup]], place: Mapping[str, Any]) -> None:
        self._open = open_session
        self._programs = programs
        self._policy = policy
        self._clock = clock
        self._known = known
        self._place = dict(place)

    def inspect(self) -> Source:
        """Version and size of the cluster, whether the stanza is its own, and whether its log is archived."""
        session = self._open()
        try:
            description = {**self._place, "stanza": self._programs.stanza, **describe_cluster(session)}
            check_stanza(self._programs.info(), description["system_identifier"], self._programs.stanza)
            findings = judge_archiving(self._programs.stanza, observe_archiving(session), ceiling=self._policy.archive_age)
            return Source(description, 0, findings=tuple(findings))
        finally:
            session.close()

    def produce(self, data: Path, staging: Path, codecs: Codecs, *, encrypt: bool) -> Product:
        """Run pgBackRest, and read from it what it made."""
        before = self._programs.info()
        if encrypt and before["cipher"] == "none":
            raise InvalidOption(f"The plan is to be encrypted, and the stanza {self._programs.stanza} is not",
                                hint="Make the stanza anew with backups_pgbackrest_cipher_pass, or set encrypt: false for the plan")
        session = self._open()
        try:
            description = {**self._place, "stanza": self._programs.stanza, **describe_cluster(session)}
            size = cluster_bytes(session)
        finally:
            session.close()
        known = [backup for backup in self._known() if backup.engine == self.name]
        kind = kind_due(known, before["backup"], self._policy, self._clock.now())
        began = self._clock.monotonic()
        progress.begin(f"{kind} copy of {self._programs.stanza}", size)
        pages = self._programs.backup(kind, jobs=self._policy.jobs, timeout=self._policy.timeout)
        seconds = self._clock.monotonic() - began
        after = self._programs.info()
        earlier = {one["label"] for one in before["backup"]}
        made = [one for one in after["backup"] if one["label"] not in earlier]
        if not made:
            raise NotFound("pgBackRest says that it made a copy, and lists none", hint="See its log in log-path")
        label = made[-1]
        if pages or label["error"]:
            raise _damaged_source(pages, label["label"])
        names = {backup.manifest.native["name"]: backup.id for backup in known}
        return Product(
            files=(), data_at=datetime.fromtimestamp(label["timestamp"]["stop"], timezone.utc), source=description, source_bytes=size,
            compression="by pgBackRest", parent=names.get(label["prior"]) if label["prior"] else None,
            tools={"pgbackrest": self._programs.version}, timings={"backup": round(seconds, 3)},
            encryption=None if after["cipher"] == "none" else {"method": after["cipher"]},
            native={"repository": self._programs.config, "name": label["label"], "bytes": label["info"]["repository"]["delta"],
                    "stanza": self._programs.stanza, "type": label["type"], "archive": _archive_of(after, label),
                    "wal_start": label["archive"]["start"], "wal_stop": label["archive"]["stop"], "lsn_stop": label["lsn"]["stop"]})


def describe_cluster(session: PhysicalSession) -> dict[str, Any]:
    """What a restore has to know of the cluster; ``superuser`` is the one that initdb made."""
    [row] = session.fetch("""
        SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
               (SELECT rolname::text FROM pg_roles WHERE oid = 10) AS superuser, current_database()::text AS database,
               current_setting('data_checksums') = 'on' AS checksums,
               pg_size_bytes(current_setting('wal_segment_size')) AS segment_bytes""")
    return {**row, "server_version": session.server_version}


def cluster_bytes(session: PhysicalSession) -> int | None:
    """The size of all databases that this role may ask after; None where it may ask after none."""
    return session.value("""
        SELECT sum(pg_database_size(oid))::int8 FROM pg_database
        WHERE has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')""")


def check_stanza(info: Mapping[str, Any], identifier: str, stanza: str) -> None:
    """See to it that the stanza is there, and is of this very cluster.

    :raises NotFound: where there is no such stanza
    :raises Damaged: where it is another cluster's
    """
    if not info["db"]:
        raise NotFound(f"There is no stanza {stanza} in the repository of pgBackRest: {info['status']['message']}",
                       hint="Prepare it first (backups.prepare)")
    if str(info["db"][-1]["system-id"]) != identifier:
        raise Damaged(f"The stanza {stanza} is of the cluster {info['db'][-1]['system-id']}, and this server is {identifier}",
                      hint="See login_host, login_port and stanza; a new cluster takes a new stanza")


def _archive_of(info: Mapping[str, Any], label: Mapping[str, Any]) -> str:
    """The id of the archive that a copy's log is in: ``15-1``."""
    wanted = label["database"]
    return next(one["id"] for one in info["archive"] if one["database"] == wanted)


def _damaged_source(pages: Sequence[tuple[str, str]], label: str) -> Damaged:
    named = "; ".join(f"{file} at pages {where}" for file, where in pages[:20]) or "see pgBackRest's log"
    return Damaged(
        f"The source itself is damaged, page checksums do not fit: {named}", evidence={"pages": [list(one) for one in pages]},
        hint=f"Earlier backups are kept. Find what is hit (pg_filenode_relation), restore it from a backup made before, and look at "
             f"the disk; pgBackRest keeps the copy {label} with the pages as they are")


class PgBackRestReader:
    """See `engine.Reader`. pgBackRest reads the whole stanza at once: its report is asked for once in a run and serves every
    backup of the stanza. ``open_programs`` is given what the manifest calls ``native``.
    """

    def __init__(self, open_programs: Callable[[Mapping[str, Any]], Programs], *, jobs: int, timeout: float) -> None:
        self._open = open_programs
        self._jobs, self._timeout = jobs, timeout
        self._reports: dict[tuple[str, str], tuple[str, str, dict[str, list[str]]]] = {}

    def read_in_full(self, backup: Backup, codecs: Codecs, scratch: Path) -> None:
        """See `engine.Reader`; the log that the copy needs to be consistent is part of it."""
        native = backup.manifest.native or {}
        try:
            key = (native["repository"], native["stanza"])
            if key not in self._reports:
                programs = self._open(native)
                self._reports[key] = (*programs.verify(jobs=self._jobs, timeout=self._timeout), programs.segments(timeout=self._timeout))
            report, log, segments = self._reports[key]
            judge_report(report, log, native["name"], native["wal_start"], native["wal_stop"])
            size = int(backup.manifest.source["segment_bytes"])
            hole = first_hole(segments.get(native["archive"], []), native["wal_start"], native["wal_stop"], size)
        except (KeyError, ValueError, TypeError) as error:
            raise Damaged(f"The manifest of {backup.id} does not say which copy it is of: {error!r}", hint="Use another backup") from error
        if hole is not None:
            raise Damaged(f"The log segment {name_of(hole, native['wal_start'][:8], size)} is missing in the archive",
                          hint="Make a new backup: without it this one does not become consistent")


def judge_report(report: str, log: str, label: str, wal_start: str, wal_stop: str) -> None:
    """Is the copy ``label`` whole by pgBackRest's verify? Its exit status does not say.

    :raises Damaged: where it is not, naming what is bad; also where the report does not mention the copy
    """
    found = {match[1]: match for match in _REPORT.finditer(report)}
    bad: list[str] = _BAD_FILE.findall(log)
    if label not in found:
        raise Damaged(f"pgBackRest's repository has no copy {label}", hint="It was deleted there by another hand: make a new backup")
    _label, status, checked, valid = found[label].groups()
    if status != "valid" or checked != valid or int(checked) == 0:
        own = [path for path in bad if path.split("/")[0] in label or path.startswith(label[:16])]
        raise Damaged(f"pgBackRest calls the copy {label} {status}: {int(checked) - int(valid)} of {checked} files"
                      + (f", {', '.join(own[:5])}" if own else ""), hint="Restore from another backup", evidence={"files": own[:100]})
    needed = [path for path in bad if re.fullmatch(r"[0-9A-F]{24}.*", path.rpartition("/")[2])
              and wal_start[8:] <= path.rpartition("/")[2][8:24] <= wal_stop[8:]]
    if needed:
        raise Damaged(f"The log that the copy {label} needs is damaged: {', '.join(needed[:5])}", hint="Restore from another backup")
