# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill of a whole cluster: a physical copy restored into a folder of our own, its log replayed, every page looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from ..backups.repository import Backup
from ..backups.sessions import Session
from ..core.clock import format_instant
from ..core.errors import Damaged
from ..core.finding import Finding, Status
from ..core.waiting import Deadline
from .amcheck import Amcheck, check_relations
from .judge import Comparison, judge_amcheck, judge_data
from .policy import DrillPolicy
from .questions import ask, read_largest_table
from .recovery_point import RecoveryPoint


class Copy(Protocol):
    """A physical copy, by engine (`physical_copies`)."""

    tools: Mapping[str, str]

    def fetch(self, folder: Path, deadline: Deadline) -> None:
        """Have all that the restore needs at hand, every stored byte of it checked; ``folder`` exists, and is the account's."""

    def restore(self, data: Path, deadline: Deadline) -> int:
        """Fill ``data``, which is empty and the account's; gives the number of files that were checked on the way."""

    def settings(self) -> Mapping[str, str]:
        """What the server needs to reach the log: restore_command."""


class Cluster(Protocol):
    """`adapters.scratch_cluster.ScratchCluster`."""

    tools: Mapping[str, str]

    def make_folder(self, folder: Path) -> Path:
        """For the account."""

    def start(self, data: Path, room: Path, settings: Mapping[str, str], deadline: Deadline) -> None:
        """Start, and wait for the end of recovery; socket and log lie in ``room``."""

    def ended(self) -> list[str]:
        """What the log says of it."""

    def session(self, *, database: str | None = None, statement_timeout: float | None = None) -> Session:
        """A session."""

    def check_pages(self, data: Path, *, timeout: float) -> str | None:
        """pg_checksums."""

    def stop(self, *, cleanly: bool = False) -> None:
        """End it."""


@dataclass(frozen=True)
class Target:
    """Where a copy is restored to: ``data``, and ``parts``, on the same file system, for what it is made of. ``settings`` are
    those of the recovery, for data that is to stay.
    """

    data: Path
    parts: Path
    settings: Mapping[str, str] = field(default_factory=dict)


class PhysicalDrill:
    """See `drill.Subject`; its phases are its own. ``data_at`` is known after `replay`: the commit time of the last transaction
    that was recovered, or that of the copy where none was, or where recovery was to end earlier.
    """

    phases = ("fetch", "restore", "replay", "first_query")

    def __init__(self, backup: Backup, copy: Copy, cluster: Cluster, policy: DrillPolicy, folder: Path, *, point: RecoveryPoint,
                 jobs: int, deadline: Deadline, chosen: Mapping[str, Any] | None = None, target: Target | None = None) -> None:
        self._backup, self._copy, self._cluster, self._policy = backup, copy, cluster, policy
        self._point, self._jobs, self._deadline = point, jobs, deadline
        self._room = folder / "server"
        self._target = target or Target(self._room / "data", folder / "fetched")
        self._files = 0
        self.comparison: Comparison | None = None
        self.notes: list[str] = []
        self.tools = {**cluster.tools, **copy.tools}
        self.data_at: datetime = backup.manifest.data_at
        self.reached: dict[str, Any] = {"target": str(point), **(chosen or {})}

    def fetch(self) -> None:
        """Have the copy at hand."""
        self._cluster.make_folder(self._room)
        self._copy.fetch(self._cluster.make_folder(self._target.parts), self._deadline)

    def restore(self) -> None:
        """The data directory, as the copy has it."""
        self._files = self._copy.restore(self._cluster.make_folder(self._target.data), self._deadline)

    def replay(self) -> None:
        """Start the server in isolation, and have it replay the log up to the point."""
        settings = {**self._copy.settings(), **self._point.settings(), **self._target.settings}
        self._cluster.start(self._target.data, self._room, settings, self._deadline)
        session = self._session()
        try:
            self.reached |= reached(session)
        finally:
            session.close()
        self.reached["log"] = self._cluster.ended()
        if self._point.kind == "latest" and self.reached["last_transaction_at"]:
            self.data_at = max(self.data_at, datetime.fromisoformat(self.reached["last_transaction_at"]))

    def first_query(self) -> None:
        """A new session reads a row of the largest table."""
        read_largest_table(self._session())

    def verify(self) -> list[Finding]:
        """Assertions, amcheck in every database, and the checksum of every page once the server has ended."""
        plan, policy = self._backup.plan, self._policy
        self.comparison = Comparison(self._files, of="files")
        findings = [*judge_data(plan, self.comparison), self._replayed()]
        findings += chain.from_iterable(ask(plan, one, self._asked, self._deadline.clock) for one in policy.assertions)
        if policy.amcheck:
            seen = self._amcheck()
            findings += judge_amcheck(plan, seen.checked, seen.corrupt, seen.not_checked)
        self._cluster.stop(cleanly=True)
        return [*findings, *judge_pages(plan, self._cluster.check_pages(self._target.data, timeout=max(1.0, self._deadline.left)))]

    def stop(self) -> None:
        """End the server."""
        self._cluster.stop()

    def _session(self, database: str | None = None) -> Session:
        return self._cluster.session(database=database, statement_timeout=max(1.0, self._deadline.left))

    def _asked(self) -> Session:
        return self._cluster.session(statement_timeout=self._policy.statement_timeout)

    def _replayed(self) -> Finding:
        return Finding("recovery.replay", self._backup.plan, Status.PASS, told(self.reached), self.reached["lsn"], str(self._point))

    def _amcheck(self) -> Amcheck:
        """All databases together; relations are called by their database where it is not the plan's own."""
        session = self._session()
        try:
            names = [row["name"] for row in session.fetch(
                "SELECT datname::text AS name FROM pg_database WHERE datallowconn AND datname <> 'template0' ORDER BY 1")]
        finally:
            session.close()
        checked, corrupt = 0, {}
        for name in names:
            seen = check_relations(lambda name=name: self._session(name), parallel=self._jobs)
            if seen.not_checked:
                return seen
            checked += seen.checked
            corrupt |= {f"{name}: {relation}": said for relation, said in seen.corrupt.items()}
        return Amcheck(checked, corrupt)


