# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the database well? A pure judgement of `observe.observe_database`'s facts by a policy of limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..core.finding import Finding, Status, at_least
from ..core.quantities import DAY
from .clients import judge_clients
from .figures import most, most_bytes, most_seconds
from .limits import DatabaseLimits

_Facts = Mapping[str, Any]
# What the server shows of other users' sessions and statements to members of pg_read_all_stats only.
_OF_OTHERS = ("clients", "transactions", "blocked", "statements")
_MONITOR = "As a superuser: GRANT pg_monitor TO …; for the user of this check"


def judge_database(facts: _Facts, limits: DatabaseLimits) -> list[Finding]:
    """Findings of all checks that the policy has limits for; a section that could not be read gives ``unknown`` ones."""
    findings: list[Finding] = []
    for section, (keys, judge) in _CHECKS.items():
        if not any(limits.wants(key) for key in keys):
            continue
        seen = facts.get(section)
        if isinstance(seen, Mapping) and "error" in seen:
            findings.append(Finding(f"database.{section}", facts["name"], Status.UNKNOWN, f"{section} could not be read: {seen['error']}",
                                    hint=seen.get("hint") or _MONITOR))
        elif section in _OF_OTHERS and seen is not None and not facts["sees_all"]:
            findings.append(Finding(f"database.{section}", facts["name"], Status.UNKNOWN,
                                    "what other users do is hidden from the user of this check", hint=_MONITOR))
        else:
            findings.extend(judge(facts, limits))
    return findings


def _sessions(facts: _Facts, limits: DatabaseLimits) -> list[Finding]:
    seen = facts["sessions"]
    places = seen["maximum"] - seen["reserved"]
    hint = "See who has them: SELECT usename, application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3 ORDER BY 4 DESC; " \
           "put a pooler in front or raise max_connections"
    share = round(100 * seen["used"] / places, 1) if places > 0 else None
    return [*most("connections", "share", share, limits.of("connections_percent"), unit="%", what="connections in use", hint=hint),
            *most("connections", "count", seen["used"], limits.of("connections"), what="the number of connections", hint=hint)]


def _statistics(facts: _Facts, limits: DatabaseLimits) -> list[Finding]:
    seen, name = facts["statistics"], facts["name"]
    findings = []
    wanted, asked = limits.of("cache_hit_percent"), seen["hit"] + seen["read"]
    if wanted and asked < max(limits.cache_hit_sample, 1):
        findings.append(Finding("database.cache_hit", name, Status.PASS,
                                f"only {asked} blocks were asked for, too few to judge the cache by"))
    elif wanted:
        findings.append(at_least(
            "database.cache_hit", name, round(100 * seen["hit"] / asked, 2), warn=wanted.warn, fail=wanted.fail, unit="%",
            what="the cache hit ratio",
            hint="See which tables are read from disk: SELECT relname, heap_blks_read FROM pg_statio_user_tables ORDER BY 2 DESC LIMIT 10; "
                 "add an index or raise shared_buffers"))
    per_day = round(seen["deadlocks"] * DAY / max(seen["seconds"], DAY), 2)
    findings += most("deadlocks", name, per_day, limits.of("deadlocks_per_day"), unit="per day", what="the number of deadlocks",
                     hint="The server's log names the statements of each: let them lock in one order")
    if seen["checksum_failures"] is not None:
        findings += most("checksum_failures", "all databases", seen["checksum_failures"], limits.of("checksum_failures"),
                         what="the number of checksum failures",
                         hint="The storage returns damaged pages: take a backup, then run pg_amcheck --all --heapallindexed, "
                         "and see the disk's log")
    return [*findings, *most_bytes("size", name, seen["bytes"], limits.of("database_size"), what="the size of the database",
                                   hint="See what takes it: SELECT relid::regclass, pg_size_pretty(pg_total_relation_size(relid)) FROM "
                                   "pg_stat_user_tables ORDER BY pg_total_relation_size(relid) DESC LIMIT 10;")]


def _transactions(facts: _Facts, limits: DatabaseLimits) -> list[Finding]:
    seen, findings = facts["transactions"], []
    idle = [one for one in seen if (one["state"] or "").startswith("idle in transaction")]
    for check, what, sessions, key, limit in (
            ("transaction_age", "the oldest transaction", seen, "seconds", limits.of("transaction_age")),
            ("idle_in_transaction", "the longest idle transaction", idle, "state_seconds", limits.of("idle_in_transaction"))):
        if not limit:
            continue
        oldest = max(sessions, key=lambda one: one[key] or 0, default=None)
        if oldest is None:
            findings.append(Finding(f"database.{check}", facts["name"], Status.PASS, f"there is none ({what})", 0, limit.fail, "s"))
            continue
        who = f"pid {oldest['pid']} of {oldest['user']}"
        findings += most_seconds(check, who, max(oldest[key] or 0, 0), limit,
                                 what=f"the age of {what} ({oldest['application'] or 'unnamed'})",
                                 hint=f"Ask its owner, then end it: SELECT pg_terminate_backend({oldest['pid']});")
    return findings


