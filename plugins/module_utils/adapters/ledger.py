# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: what every run found and did, in one SQL database through SQLAlchemy Core.

    records   one row per procedure, host and run; each carries the digest of the row before it
    findings  the findings of a record
    head      one row: how many records were ever written, and the digest of the newest

The chain: ``digest = SHA-256(canonical JSON of the record with its findings, and the previous digest)``. A row that is
altered or taken out breaks the chain at that place, which `verify_chain` names. Rows taken off the end break no link; the head
knows of them, and the next record links to the head, not to what is left. Who may write all three tables can forge a
shorter or another chain: against that helps only a digest that is kept elsewhere (each report carries one), which
`verify_chain` can be asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..core.errors import Damaged, InvalidOption, LibraryMissing, StorageFailed
from ..core.files import private_folder, storage_errors

try:
    import sqlalchemy as sa
    from sqlalchemy import event
except ImportError:  # told when a ledger is opened
    sa = None

_GENESIS = "0" * 64
_SHOWN = ("run", "check", "subject", "status")  # columns of a finding that its body says too
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
        sa.Column("recorded_by", sa.String(256)),  # empty in records of 0.1.0, and no part of their digests
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
    HEAD = sa.Table(
        "head", _METADATA,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("records", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )


class Ledger:
    """Appends and reads records; safe for several processes at once. What is not there yet reads as empty: only `append` makes it."""

    def __init__(self, url: str) -> None:
        """:raises LibraryMissing: without SQLAlchemy, or without the driver that the URL names
        :raises InvalidOption: for a URL that SQLAlchemy cannot read
        :raises StorageFailed: when the database cannot be opened
        """
        if sa is None:
            raise LibraryMissing("SQLAlchemy")
        try:
            self._url = sa.engine.make_url(url)
            self._engine = sa.create_engine(self._url, connect_args=self._connect_args())
        except sa.exc.ArgumentError as error:  # its text is not repeated: it may hold a password
            raise InvalidOption("evenkeel_ledger_url is no database URL that SQLAlchemy knows",
                                hint="Write sqlite:////path/ledger.sqlite or postgresql+psycopg://user@host/database") from error
        except ImportError as error:
            raise LibraryMissing(error.name or self._url.drivername) from error
        self._made = self._grown = False
        if self._url.get_backend_name() == "sqlite":
            event.listen(self._engine, "connect", _leave_transactions_to_us)
            event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        with self._reading():
            pass

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

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        """A connection to the ledger, or to one that is empty where there is none yet."""
        if self._url.get_backend_name() != "sqlite" or _in_memory(self._url.database) or os.path.exists(self._url.database):
            with self._writing() as connection:
                if sa.inspect(connection).has_table(HEAD.name):
                    self._grow(connection)
                    yield connection
                    return
        with sa.create_engine("sqlite://").begin() as connection:
            _METADATA.create_all(connection)
            yield connection

    def _make(self) -> None:
        if self._made:
            return
        if self._url.get_backend_name() == "sqlite":
            _private_file(self._url.database)
        with self._writing() as connection:
            _METADATA.create_all(connection)
            self._grow(connection)
        self._made = True

    def _grow(self, connection: Any) -> None:
        """Give a ledger of 0.1.0 the column that it lacks."""
        if not self._grown and all(column["name"] != "recorded_by" for column in sa.inspect(connection).get_columns(RECORDS.name)):
            connection.execute(sa.text("ALTER TABLE records ADD COLUMN recorded_by VARCHAR(256)"))
        self._grown = True

    def append(self, record: dict[str, Any], findings: Sequence[dict[str, Any]]) -> str:
        """Add a record (run, at, system, environment, host, area, procedure, status, changed, body, recorded_by) with its findings.

        :returns: its digest
        :raises InvalidOption: for a name that is longer than its column
        :raises StorageFailed: when the database cannot be written; nothing is kept of the record then
        """
        content = {**_storable(RECORDS, record), "body": _canonical(record["body"])}
        self._make()
        rows = [{**_finding_columns(finding, content["run"]), "body": _canonical(finding)} for finding in findings]
        with self._writing() as connection:
            number, previous = self._head(connection) or (0, _GENESIS)
            row = {**content, "previous": previous}
            digest = _digest(row, [finding["body"] for finding in rows])
            key = connection.execute(sa.insert(RECORDS).values(**row, digest=digest)).inserted_primary_key[0]
            if rows:
                connection.execute(sa.insert(FINDINGS), [{**finding, "record": key} for finding in rows])
            connection.execute(sa.delete(HEAD))
            connection.execute(sa.insert(HEAD).values(id=1, records=number + 1, digest=digest))
        return digest

    def _head(self, connection: Any) -> tuple[int, str] | None:
        found = connection.execute(sa.select(HEAD.c.records, HEAD.c.digest)).first()
        if found is not None:
            return found.records, found.digest
        newest = connection.execute(sa.select(RECORDS.c.digest).order_by(RECORDS.c.id.desc()).limit(1)).scalar()
        if newest is None:
            return None
        return connection.execute(sa.select(sa.func.count()).select_from(RECORDS)).scalar_one(), newest

    def records(self, run: str, **place: str) -> list[dict[str, Any]]:
        """The records of a run in the order written, each with ``body`` and ``findings`` as they were given; of one ``system`` and
        ``environment`` where these are given: a run that is named from outside may be of several.
        """
        with self._reading() as connection:
            of_run = sa.and_(RECORDS.c.run == run, *(RECORDS.c[name] == value for name, value in place.items()))
            return _whole(connection, of_run, FINDINGS.c.run == run)

    def newest_run(self, *, system: str, environment: str) -> str | None:
        """The run that was recorded last for a system's environment, None where there is none. A report is no run to report on."""
        with self._reading() as connection:
            return connection.execute(
                sa.select(RECORDS.c.run).where(RECORDS.c.system == system, RECORDS.c.environment == environment,
                                               sa.or_(RECORDS.c.area != "operations", RECORDS.c.procedure != "report"))
                .order_by(RECORDS.c.id.desc()).limit(1)).scalar()

    def trend(self, *, system: str, environment: str, before: str, limit: int, until: str = "") -> list[dict[str, Any]]:
        """The ``trend`` values of the newest ``operations.report`` records of other runs, written until an instant, oldest first."""
        with self._reading() as connection:
            bodies = connection.execute(
                sa.select(RECORDS.c.body)
                .where(RECORDS.c.system == system, RECORDS.c.environment == environment, RECORDS.c.run != before,
                       RECORDS.c.area == "operations", RECORDS.c.procedure == "report", *([RECORDS.c.at <= until] if until else []))
                .order_by(RECORDS.c.id.desc()).limit(limit)).scalars().all()
        return [values["trend"] for body in reversed(bodies) for values in json.loads(body) if "trend" in values]

    def history(self, *, system: str, environment: str, area: str, procedure: str) -> list[dict[str, Any]]:
        """What a procedure's modules returned in all its runs for a system's environment: one dictionary each, oldest first."""
        return [values for _at, _host, values in self.runs(system=system, environment=environment, area=area, procedure=procedure)]

    def runs(self, *, system: str, environment: str, area: str, procedure: str, since: str = "") -> list[tuple[str, str, dict[str, Any]]]:
        """As `history`, each with the instant of its record and its host; ``since`` is the first instant that is wanted."""
        rows = self.bodies(system=system, environment=environment, procedures=[(area, procedure)], since=since)
        return [(row["at"], row["host"], values) for row in rows for values in row["body"]]

    def bodies(self, *, system: str, environment: str, procedures: Collection[tuple[str, str]], since: str = "",
               until: str = "") -> list[dict[str, Any]]:
        """The records of these (area, procedure) between two instants, in the order written: ``at``, ``host``, ``area``, ``procedure``
        and ``body``, which is empty where the procedure could not do its work.
        """
        wanted = [RECORDS.c.system == system, RECORDS.c.environment == environment, RECORDS.c.at >= since,
                  sa.tuple_(RECORDS.c.area, RECORDS.c.procedure).in_(sorted(procedures)), *([RECORDS.c.at <= until] if until else [])]
        columns = (RECORDS.c.at, RECORDS.c.host, RECORDS.c.area, RECORDS.c.procedure, RECORDS.c.body)
        with self._reading() as connection:
            rows = connection.execute(sa.select(*columns).where(*wanted).order_by(RECORDS.c.id)).mappings().all()
        return [{**row, "body": json.loads(row["body"])} for row in rows]

    def newest_records(self, *, system: str, environment: str, before: str = "", besides: str = "") -> list[dict[str, Any]]:
        """The newest record of each host's procedure, each with ``body`` and ``findings`` as they were given; of those written before an
        instant and of other runs than ``besides``, where these are given.
        """
        mine = (RECORDS.c.system == system, RECORDS.c.environment == environment, RECORDS.c.run != besides,
                *([RECORDS.c.at < before] if before else []))
        with self._reading() as connection:
            last = sa.select(sa.func.max(RECORDS.c.id)).where(*mine).group_by(RECORDS.c.host, RECORDS.c.area, RECORDS.c.procedure)
            return _whole(connection, RECORDS.c.id.in_(last), FINDINGS.c.record.in_(last))

    def verify_chain(self, expected: Collection[str] = ()) -> int:
        """Recompute every digest from the first record on; ``expected`` are digests that were kept elsewhere.

        :returns: the number of records
        :raises Damaged: at the first record that is not as it was written, or whose predecessor is gone; where records are gone
            from the end; and where an expected digest is not in the chain
        """
        previous, number, wanted = _GENESIS, 0, set(expected)
        with self._reading() as connection:
            for row, findings in _records(connection):
                content = {key: value for key, value in row.items() if key not in ("id", "digest")}
                as_written = row["previous"] == previous \
                    and _digest(content, [finding["body"] for finding in findings]) == row["digest"] \
                    and all(_finding_columns(json.loads(finding["body"]), row["run"]) == {key: finding[key] for key in _SHOWN}
                            for finding in findings)
                if not as_written:
                    raise _damaged(f"the chain breaks at record {row['id']} ({row['at']})", number, record=row["id"])
                previous, number = row["digest"], number + 1
                wanted.discard(previous)
            head = connection.execute(sa.select(HEAD.c.records, HEAD.c.digest)).first()
        if (head is None and number) or (head is not None and (head.records, head.digest) != (number, previous)):
            gone = f"{head.records - number} records are gone from its end" if head is not None and head.records > number \
                else "its head does not fit its records"
            raise _damaged(gone, number)
        if wanted:
            raise _damaged(f"record {sorted(wanted)[0]}, which was written, is not in it", number)
        return number


def _whole(connection: Any, records: Any, findings: Any) -> list[dict[str, Any]]:
    """The records that meet a condition, in the order written, with their findings, which meet another."""
    rows = connection.execute(sa.select(RECORDS).where(records).order_by(RECORDS.c.id)).mappings().all()
    found = connection.execute(sa.select(FINDINGS.c.record, FINDINGS.c.body).where(findings).order_by(FINDINGS.c.id)).all()
    by_record: dict[int, list[dict[str, Any]]] = {}
    for key, body in found:
        by_record.setdefault(key, []).append(json.loads(body))
    return [{**row, "body": json.loads(row["body"]), "findings": by_record.get(row["id"], [])} for row in rows]


def _records(connection: Any) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """All records in order, each with its findings, a thousand at a time."""
    last = 0
    while True:
        rows = connection.execute(sa.select(RECORDS).where(RECORDS.c.id > last).order_by(RECORDS.c.id).limit(1000)).mappings().all()
        if not rows:
            return
        found: dict[int, list[dict[str, Any]]] = {}
        mine = FINDINGS.c.record.between(rows[0]["id"], rows[-1]["id"])
        for finding in connection.execute(sa.select(FINDINGS).where(mine).order_by(FINDINGS.c.id)).mappings():
            found.setdefault(finding["record"], []).append(dict(finding))
        for row in rows:
            yield dict(row), found.get(row["id"], [])
        last = rows[-1]["id"]


def _damaged(what: str, intact: int, **evidence: Any) -> Damaged:
    return Damaged(f"The ledger is not as it was written: {what}",
                   hint=f"Compare it with a backup of the ledger; its first {intact} records are intact",
                   evidence={"intact_records": intact, **evidence})


def _finding_columns(finding: Mapping[str, Any], run: str) -> dict[str, Any]:
    return {"run": run, **_storable(FINDINGS, {key: finding[key] for key in _SHOWN if key != "run"})}


def _storable(table: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Texts as every database takes them: without NUL and lone surrogates, which file names bring along."""
    row = {}
    for name, value in values.items():
        if isinstance(value, str):
            value = value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")
            length = getattr(table.c[name].type, "length", None)
            if length and len(value) > length:
                raise InvalidOption(f"{name} is {len(value)} characters long: {value[:60]}…",
                                    hint=f"The ledger has room for {length}: use a shorter name", evidence={"column": name})
        row[name] = value
    return row


def _private_file(database: str | None) -> None:
    """Make the file before SQLite does, so that at no time others may read it."""
    if _in_memory(database):
        return
    private_folder(Path(database).parent)
    with storage_errors(database):
        try:
            os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:  # not opened: closing would drop the locks that this process may have on it (fcntl(2))
            found = os.stat(database)
            if found.st_mode & 0o077 and found.st_uid == os.geteuid():
                os.chmod(database, 0o600)


def _in_memory(database: str | None) -> bool:
    return not database or database == ":memory:" or database.startswith("file:")


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def _digest(row: dict[str, Any], findings: Sequence[str]) -> str:
    said = {name: value for name, value in row.items() if name != "recorded_by" or value is not None}
    return hashlib.sha256(_canonical([said, list(findings)]).encode("ascii")).hexdigest()


def _leave_transactions_to_us(connection: Any, record: object) -> None:
    # sqlite3 would begin transactions late, as readers; two writers could then fail instead of waiting in turn.
    connection.isolation_level = None
