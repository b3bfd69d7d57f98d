# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a whole server, changed by ALTER SYSTEM; what its archive_command is for pgBackRest."""

from __future__ import annotations

import shlex
from typing import Any

from .postgres import PostgresSession


class SettingsSession:
    """See `backups.stanza.Server`."""

    def __init__(self, session: PostgresSession) -> None:
        self._session = session

    def fetch(self, query: str, parameters: Any = None, names: Any = None) -> list[dict[str, Any]]:
        """As the session's own."""
        return self._session.fetch(query, parameters, names)

    @property
    def server_major(self) -> int:
        """As the session's own."""
        return self._session.server_major

    def alter_system(self, name: str, *values: str) -> None:
        """Takes no parameters in PostgreSQL: the server itself quotes the values first; several are the entries of a list."""
        quoted = self._session.value("SELECT string_agg(quote_literal(one), ', ' ORDER BY at) FROM unnest(%s::text[])"
                                     " WITH ORDINALITY AS given(one, at)", (list(values),))
        self._session.run("ALTER SYSTEM SET {name} = " + quoted.replace("{", "{{").replace("}", "}}"), names={"name": name})

    def reload(self) -> None:
        """pg_reload_conf()."""
        self._session.value("SELECT pg_reload_conf()")


def archive_command(program: str, config: str, stanza: str) -> str:
    """The server gives it to a shell after filling in ``%p``; a ``%`` of its own is doubled. pgBackRest itself wants its name in
    it, which its program's path has.
    """
    words = [program, f"--config={config}", f"--stanza={stanza}", "archive-push"]
    return f"{shlex.join(words).replace('%', '%%')} %p"