def _blocked(facts: _Facts, limits: DatabaseLimits) -> list[Finding]:
    waiting, limit = facts["blocked"], limits.of("lock_wait")
    if not waiting:
        return [Finding("database.locks", facts["name"], Status.PASS, "no session waits for a lock", 0, limit.fail, "s")]
    findings = []
    for one in waiting[:10]:
        blockers = ", ".join(map(str, one["blockers"])) or "a session that is gone by now"
        remedy = f"end it: SELECT pg_terminate_backend({one['blockers'][0]});" if one["blockers"] else "look again"
        findings += most_seconds("locks", f"pid {one['pid']} of {one['user']}", one["seconds"], limit,
                                 what=f"the time of waiting for a lock that {blockers} has",
                                 hint=f"See what the holder does (SELECT query, state FROM pg_stat_activity WHERE pid = "
                                 f"{(one['blockers'] or [0])[0]};), then {remedy}")
    return findings


def _statements(facts: _Facts, limits: DatabaseLimits) -> list[Finding]:
    seen, name = facts["statements"], facts["name"]
    if seen is None:
        if limits.without_statements == "ignore":
            return []
        return [Finding("database.statements", name, Status(limits.without_statements),
                        "pg_stat_statements is not installed in this database: slow queries were not looked for",
                        hint="Add pg_stat_statements to shared_preload_libraries, restart, then CREATE EXTENSION pg_stat_statements;")]
    if not seen:
        return [Finding("database.statements", name, Status.PASS, "no statement has been counted yet")]
    hint = "See which: SELECT mean_exec_time, calls, query FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 10; " \
           "then EXPLAIN (ANALYZE, BUFFERS) them"
    findings = [*most_seconds("query_mean", name, seen[0]["overall_seconds"], limits.of("query_mean"),
                              what="the mean time of all queries", hint=hint),
                *most_seconds("query_p95", name, seen[0]["p95_seconds"], limits.of("query_p95"),
                              what="the mean time within which 95% of the calls stay", hint=hint)]
    limit = limits.of("statement_mean")
    judged = [one for one in seen if one["calls"] >= limits.statement_calls]
    if limit:
        slow = [finding for one in judged for finding in most_seconds(
            "slow_statement", f"query {one['queryid']}", one["mean_seconds"], limit,
            what=f"the mean time of {' '.join(one['query'].split())[:80]!r} ({one['calls']} calls)",
            hint=f"See it whole: SELECT query FROM pg_stat_statements WHERE queryid = {one['queryid']}; then EXPLAIN (ANALYZE, BUFFERS) it")
            if finding.status is not Status.PASS]
        findings += slow[:10] or [Finding("database.slow_statement", name, Status.PASS, f"none of {len(judged)} statements is slow",
                                          0, limit.fail, "s")]
    return findings


def _freeze(facts: _Facts, limits: DatabaseLimits) -> list[Finding]:
    findings = []
    for key, column, what in (("xid_age", "datfrozenxid", "transactions"), ("multixact_age", "datminmxid", "multixacts")):
        oldest = max(facts["freeze"], key=lambda database: database[key])
        findings += most(key, oldest["name"], oldest[key], limits.of(key), unit=what, what=f"the age of {column}",
                         hint=f"In database {oldest['name']}: VACUUM (FREEZE); if it stays, see who holds it back: "
                         "SELECT pid, age(backend_xmin) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL ORDER BY 2 DESC; "
                         "and pg_prepared_xacts, pg_replication_slots")
    return findings


def _replicas(facts: _Facts, limits: DatabaseLimits) -> list[Finding]:
    findings, wanted = [], limits.of("replicas")
    if wanted and facts.get("standby") is None:
        findings.append(at_least("database.replicas", facts["name"], len(facts["replicas"]), warn=wanted.warn, fail=wanted.fail,
                                 what="the number of replicas", hint="A standby is not connected: see its log and its primary_conninfo"))
    hint = "See where it is slow: SELECT application_name, write_lag, flush_lag, replay_lag FROM pg_stat_replication;"
    for one in facts["replicas"]:
        # No lag time is told while a standby has nothing to do: the server empties it then.
        findings += most_seconds("replication_lag", one["name"], one["seconds"] or 0, limits.of("replication_lag"),
                                 what="the replication lag", hint=hint)
        findings += most_bytes("replication_lag_size", one["name"], one["bytes"], limits.of("replication_lag_size"),
                               what="the WAL that is not replayed", hint=hint)
    return findings


def _standby(facts: _Facts, limits: DatabaseLimits) -> list[Finding]:
    seen = facts["standby"]
    if seen is None:
        return []
    hint = "See what replay waits for: SELECT wait_event_type, wait_event FROM pg_stat_activity WHERE backend_type = 'startup';"
    return [*most_seconds("replication_lag", "this standby", seen["seconds"], limits.of("replication_lag"),
                          what="the replication lag", hint=hint),
            *most_bytes("replication_lag_size", "this standby", seen["bytes"], limits.of("replication_lag_size"),
                        what="the WAL that is not replayed", hint=hint)]


