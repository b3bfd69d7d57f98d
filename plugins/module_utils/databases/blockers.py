# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who kept a piece of maintenance waiting until it gave up: by name, as long as they are still there."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import OpsError, Unreachable
from ..core.quantities import format_duration
from .session import Session
from .tables import observe_holder
from .work import Work

# What conflicts with SHARE UPDATE EXCLUSIVE (PostgreSQL documentation, Explicit Locking). A concurrent rebuild also waits for whoever
# writes to the table, and for transactions with an older view of the data.
_IN_THE_WAY = ("ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
_WRITERS = ("RowExclusiveLock",)
_BLOCKERS = """
SELECT l.pid, l.mode, format('session %%s of %%s (%%s, %%s)', l.pid, coalesce(a.usename::text, 'a hidden role'),
                             coalesce(nullif(a.application_name, ''), a.backend_type, 'hidden'), coalesce(a.state, 'state hidden')) AS who,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds
  FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND l.relation = ANY(%(oids)s::oid[]) AND l.granted AND l.pid <> pg_backend_pid() AND l.mode = ANY(%(modes)s)
 ORDER BY a.xact_start NULLS LAST LIMIT 1
"""
_LATER = "it is tried again in the next run"


@dataclass(frozen=True)
class Blocker:
    """Who it was, in words that follow "another session held a lock"; and what to do."""

    words: str = ""
    hint: str = ("See who uses the table at this hour: SELECT pid, state, xact_start, query FROM pg_stat_activity ORDER BY xact_start; "
                 + _LATER)


def observe_blocker(session: Session, work: Work) -> Blocker:
    """Who holds a lock that the work has to wait for; nobody where they are gone by now, or cannot be seen.

    :raises Unreachable: when the server is lost
    """
    try:
        rows = session.fetch(_BLOCKERS, {"oids": sorted({work.oid, work.group, *work.parts}),
                                         "modes": [*_IN_THE_WAY, *(() if work.has_brake else _WRITERS)]})
        if rows:
            [row] = rows
            since = f" in a transaction of {format_duration(row['seconds'])}" if row["seconds"] is not None else ""
            return Blocker(f": {row['who']} has {row['mode']}{since}",
                           f"Where it is not needed: SELECT pg_terminate_backend({row['pid']}); {_LATER}")
        holder = None if work.has_brake else observe_holder(session)
    except Unreachable:
        raise
    except OpsError:
        return Blocker()
    if holder is None:
        return Blocker()
    return Blocker(f": {holder.who} has an older view of the data", f"Where it is not needed: {holder.remedy} {_LATER}")
