# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a server before an upgrade, and of a copy of its database under the newer version. Reads only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import AccessDenied, CommandFailed, OpsError
from .destructive import without_literals
from .session import Session
from .upgrade_probes import probes_for

# What our own session set, and what a server computes, is no setting of the operator's.
_SETTINGS = """
    SELECT name::text, setting::text, source::text, vartype::text FROM pg_settings
    WHERE source NOT IN ('default', 'override', 'client', 'session', 'interactive') AND context <> 'internal'
    UNION
    SELECT split_part(c.one, '=', 1), substr(c.one, strpos(c.one, '=') + 1), 'role or database', 'string'
    FROM pg_db_role_setting s, unnest(s.setconfig) AS c(one)"""
_EXTENSIONS = "SELECT extname::text AS name, extversion::text AS version FROM pg_extension ORDER BY 1"
_STATEMENTS = """
    SELECT queryid::text AS id, query FROM {schema}.pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND query ~* '^\\s*(select|with|insert|update|delete|merge|values)\\M'
      AND query !~ '^\\s*SELECT\\s+(\\w+\\.)?tableoid,' -- pg_dump asks the catalogs of each version in another way
    ORDER BY calls DESC, queryid LIMIT {limit}"""
_FUNCTIONS = """
    SELECT format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name, p.prosrc AS body,
           pg_get_functiondef(p.oid) AS definition
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.oid >= 16384 AND p.prokind IN ('f', 'p') AND l.lanname IN ('sql', 'plpgsql')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e') ORDER BY 1"""


@dataclass(frozen=True)
class Source:
    """The server as it is. ``md5_roles`` and ``md5_rules`` are None where this account may not see them; ``statements`` where there
    is no pg_stat_statements. ``found`` is what each probe gave.
    """

    major: int
    settings: Mapping[str, Mapping[str, str]]
    extensions: Mapping[str, str]
    found: Mapping[str, Sequence[str]]
    builtin: frozenset[str]
    libraries: tuple[str, ...] = ()
    checksums: bool = False
    md5_roles: tuple[str, ...] | None = None
    md5_rules: int | None = None
    statements: tuple[tuple[str, str], ...] | None = None
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Upgraded:
    """The copy under the newer version. ``statements`` and ``functions`` are those that it does not take, with what it says."""

    major: int
    settings: Mapping[str, Mapping[str, Any]]
    extensions: Mapping[str, str]
    paths: Mapping[str, bool]
    libraries: Mapping[str, str]
    statements: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, str] = field(default_factory=dict)
    looked_at: int = 0


def observe_source(session: Session, target: int, *, statements: int) -> Source:
    """Read the server; ``statements`` is how many of pg_stat_statements are taken along."""
    major = session.server_version // 10000
    settings = {row["name"]: row for row in session.fetch(_SETTINGS)}
    libraries = session.fetch("SELECT current_setting('shared_preload_libraries') AS listed")[0]["listed"]
    return Source(
        major=major, settings=settings, extensions={row["name"]: row["version"] for row in session.fetch(_EXTENSIONS)},
        found={probe.name: [row["name"] for row in session.fetch(probe.query)] for probe in probes_for(major, target)},
        builtin=_builtin(session), libraries=tuple(word.strip().strip('"') for word in libraries.split(",") if word.strip()),
        checksums=session.fetch("SELECT current_setting('data_checksums') = 'on' AS there")[0]["there"],
        md5_roles=_allowed(session, "SELECT rolname::text AS name FROM pg_authid WHERE rolpassword LIKE 'md5%' ORDER BY 1"),
        md5_rules=_count(_allowed(session, "SELECT line_number::text AS name FROM pg_hba_file_rules WHERE auth_method = 'md5'")),
        statements=_statements(session, statements),
        roles=tuple(row["name"] for row in session.fetch("SELECT rolname::text AS name FROM pg_roles WHERE rolname !~ '^pg_'")))


def observe_upgraded(session: Session, source: Source, original: Session) -> Upgraded:
    """Read the copy, and try on it what the source runs. What fails there is asked of ``original`` too, by PREPARE, which runs nothing:
    what fails in both is no matter of the version.
    """
    _find_tables(session)
    failing = {id: said for id, query in source.statements or () if (said := _prepared(session, query))}
    if failing:
        _find_tables(original)
        queries = dict(source.statements or ())
        failing = {f"{id}: {' '.join(queries[id].split())[:120]}": said for id, said in failing.items()
                   if not _prepared(original, queries[id])}
    return Upgraded(
        major=session.server_version // 10000,
        settings={row["name"]: row for row in session.fetch(
            "SELECT name::text, boot_val::text, vartype::text, min_val::text, max_val::text, enumvals FROM pg_settings")},
        extensions={row["name"]: row["version"] for row in session.fetch(
            "SELECT name::text, default_version::text AS version FROM pg_available_extensions")},
        paths=_paths(session, source.extensions), libraries=_libraries(session, source.libraries), statements=failing,
        functions=_functions(session, source.builtin - _builtin(session)), looked_at=len(source.statements or ()))


