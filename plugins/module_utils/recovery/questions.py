# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restored database is asked by every drill of one: a first query, and the operator's assertions."""

from __future__ import annotations

from collections.abc import Callable

from ..backups.sessions import Session
from ..core.clock import Clock
from ..core.errors import OpsError
from ..core.finding import Finding
from .judge import judge_assertion
from .policy import Assertion

# What the operator's queries see: a plain session of theirs, that cannot write.
_FIND_TABLES = '"$user", public'


def read_largest_table(session: Session) -> None:
    """Read a row of the largest table, of those of the operator first; the session is closed."""
    try:
        [largest] = session.fetch("""
            SELECT n.nspname::text AS schema, c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'r' ORDER BY n.nspname IN ('pg_catalog', 'information_schema'), c.relpages DESC LIMIT 1""")
        session.fetch("SELECT 1 FROM {table} LIMIT 1", names={"table": (largest["schema"], largest["name"])})
    finally:
        session.close()


def ask(plan: str, assertion: Assertion, open_session: Callable[[], Session], clock: Clock) -> list[Finding]:
    """One assertion, in a read-only session of its own; a query that fails is an assertion that nothing is known of."""
    session = open_session()
    try:
        session.set("search_path", _FIND_TABLES)
        session.run("BEGIN TRANSACTION READ ONLY")
        began = clock.monotonic()
        value = session.value(assertion.sql)
        return judge_assertion(plan, assertion, value, seconds=clock.monotonic() - began)
    except OpsError as error:
        return judge_assertion(plan, assertion, None, error.message)
    finally:
        session.close()
