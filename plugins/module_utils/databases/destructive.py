# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which statements of a migration take data away for good? Pure; a rehearsal sees the same from the other side.

It is read with care rather than parsed: what it takes for destructive by mistake is asked about, what it cannot look into is named.
"""

from __future__ import annotations

import re

# In one pass, since one of them may hold what looks like another: comments, literals, dollar-quoted bodies, quoted names.
_APART = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|'(?:[^']|'')*'|(?P<name>"(?:[^"]|"")*")""", re.DOTALL)
_TAKES = (
    (re.compile(r"^DROP\s+(TABLE|SCHEMA|DATABASE|MATERIALIZED\s+VIEW|SEQUENCE|TYPE|DOMAIN|EXTENSION|OWNED)\b", re.IGNORECASE), "drops"),
    (re.compile(r"^ALTER\s+(?:FOREIGN\s+)?TABLE\b.*\bDROP\s+(?!CONSTRAINT\b|DEFAULT\b|NOT\s+NULL\b|IDENTITY\b|EXPRESSION\b)", re.IGNORECASE
                | re.DOTALL), "drops a column"),
    (re.compile(r"^ALTER\s+TYPE\b.*\bDROP\s+ATTRIBUTE\b", re.IGNORECASE | re.DOTALL), "drops an attribute"),
    (re.compile(r"^TRUNCATE\b", re.IGNORECASE), "empties"),
    (re.compile(r"^(?:WITH\b.*\b)?DELETE\s+FROM\b", re.IGNORECASE | re.DOTALL), "deletes rows"),
    (re.compile(r"^DO\b", re.IGNORECASE), "runs a block that cannot be looked into"),
)
_LONGEST = 200


def without_literals(sql: str) -> str:
    """The SQL with its comments, literals, dollar-quoted bodies and quoted names left empty."""
    return _APART.sub(lambda match: " " if match["comment"] is not None else '""' if match["name"] is not None else "''", sql)


def destructive(sql: str, *, version_table: str = "") -> list[str]:
    """The statements that take data away, shortened, each with what it does. Rows of ``version_table`` are the tool's own."""
    kept: list[str] = []

    def away(match: re.Match[str]) -> str:
        if match["comment"] is not None:
            return " "
        if match["name"] is not None:
            kept.append(match[0])
            return f"\x00{len(kept) - 1}\x00"
        return "''"

    found = []
    own = re.compile(rf'^(?:DELETE\s+FROM|DROP\s+TABLE)\s+(?:\S+\.)?"?{re.escape(version_table)}"?(?:\s|$)', re.IGNORECASE)
    for part in _APART.sub(away, sql).split(";"):
        statement = " ".join(part.split())
        for pattern, what in _TAKES:
            if pattern.match(statement):
                shown = re.sub(r"\x00(\d+)\x00", lambda match: kept[int(match[1])], statement)
                if not (version_table and own.match(shown)):
                    found.append(f"{what}: {shown[:_LONGEST]}")
                break
    return found
