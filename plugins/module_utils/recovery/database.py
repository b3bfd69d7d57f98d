# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill of a database: its dump into a server of our own, compared table by table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from ..backups.fingerprint import take_fingerprint
from ..backups.payload import Codecs, materialize
from ..backups.repository import Backup
from ..backups.sessions import Session
from ..core.errors import Damaged, Interrupted, InvalidOption
from ..core.finding import Finding
from ..core.waiting import Deadline
from .amcheck import check_relations
from .differences import compare_fingerprints
from .judge import Comparison, judge_amcheck, judge_data, judge_restore
from .policy import DrillPolicy
from .questions import ask, read_largest_table


def source_of(backup: Backup) -> tuple[int, int]:
    """The major version of the server that was dumped, and of the pg_dump which did it.

    :raises InvalidOption: for a backup of another engine
    :raises Damaged: where the manifest does not say
    """
    if backup.engine != "pg_dump":
        raise InvalidOption(f"Backup {backup.id} was made by the engine {backup.engine}, which cannot be drilled",
                            hint="Drill backups of the engines pg_dump and archive")
    try:
        return int(backup.manifest.source["server_version"]) // 10000, int(backup.manifest.tools["pg_dump"].partition(".")[0])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Damaged(f"The manifest of {backup.id} does not say which PostgreSQL it is of", hint="Use another backup") from error


class Restored(Protocol):
    """`adapters.scratch_database.Restored`."""

    error_count: int
    errors: Sequence[str]


class Database(Protocol):
    """`adapters.scratch_database.ScratchDatabase`."""

    notes: list[str]
    tools: dict[str, str]

    def initialize(self, folder: Path, deadline: Deadline, *, watch: Callable[[], None]) -> None:
        """Initialize the server; ``watch`` may raise to end that."""

    def prepare(self, folder: Path, deadline: Deadline) -> None:
        """Initialize the server where that was not done yet, and start it."""

    def create(self, locale: Any) -> list[str]:
        """Create the database; gives notes."""

    def restore(self, dump: Path, *, jobs: int, deadline: Deadline) -> Restored:
        """Fill it."""

    def session(self, *, statement_timeout: float | None = None) -> Session:
        """A session in it."""

    def stop(self) -> None:
        """End the server."""


class DatabaseDrill:
    """See `drill.Subject`."""

    def __init__(self, backup: Backup, codecs: Codecs, database: Database, policy: DrillPolicy, folder: Path, *, jobs: int,
                 deadline: Deadline) -> None:
        self._backup, self._codecs, self._database, self._policy = backup, codecs, database, policy
        self._folder, self._jobs, self._deadline = folder, jobs, deadline
        self._dump = folder
        self._restored: Restored | None = None
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="initdb")
        self._initialized: Future | None = None
        self._over = Event()
        self.comparison: Comparison | None = None
        self.notes = list(database.notes)
        self.tools = database.tools

    def fetch(self) -> None:
        """Check every stored byte, and decode the dump where it is compressed or encrypted by us; initdb runs meanwhile."""
        self._initialized = self._beside.submit(
            self._database.initialize, self._folder / "server", self._deadline, watch=self._end_early)
        self._dump = materialize(self._backup, self._folder / "payload", self._codecs, jobs=self._jobs)

    def prepare(self) -> None:
        """A server, and in it a database of the source's encoding and locale."""
        if self._initialized:
            self._initialized.result()
        self._database.prepare(self._folder / "server", self._deadline)
        fingerprint = self._backup.manifest.fingerprint
        self.notes += self._database.create(fingerprint["database"] if fingerprint else {})

    def restore(self) -> None:
        """pg_restore."""
        self._restored = self._database.restore(self._dump, jobs=self._jobs, deadline=self._deadline)

    def first_query(self) -> None:
        """A new session reads a row of the largest table."""
        read_largest_table(self._session())

    def verify(self) -> list[Finding]:
        """Fingerprint, amcheck, assertions, and what pg_restore said in their light."""
        plan, policy = self._backup.plan, self._policy
        self.comparison = self._compare()
        findings = [*judge_restore(plan, self._restored.errors, self._restored.error_count, self.comparison),
                    *judge_data(plan, self.comparison, assertions=len(policy.assertions))]
        findings += chain.from_iterable(ask(plan, one, self._asked, self._deadline.clock) for one in policy.assertions)
        if policy.amcheck:
            seen = check_relations(self._session, parallel=self._jobs)
            findings += judge_amcheck(plan, seen.checked, seen.corrupt, seen.not_checked)
        return findings

    def stop(self) -> None:
        """End the server, or the making of it."""
        self._over.set()
        self._beside.shutdown()
        self._database.stop()

    def _end_early(self) -> None:
        if self._over.is_set():
            raise Interrupted("The drill ended before its server was made")

    def _session(self) -> Session:
        return self._database.session(statement_timeout=max(1.0, self._deadline.left))

    def _asked(self) -> Session:
        return self._database.session(statement_timeout=self._policy.statement_timeout)

    def _compare(self) -> Comparison | None:
        expected = self._backup.manifest.fingerprint
        if not expected:
            return None
        try:
            actual = take_fingerprint(self._session, mode=expected["mode"], parallel=self._jobs, like=expected)
            return Comparison(len(expected["tables"]), tuple(compare_fingerprints(expected, actual)))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise Damaged(f"The fingerprint in the manifest makes no sense: {error!r}",
                          hint="The manifest was altered: use another backup") from error