def reached(session: Session) -> dict[str, Any]:
    """Where recovery ended: ``lsn``, ``timeline``, and commit time of the last transaction that was replayed, as text or None."""
    [row] = session.fetch("""
        SELECT pg_last_wal_replay_lsn()::text AS lsn, (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline,
               pg_last_xact_replay_timestamp() AS instant""")
    return {"lsn": row["lsn"], "timeline": row["timeline"],
            "last_transaction_at": format_instant(row["instant"]) if row["instant"] else None}


def told(reached: Mapping[str, Any]) -> str:
    """A sentence of where recovery ended."""
    last = f"the last transaction is of {reached['last_transaction_at']}" if reached["last_transaction_at"] else \
        "no transaction was replayed after the copy was made"
    return f"asked for {reached['target']}, recovery ended at {reached['lsn']}: {last}"


def judge_pages(subject: str, said: str | None) -> list[Finding]:
    """``recovery.checksums``: what pg_checksums says of every page; None where the cluster has no checksums."""
    check = "recovery.checksums"
    if said is None:
        return [Finding(check, subject, Status.WARN, "the cluster has no data checksums: damage of its pages cannot be told by them",
                        hint="Switch them on at the next maintenance (pg_checksums --enable, the server being stopped)")]
    if said:
        bad = [line for line in said.splitlines() if "checksum verification failed" in line] or said.splitlines()
        return [Finding(check, subject, Status.FAIL, f"pg_checksums: {'; '.join(bad[:20])}", len(bad), 0, "pages",
                        "Do not count on this backup: restore an older one, and look at the source's disk")]
    return [Finding(check, subject, Status.PASS, "every page has the checksum that it must have", 0, 0, "pages")]


def source_of(backup: Backup) -> tuple[int, str, str]:
    """The major version, the superuser and the database that a physical backup's manifest names.

    :raises Damaged: where it does not
    """
    try:
        source = backup.manifest.source
        return int(source["server_version"]) // 10000, str(source["superuser"]), str(source["database"])
    except (KeyError, ValueError, TypeError) as error:
        raise Damaged(f"The manifest of {backup.id} does not say which PostgreSQL it is of", hint="Use another backup") from error