def _builtin(session: Session) -> frozenset[str]:
    """Names of functions that the server itself brings."""
    return frozenset(row["name"] for row in session.fetch(
        "SELECT DISTINCT proname::text AS name FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND oid < 16384"))


def _allowed(session: Session, query: str) -> tuple[str, ...] | None:
    try:
        return tuple(row["name"] for row in session.fetch(query))
    except AccessDenied:
        return None


def _count(names: tuple[str, ...] | None) -> int | None:
    return None if names is None else len(names)


def _statements(session: Session, limit: int) -> tuple[tuple[str, str], ...] | None:
    where = session.fetch("SELECT n.nspname::text AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
                          " WHERE e.extname = 'pg_stat_statements'")
    if not where:
        return None
    try:
        rows = session.fetch(_STATEMENTS.replace("{limit}", str(int(limit))), names={"schema": where[0]["schema"]})
    except CommandFailed:  # it is not preloaded
        return None
    # Of one statement each; what holds a semicolon all the same is not handed to a server again.
    return tuple((row["id"], row["query"]) for row in rows if row["id"] and ";" not in without_literals(row["query"]).rstrip("; \n"))


def _find_tables(session: Session) -> None:
    """As a session of the application's does, and then in every schema: which path each statement was run with nobody knows."""
    schemas = [row["name"] for row in session.fetch(
        "SELECT quote_ident(nspname) AS name FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1")]
    session.fetch("SELECT set_config('search_path', %s, false)", (", ".join(['"$user"', "public", *schemas]),))


def _prepared(session: Session, query: str) -> str:
    """What the server says where it does not take a statement; empty where it does. Nothing is run."""
    try:
        session.run(f"PREPARE evenkeel AS {query.rstrip('; ')}")
    except OpsError as error:
        if str(error.evidence.get("sqlstate", ""))[:2] not in ("42", "0A", "22"):
            raise
        return str(error.evidence.get("server_said") or error.message)[:300]
    session.run("DEALLOCATE evenkeel")
    return ""


def _paths(session: Session, extensions: Mapping[str, str]) -> dict[str, bool]:
    """Whether each extension can be updated from the version that it has to the one that the new server brings."""
    found = {}
    for name, version in extensions.items():
        rows = session.fetch("""
            SELECT coalesce(bool_or(p.path IS NOT NULL), false) AS there FROM pg_available_extensions a, pg_extension_update_paths(a.name) p
            WHERE a.name = %s AND p.source = %s AND p.target = a.default_version""", (name, version))
        found[name] = rows[0]["there"]
    return found


def _libraries(session: Session, names: Sequence[str]) -> dict[str, str]:
    """Preloaded libraries that the new server has not, with what it says."""
    missing = {}
    for name in names:
        try:
            session.run(session.fetch("SELECT format('LOAD %%L', %s::text) AS statement", (name,))[0]["statement"])
        except OpsError as error:
            said = str(error.evidence.get("server_said") or error.message)
            if "could not access file" in said or "could not load library" in said:
                missing[name] = said[:300]
    return missing


def _functions(session: Session, gone: frozenset[str]) -> dict[str, str]:
    """Functions of the database that the new server does not compile, or that call what it does not have."""
    found = {}
    words = re.compile(r"\b(" + "|".join(sorted(map(re.escape, gone), key=len, reverse=True)) + r")\s*\(", re.IGNORECASE) if gone else None
    for row in session.fetch(_FUNCTIONS):
        called = words.search(without_literals(row["body"] or "")) if words else None
        if called:
            found[row["name"]] = f"it calls {called[1]}(), which this version does not have"
            continue
        session.run("BEGIN")
        try:
            session.run("SET LOCAL check_function_bodies = on")
            session.run(row["definition"])
        except OpsError as error:
            found[row["name"]] = str(error.evidence.get("server_said") or error.message)[:300]
        finally:
            with suppress(OpsError):
                session.run("ROLLBACK")
    return found
