# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements that take most of a database's time, with the plans that the server has for them now."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption, OpsError, Unreachable
from ..core.finding import Finding, Status
from ..core.policy import number, read_policy, status_word
from ..core.redaction import redact_sql
from .plans import plan_evidence
from .session import Session
from .tables import extension_schema

# (text, search_path) -> plan of EXPLAIN (FORMAT JSON)
Explain = Callable[[str, str], Mapping[str, Any]]

_LONGEST = 50000
_EXPLAINED = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES|TABLE)\b", re.IGNORECASE)
_TOTALS = """
SELECT coalesce(sum(calls), 0)::bigint AS calls, coalesce(sum(total_exec_time), 0)::float8 AS milliseconds, count(*) AS statements
  FROM {view} WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# A name in a statement is looked up by the path of who ran it: what was set for the role in this database comes before what was
# set for the role, then for the database (PostgreSQL documentation, ALTER ROLE).
_TOP = """
WITH mine AS (
    SELECT queryid, (array_agg(userid ORDER BY calls DESC))[1] AS userid, sum(calls)::bigint AS calls,
           sum(total_exec_time)::float8 AS milliseconds, sum(rows)::bigint AS rows, sum(temp_blks_written)::bigint AS temp_blocks,
           min(left(query, %s)) AS query
      FROM {view} WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND calls > 0 AND queryid IS NOT NULL
     GROUP BY queryid ORDER BY sum(total_exec_time) DESC LIMIT %s
)
SELECT m.queryid::text, r.rolname AS user, m.calls, m.milliseconds, m.rows, m.temp_blocks, m.query,
       replace(coalesce((SELECT substring(e FROM 13) FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS e
                          WHERE e LIKE 'search_path=%%' AND s.setrole IN (m.userid, 0)
                            AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                          ORDER BY s.setrole = 0, s.setdatabase = 0 LIMIT 1), '"$user", public'),
               '"$user"', coalesce(quote_ident(r.rolname), 'public')) AS search_path
  FROM mine m LEFT JOIN pg_roles r ON r.oid = m.userid ORDER BY m.milliseconds DESC
"""
_ME = """
SELECT current_database() AS name, current_setting('server_version') AS version, pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
       (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) AS superuser
"""


@dataclass(frozen=True)
class StatementPolicy:
    """``statements`` are looked at, those with most time; ``explain`` is ``always``, ``never`` or ``unless_superuser``;
    ``without_statements`` and ``without_plans`` are the statuses where there is nothing to look at.
    """

    statements: int
    explain: str
    without_statements: str
    without_plans: str

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> StatementPolicy:
        """Read ``{statements: 50, explain: unless_superuser, without_statements: warn, without_plans: warn}``; all have to be there.

        :raises InvalidOption: for an unknown or missing key or a value of the wrong kind
        """
        read = read_policy(options, {"statements": number, "explain": _explain, "without_statements": status_word,
                                     "without_plans": status_word}, option="policy", optional=())
        return cls(**{**read, "statements": int(read["statements"])})


def _explain(value: Any, option: str) -> str:
    if value not in ("always", "never", "unless_superuser"):
        raise InvalidOption(f"{option}: {value!r} is no answer", hint="Known are always, never, unless_superuser")
    return value


def observe_statements(session: Session, explain: Explain, policy: StatementPolicy) -> dict[str, Any]:
    """``{name, version, installed, sees_all, superuser, reset_at, calls, milliseconds, statements, top, refused}``.

    ``top`` has for each statement its counters, ``text`` (redacted) and ``plan`` (`plans.plan_evidence`, None where there is none);
    ``refused`` counts why the server had none, by SQLSTATE.

    :raises OpsError: where the view cannot be read
    """
    [me] = session.fetch(_ME)
    schema = extension_schema(session, "pg_stat_statements")
    if schema is None:
        return {**me, "installed": False}
    names = {"view": (schema, "pg_stat_statements")}
    reset = session.fetch("SELECT to_json(stats_reset)#>>'{{}}' AS at FROM {info}", names={"info": (schema, "pg_stat_statements_info")}) \
        if session.server_version >= 140000 else [{"at": None}]
    rows = session.fetch(_TOP, (_LONGEST + 1, policy.statements), names)
    [totals] = session.fetch(_TOTALS, names=names)  # after them: what grows meanwhile is in the whole, not in the part alone
    wanted = policy.explain == "always" or (policy.explain == "unless_superuser" and not me["superuser"])
    refused: Counter[str] = Counter()
    top = []
    for row in rows:
        plan = None
        if wanted and _EXPLAINED.match(row["query"]) and len(row["query"]) <= _LONGEST:
            try:
                plan = plan_evidence(explain(row["query"], row["search_path"]))
            except Unreachable:
                raise
            except OpsError as error:
                refused[error.evidence.get("sqlstate") or type(error).__name__] += 1
        top.append({**{key: value for key, value in row.items() if key not in ("query", "search_path")},
                    "text": redact_sql(row["query"], length=160), "plan": plan})
    return {**me, "installed": True, **totals, "reset_at": reset[0]["at"], "asked": wanted, "top": top, "refused": dict(refused)}


def judge_statements(facts: Mapping[str, Any], policy: StatementPolicy) -> list[Finding]:
    """Whether there is something to compare: statements, and plans of them. What became slower, `regressions` says."""
    name = facts["name"]
    if not facts["installed"]:
        return [] if policy.without_statements == "ignore" else [Finding(
            "database.statements", name, Status(policy.without_statements), "pg_stat_statements is not installed in this database: "
            "there is nothing to compare",
            hint="Add pg_stat_statements to shared_preload_libraries, restart, then CREATE EXTENSION pg_stat_statements;")]
    if not facts["sees_all"]:
        return [Finding("database.statements", name, Status.UNKNOWN,
                        "the statements of other users are hidden from the user of this review",
                        hint="As a superuser: GRANT pg_monitor TO …; for the user of this review")]
    top = facts["top"]
    share = round(100 * sum(one["milliseconds"] for one in top) / facts["milliseconds"], 1) if facts["milliseconds"] else 100.0
    findings = [Finding("database.statements", name, Status.PASS,
                        f"{len(top)} of {facts['statements']} statements take {share:g}% of the time", share, unit="%")]
    plans, refused = sum(one["plan"] is not None for one in top), sum(facts["refused"].values())
    if policy.explain == "never" or policy.without_plans == "ignore":
        return findings
    if not facts["asked"]:
        return [*findings, Finding(
            "database.plans", name, Status(policy.without_plans), "plans are not looked at as superuser, since planning calls functions "
            "that other users may have written", hint="Review with a role that is no superuser, and has pg_monitor and pg_read_all_data; "
            "or set explain to always")]
    if refused and not plans:
        return [*findings, Finding(
            "database.plans", name, Status(policy.without_plans), f"the server planned none of {refused} statements "
            f"({', '.join(sorted(facts['refused']))})", 0, hint="42501 is a privilege that the role of this review lacks: GRANT "
            "pg_read_all_data (and pg_write_all_data for UPDATE, DELETE) TO …; 42P01 a table that is gone or on another search_path")]
    return [*findings, Finding("database.plans", name, Status.PASS, f"{plans} plans, {refused} refused", plans)]


def statement_values(facts: Mapping[str, Any], target: str) -> dict[str, Any]:
    """The module's return values: what the next run compares with."""
    if not facts["installed"]:
        return {"statements": {"target": target, "name": facts["name"], "version": facts["version"], "installed": False, "top": []}}
    kept = {key: value for key, value in facts.items() if key not in ("superuser", "asked", "sees_all")}
    return {"statements": {"target": target, **kept}}
