# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_restore of a directory archive into a database, and the making of a database to restore into."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.waiting import Deadline
from .command import Commands, failure
from .postgres import PostgresSession, PostgresTarget, StatementFailed

_ERROR = re.compile(r"^pg_restore: error: (.*)$", re.MULTILINE)
_IGNORED = re.compile(r"errors ignored on restore: (\d+)")
# Counted by pg_restore like any other error, but no matter of the dump's.
_HOST = re.compile("No space left on device|Disk quota exceeded|server closed the connection")
_KEPT_ERRORS = 50


@dataclass(frozen=True)
class Restored:
    """What pg_restore said: ``errors`` are its messages (the first 50), ``error_count`` how many there were."""

    error_count: int
    errors: tuple[str, ...]


def restore_into(commands: Commands, program: str, target: PostgresTarget, dump: Path, *, jobs: int, deadline: Deadline,
                 owners: bool = False, watch: Callable[[], None] | None = None) -> Restored:
    """Restore into the database of ``target``. Tablespaces and subscriptions are the old cluster's, not the database's: they are
    left out, as are owners and privileges without ``owners``. Errors are counted, not fatal: what they mean is judged by what
    arrived.

    :raises CommandFailed: when pg_restore gave up
    :raises TimedOut: after the deadline
    """
    argv = [program, f"--jobs={jobs}", *(() if owners else ("--no-owner", "--no-privileges")), "--no-tablespaces",
            "--no-subscriptions", "--no-password", f"--dbname={target.database}", str(dump)]
    with target.client_environment() as environment:
        done = commands.run(argv, timeout=max(1.0, deadline.left), env=environment, check=False, watch=watch)
    ignored = _IGNORED.search(done.stderr)
    if done.returncode != 0 and (not ignored or _HOST.search(done.stderr)):
        raise failure(done)
    # pg_restore counts an error in a parallel worker twice and tells it once: what it tells is counted here.
    errors = _ERROR.findall(done.stderr)
    return Restored(len(errors) or int(ignored[1] if ignored else 0), tuple(errors[:_KEPT_ERRORS]))


def create_database(session: PostgresSession, name: str, locale: Mapping[str, Any]) -> list[str]:
    """Create an empty database of this encoding and locale (``database`` of a fingerprint, empty where there is none); gives notes
    where the server has not that locale.

    :raises OpsError: what the server says
    """
    wanted = _locale_clauses(locale, session.server_major)
    encoding = re.sub(r"[^A-Za-z0-9_]", "", str(locale.get("encoding") or "UTF8"))
    begin, names = f"CREATE DATABASE {{database}} TEMPLATE template0 ENCODING '{encoding}'", {"database": name}
    try:
        session.run(f"{begin} {wanted}", names=names)
        return []
    except StatementFailed as error:
        if not wanted:
            raise
        session.run(f"{begin} LC_COLLATE 'C' LC_CTYPE 'C'", names=names)
        return [f"The server lacks the source's locale, it was restored with C: {error.message}"]


def _locale_clauses(locale: Mapping[str, Any], major: int) -> str:
    def quoted(text: object) -> str:
        return "'" + str(text).replace("'", "''").replace("{", "{{").replace("}", "}}") + "'"

    if not locale.get("collate"):
        return ""
    clauses = f"LC_COLLATE {quoted(locale['collate'])} LC_CTYPE {quoted(locale['ctype'])}"
    if locale.get("provider") == "i" and major >= 15:
        clauses += f" LOCALE_PROVIDER icu ICU_LOCALE {quoted(locale['locale'])}"
    if locale.get("provider") == "b" and major >= 17:
        clauses += f" LOCALE_PROVIDER builtin BUILTIN_LOCALE {quoted(locale['locale'])}"
    return clauses