def _slots(facts: _Facts, limits: DatabaseLimits) -> list[Finding]:
    findings: list[Finding] = []
    for one in facts["slots"]:
        kind = "a replication slot" if one["active"] else "an inactive replication slot"
        quoted = "'" + one["name"].replace("'", "''") + "'"
        hint = f"Let its consumer catch up; if it is gone for good: SELECT pg_drop_replication_slot({quoted});"
        if one["wal_status"] == "lost":
            findings.append(Finding("database.slots", one["name"], Status.FAIL, "the WAL that its consumer needs is gone", "lost",
                                    hint=f"Set the consumer up anew, and: SELECT pg_drop_replication_slot({quoted});"))
            continue
        limit = limits.of("slot_retained" if one["active"] else "inactive_slot_retained")
        if limit and one["bytes"] is None:  # a slot that was never used keeps nothing
            findings.append(Finding("database.slots", one["name"], Status.PASS, f"{kind} that keeps no WAL", 0, limit.fail, "bytes"))
        else:
            findings += most_bytes("slots", one["name"], one["bytes"], limit, what=f"the WAL kept for {kind}", hint=hint)
    return findings


def _archiver(facts: _Facts, limits: DatabaseLimits) -> list[Finding]:
    seen = facts["archiver"]
    if seen["mode"] == "off":
        return []
    hint = "See the server's log for what archive_command says, and SELECT * FROM pg_stat_archiver;"
    if seen["failing"]:
        return [Finding("database.archiver", "archiver", Status.FAIL, f"archiving fails: {seen['last_failed_wal']} could not be archived "
                        f"({seen['failed']} failures), {seen['backlog']} files wait", seen["failed"], 0, hint=hint)]
    findings = most("archive_backlog", "archiver", seen["backlog"], limits.of("archive_backlog"), unit="files",
                    what="WAL that waits to be archived", hint=hint)
    # An idle server archives nothing, and rightly: the age says something only while files wait.
    age = seen["seconds"] if seen["backlog"] else 0
    return findings + most_seconds("archive_age", "archiver", age, limits.of("archive_age"), what="the age of the last archived WAL",
                                   hint=hint)


def _invalid_indexes(facts: _Facts, limits: DatabaseLimits) -> list[Finding]:
    names = [one["name"] for one in facts["invalid_indexes"]]
    first = f": {', '.join(names[:5])}" if names else ""
    return most("invalid_indexes", facts["name"], len(names), limits.of("invalid_indexes"), what=f"the number of invalid indexes{first}",
                hint=f"Run the procedure databases.maintain, or: REINDEX INDEX CONCURRENTLY {names[0] if names else '…'};")


def _settings(facts: _Facts, limits: DatabaseLimits) -> list[Finding]:
    findings = []
    for word, expected in limits.settings.items():
        for name, values in expected.items():
            seen, wanted = [row for row in facts["settings"] if row["name"] == name], " or ".join(values)
            if not seen:
                findings.append(Finding("database.settings", name, Status.UNKNOWN, f"this server has no setting {name}, or hides it",
                                        None, wanted, hint="Take it out of the policy, or see SELECT name FROM pg_settings;"))
            wrong = [row for row in seen if row["value"] not in values]
            for row in wrong:
                place = f"the server of {facts['name']}" if row["place"] == "the server" else row["place"]
                findings.append(Finding(
                    "database.settings", name, Status(word), f"{name} is {row['value']} for {place}, and has to be {wanted}", row["value"],
                    wanted, hint=_setting_hint(name, values[0], row["place"])))
            if seen and not wrong:
                findings.append(Finding("database.settings", name, Status.PASS, f"{name} is {seen[0]['value']}", seen[0]["value"], wanted))
    return findings


def _setting_hint(name: str, value: str, place: str) -> str:
    if place == "the server":
        return f"Set it: ALTER SYSTEM SET {name} = '{value}'; SELECT pg_reload_conf();"
    return f"It was set by ALTER ROLE or ALTER DATABASE for {place}: RESET {name} there"


_CHECKS: Mapping[str, tuple[tuple[str, ...], Callable[[_Facts, DatabaseLimits], list[Finding]]]] = {
    "sessions": (("connections_percent", "connections"), _sessions),
    "clients": (("user_connections_percent", "application_connections_percent", "address_connections_percent", "idle_session",
                 "unencrypted_sessions", "clients"), judge_clients),
    "statistics": (("cache_hit_percent", "deadlocks_per_day", "checksum_failures", "database_size"), _statistics),
    "transactions": (("transaction_age", "idle_in_transaction"), _transactions),
    "blocked": (("lock_wait",), _blocked),
    "statements": (("query_mean", "query_p95", "statement_mean"), _statements),
    "freeze": (("xid_age", "multixact_age"), _freeze),
    "replicas": (("replicas", "replication_lag", "replication_lag_size"), _replicas),
    "standby": (("replication_lag", "replication_lag_size"), _standby),
    "slots": (("slot_retained", "inactive_slot_retained"), _slots),
    "archiver": (("archive_backlog", "archive_age"), _archiver),
    "invalid_indexes": (("invalid_indexes",), _invalid_indexes),
    "settings": (("settings",), _settings),
}
