# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL and log messages without the values in them: what is kept of a statement may be kept for years, and read by many."""

from __future__ import annotations

import re

# PostgreSQL documentation, Lexical Structure. A backslash escapes in E'…' only (standard_conforming_strings); what has no end is
# taken away to the end of the text. Names in quotes are matched since they may hold quotes of the other kind. The first sign
# decides, so that the search skips all others quickly.
_LEXEMES = re.compile(r"""['"$./\d-](?:
    (?<=(?<![\w$])[eE]')(?:[^'\\]|''|\\.)*(?:'|$)
  | (?<=')(?:[^']|'')*(?:'|$)
  | (?<=")(?P<name>(?:[^"]|"")*(?:"|$))
  | (?<=\$)(?<![\w$]\$)(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|$)
  | (?<=-)(?P<comment>-[^\n]*)
  | (?<=/)(?P<block>\*.*?(?:\*/|$))
  | (?<=\.)(?<![\w$]\.)\d[\w.]*
  | (?<=\d)(?<![\w$]\d)[\w.]*
)""", re.VERBOSE | re.DOTALL)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\u2027\u202f-\u2065\u206f-\ud7ff\ue000-\ufffd]")
_QUOTED = re.compile(r'"[^"]*("|$)|\'[^\']*(\'|$)')


def redact_sql(text: str, *, length: int = 200) -> str:
    """A statement on one line with ``?`` for every constant and without comments, shortened to ``length``."""

    def without(match: re.Match[str]) -> str:
        kind = match.lastgroup
        return match[0] if kind == "name" else " " if kind in ("comment", "block") else "?"

    return printable(_LEXEMES.sub(without, text[:8 * length]), length=length)


def redact_message(text: str, *, keep_names: bool, length: int = 200) -> str:
    """A server's message with ``?`` for its numbers and, unless they are names of the schema, for what it quotes."""
    if not keep_names:
        text = _QUOTED.sub('"?"', text)
    return printable(re.sub(r"\d+", "?", text), length=length)


def printable(text: str, *, length: int) -> str:
    """One line that a terminal can show: nothing that it would obey, white space as one blank."""
    line = " ".join(text.split())
    if not line.isprintable():
        line = _UNPRINTABLE.sub("?", line)
    return line if len(line) <= length else line[:length - 1] + "…"
