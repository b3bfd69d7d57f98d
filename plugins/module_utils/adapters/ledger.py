# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: what every run found and did, in one SQL database through SQLAlchemy Core.

    records   one row per procedure, host and run; each carries the digest of the row before it
    findings  the findings of a record

The chain: ``digest = SHA-256(canonical JSON of the record with its findings, and the previous digest)``. A row that is
altered or taken out breaks the chain at that place, which `verify_chain` names.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import Damaged, InvalidOption, LibraryMissing, StorageFailed
from ..core.files import private_folder

try:
    import sqlalchemy as sa
    from sqlalchemy import event
except ImportError:  # told when a ledger is opened
    sa = None

_GENESIS = "0" * 64
_LOCK = 0x6576656E  # advisory lock key: "even"

if sa is not None:
    _METADATA = sa.MetaData()
    RECORDS = sa.Table(
        "records", _METADATA,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run", sa.String(64), nullable=False, index=True),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("system", sa.String(128), nullable=False),
        sa.Column("environment", sa.String(128), nullable=False),
        sa.Column("host", sa.String(256), nullable=False),
        sa.Column("area", sa.String(64), nullable=False),
        sa.Column("procedure", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("changed", sa.Boolean, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
    )
    FINDINGS = sa.Table(
        "findings", _METADATA,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("record", sa.ForeignKey("records.id"), nullable=False, index=True),
        sa.Column("run", sa.String(64), nullable=False, index=True),
        sa.Column("check", sa.String(128), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )


def default_url() -> str:
    """SQLite below the user's state folder (XDG base directory specification)."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return f"sqlite:///{state / 'evenkeel' / 'ledger.sqlite'}"


@dataclass(frozen=True)
class Place:
    """Where records of a play go, and what they are records of; ``shown`` is the URL without its password."""

    url: str
    system: str
    environment: str

    @property
    def shown(self) -> str:
        """The URL as a report may show it."""
        return sa.engine.make_url(self.url).render_as_string() if sa is not None else ""


def ledger_of(templar: Any, variables: Mapping[str, Any]) -> Place:
    """The place that the variables ``evenkeel_ledger_url``, ``evenkeel_system`` and ``evenkeel_environment`` name."""

    def setting(name: str, default: str) -> str:
        return templar.template(variables[name]) if variables.get(name) else default

    return Place(setting("evenkeel_ledger_url", default_url()), setting("evenkeel_system", "unnamed"),
                 setting("evenkeel_environment", "unnamed"))


class Ledger:
    """Appends and reads records; safe for several processes at once."""

    def __init__(self, url: str) -> None:
        """:raises LibraryMissing: without SQLAlchemy
        :raises InvalidOption: for a URL that SQLAlchemy cannot read
        """
        if sa is None:
            raise LibraryMissing("SQLAlchemy")
        try:
            self._url = sa.engine.make_url(url)
        except sa.exc.ArgumentError as error:
            raise InvalidOption(f"{url!r} is no database URL", hint="Write sqlite:////path or postgresql+psycopg://…") from error
        if self._url.get_backend_name() == "sqlite" and self._url.database:
            private_folder(Path(self._url.database).parent)
        self._engine = sa.create_engine(self._url, connect_args=self._connect_args())
        if self._url.get_backend_name() == "sqlite":
            event.listen(self._engine, "connect", _leave_transactions_to_us)
            event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        with self._writing() as connection:
            _METADATA.create_all(connection)
        if self._url.get_backend_name() == "sqlite" and self._url.database:
            os.chmod(self._url.database, 0o600)

    def _connect_args(self) -> dict[str, Any]:
        return {"timeout": 60} if self._url.get_backend_name() == "sqlite" else {"connect_timeout": 10}

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        try:
            with self._engine.begin() as connection:
                if self._url.get_backend_name() == "postgresql":
                    connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                yield connection
        except sa.exc.SQLAlchemyError as error:
            said = str(getattr(error, "orig", None) or error).strip()
            raise StorageFailed(
                f"The ledger {self._url.render_as_string()} cannot be used: {said}",
                hint="Check evenkeel_ledger_url, and that its database can be written",
            ) from error

    def append(self, record: dict[str, Any], findings: Sequence[dict[str, Any]]) -> str:
        """Add a record (run, at, system, environment, host, area, procedure, status, changed, body) with its findings.

        :returns: its digest
        :raises StorageFailed: when the database cannot be written; nothing is kept of the record then
        """
        with self._writing() as connection:
            previous = connection.execute(
                sa.select(RECORDS.c.digest).order_by(RECORDS.c.id.desc()).limit(1)).scalar() or _GENESIS
            row = {**record, "body": _canonical(record["body"]), "previous": previous}
            bodies = [_canonical(finding) for finding in findings]
            digest = _digest(row, bodies)
            key = connection.execute(sa.insert(RECORDS).values(**row, digest=digest)).inserted_primary_key[0]
            if findings:
                connection.execute(sa.insert(FINDINGS), [
                    {"record": key, "run": record["run"], "check": finding["check"], "subject": finding["subject"],
                     "status": finding["status"], "body": body} for finding, body in zip(findings, bodies)])
        return digest

    def records(self, run: str) -> list[dict[str, Any]]:
        """The records of a run in the order written, each with ``body`` and ``findings`` as they were given."""
        with self._writing() as connection:
            rows = connection.execute(sa.select(RECORDS).where(RECORDS.c.run == run).order_by(RECORDS.c.id)).mappings().all()
            found = connection.execute(
                sa.select(FINDINGS.c.record, FINDINGS.c.body).where(FINDINGS.c.run == run).order_by(FINDINGS.c.id)).all()
        by_record: dict[int, list[dict[str, Any]]] = {}
        for key, body in found:
            by_record.setdefault(key, []).append(json.loads(body))
        return [{**row, "body": json.loads(row["body"]), "findings": by_record.get(row["id"], [])} for row in rows]

    def newest_run(self, *, system: str, environment: str) -> str | None:
        """The run that was recorded last for a system's environment, None where there is none."""
        with self._writing() as connection:
            return connection.execute(
                sa.select(RECORDS.c.run).where(RECORDS.c.system == system, RECORDS.c.environment == environment)
                .order_by(RECORDS.c.id.desc()).limit(1)).scalar()

    def trend(self, *, system: str, environment: str, before: str, limit: int) -> list[dict[str, Any]]:
        """The ``trend`` values of the newest ``operations.report`` records of other runs than ``before``, oldest first."""
        with self._writing() as connection:
            bodies = connection.execute(
                sa.select(RECORDS.c.body)
                .where(RECORDS.c.system == system, RECORDS.c.environment == environment, RECORDS.c.run != before,
                       RECORDS.c.area == "operations", RECORDS.c.procedure == "report")
                .order_by(RECORDS.c.id.desc()).limit(limit)).scalars().all()
        return [values["trend"] for body in reversed(bodies) for values in json.loads(body) if "trend" in values]

    def verify_chain(self) -> int:
        """Recompute every digest from the first record on.

        :returns: the number of records
        :raises Damaged: at the first record that is not as it was written, or whose predecessor is gone
        """
        previous, number = _GENESIS, 0
        with self._writing() as connection:
            bodies: dict[int, list[str]] = {}
            for key, body in connection.execute(sa.select(FINDINGS.c.record, FINDINGS.c.body).order_by(FINDINGS.c.id)):
                bodies.setdefault(key, []).append(body)
            for row in connection.execute(sa.select(RECORDS).order_by(RECORDS.c.id)).mappings():
                content = {key: value for key, value in row.items() if key not in ("id", "digest")}
                if row["previous"] != previous or _digest(content, bodies.get(row["id"], [])) != row["digest"]:
                    raise Damaged(
                        f"The ledger is not as it was written: the chain breaks at record {row['id']} ({row['at']})",
                        hint="Compare with a backup of the ledger; everything before that record is intact",
                        evidence={"record": row["id"], "intact_records": number})
                previous, number = row["digest"], number + 1
        return number


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)


def _digest(row: dict[str, Any], findings: Sequence[str]) -> str:
    return hashlib.sha256(_canonical([row, list(findings)]).encode("utf-8", "surrogatepass")).hexdigest()


def _leave_transactions_to_us(connection: Any, record: object) -> None:
    # sqlite3 would begin transactions late, as readers; two writers could then fail instead of waiting in turn.
    connection.isolation_level = None
