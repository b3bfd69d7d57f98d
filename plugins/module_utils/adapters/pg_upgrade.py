# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's own pg_upgrade, between two clusters of ours that are thrown away afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.clock import Clock
from ..core.waiting import Deadline
from .command import Commands, Completed
from .pg_restore import create_database, restore_into
from .postgres import PostgresTarget, connect
from .postgres_server import Installation, PostgresServer

# What is lost with the machine is lost anyway.
_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off",
             "max_locks_per_transaction": "1024"}
_CHECKSUMS = 18  # initdb writes data checksums by default from then on, and pg_upgrade wants both clusters alike
# Lines of pg_upgrade's that say nothing of a failure: headings, rules, and what passed.
_PASSED = re.compile(r"(?:\bok$|^-+$|^Performing |^\*)")
_ERROR = re.compile(r"\b(?:ERROR|FATAL|error):")
_OTHER_SERVER = 'unrecognized configuration parameter "'  # pg_restore of a newer major sets what an older server does not know


@dataclass(frozen=True)
class Tried:
    """``complaint`` is why pg_upgrade refused or failed, empty where it did not; ``seconds`` by phase; ``errors`` is how many pg_restore
    had in the old cluster.
    """

    complaint: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    errors: int = 0


class UpgradeTrial:
    """Two clusters below ``folder``; programs are looked at on creation. ``archive`` has the pg_restore.

    :raises ToolMissing: names the package
    """

    def __init__(self, commands: Commands, clock: Clock, old: Installation, new: Installation, archive: Installation,
                 folder: Path) -> None:
        self._commands, self._clock, self._folder = commands, clock, folder
        self._old = PostgresServer(commands, old, folder / "old", clock, settings=_SETTINGS)
        self._new = PostgresServer(commands, new, folder / "new", clock, settings=_SETTINGS)
        self._program = new.program("pg_upgrade")
        for installation in (old, new):
            installation.program("postgres")
        self._archive = archive.program("pg_restore")

    def run(self, dump: Path, *, database: str, locale: Mapping[str, Any], roles: Sequence[str], jobs: int, deadline: Deadline) -> Tried:
        """Restore the dump under the old version, then upgrade that cluster.

        :raises OpsError: where the trial itself could not be carried out
        """
        seconds: dict[str, float] = {}

        def timed(name: str, work: Callable[[], object]) -> object:
            began = self._clock.monotonic()
            answer = work()
            seconds[name] = self._clock.monotonic() - began
            return answer

        self._old.initialize(checksums=False, timeout=max(1.0, deadline.left))
        self._old.start(timeout=60)
        errors = timed("restore under the old version", lambda: self._restore(dump, database, locale, roles, jobs, deadline))
        self._old.stop()  # in peace: pg_upgrade wants a clean shutdown
        options = ["--no-data-checksums"] if self._new.installation.major >= _CHECKSUMS else []
        self._new.initialize(checksums=False, timeout=max(1.0, deadline.left), options=options)
        for name, option in (("pg_upgrade --check", ["--check"]), ("pg_upgrade", [f"--jobs={jobs}"])):
            done = timed(name, lambda option=option: self._upgrade(option, deadline))
            if done.returncode:
                return Tried(f"{name}: {self._complaint(done)}", seconds, errors)
        self._new.start(timeout=60)
        timed("statistics after pg_upgrade", lambda: self._analyze(database, deadline))
        return Tried("", seconds, errors)

    def stop(self) -> None:
        """End what runs."""
        self._old.stop(immediately=True)
        self._new.stop(immediately=True)

    def _target(self, server: PostgresServer, database: str) -> PostgresTarget:
        return PostgresTarget(host=server.socket_folder, port=server.port, user=server.superuser, database=database, ssl_mode="disable")

    def _restore(self, dump: Path, database: str, locale: Mapping[str, Any], roles: Sequence[str], jobs: int, deadline: Deadline) -> int:
        with connect(self._target(self._old, "postgres")) as session:
            for name in roles:
                if not session.value("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)):
                    session.run("CREATE ROLE {name}", names={"name": name})
            create_database(session, database, locale)
        restored = restore_into(self._commands, self._archive, self._target(self._old, database), dump, jobs=jobs, deadline=deadline)
        return restored.error_count - sum(_OTHER_SERVER in said for said in restored.errors)

    def _upgrade(self, options: list[str], deadline: Deadline) -> Completed:
        argv = [self._program, "--old-bindir", self._old.installation.folder, "--new-bindir", self._new.installation.folder,
                "--old-datadir", str(self._old.data), "--new-datadir", str(self._new.data), "--username", self._old.superuser,
                "--socketdir", str(self._new.folder), *options]
        return self._commands.run(argv, timeout=max(1.0, deadline.left), user=self._new.account, cwd=str(self._new.folder), check=False)

    def _complaint(self, done: Completed) -> str:
        """What was not ok, the first lines of the lists that it points to, and the errors in the logs of its children."""
        said = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines()]
        lines = [line for line in said if line and not _PASSED.search(line)]
        output = self._new.data / "pg_upgrade_output.d"
        listed = [line.strip() for path in sorted(output.glob("*/*.txt")) for line in _lines(path)[:5]]
        logged = [line.strip() for path in sorted(output.glob("*/log/*.log")) for line in _lines(path) if _ERROR.search(line)]
        return " ".join([*listed, *logged[:5], *lines])[:1500]

    def _analyze(self, database: str, deadline: Deadline) -> None:
        with connect(self._target(self._new, database), statement_timeout=max(1.0, deadline.left)) as session:
            session.run("ANALYZE")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()
