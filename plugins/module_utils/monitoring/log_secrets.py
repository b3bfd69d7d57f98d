# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text without what nobody may see: credentials by what stands before them, and by what they look like. Pure.

It rather takes away too much: what is left is for telling kinds of events apart, not for reading values.
"""

from __future__ import annotations

import re

_NAMES = (r"(?:pass(?:word|wd|phrase|code)?|pwd|secret\w*|(?:\w*[_-])?token|api[_-]?key|access[_-]?key(?:[_-]?id)?|private[_-]?key|"
          r"client[_-]?secret|credentials?|authorization|auth|cookie|set-cookie|session(?:[_-]?id)?|signature|x-api-key|pin|otp|cvv|iban)")
_PLAIN = (r"authentication|authorization|expired|expires|invalid|is|was|has|had|for|of|from|to|in|on|at|by|with|reset|must|policy|"
          r"incorrect|wrong|required|missing|hash|change|changed|does|did|not|too|cannot|could|and|or|the|a|an|failed|failure|check|rejected|denied|"
          r"mismatch|error|found|manager|store|rotation|rotated|refresh|revoked|validation|verification|grant|provider|service|user|are")
_PATTERNS = [(re.compile(pattern, flags), replacement) for pattern, flags, replacement in (
    # A key goes to its end mark, and where that is on another line, to the end.
    (r"-----BEGIN [A-Z0-9 ]*(?:PRIVATE KEY|CERTIFICATE|MESSAGE)[A-Z ]*-----.*?(?:-----END [A-Z0-9 -]*-----|\Z)", re.DOTALL, "?"),
    (r"://[^\s\"'<>]*@", 0, "://?@"),
    # What follows is one value: in quotes, or with the word that says its scheme.
    (rf"""(?i)(?<![A-Za-z]){_NAMES}["'\]]*\s*(?::=|=>|[=:])\s*(?:\\?"(?:[^"\\]|\\.)*(?:"|\Z)|'[^']*(?:'|\Z)|"""
     r"""(?:(?:bearer|basic|digest|token|negotiate|apikey)\s+)?[^\s,;&"'}\])]+)""", 0, "secret=?"),
    (r"(?i)\b(bearer|basic|digest|negotiate)\s+[\w.~+/=-]{6,}", 0, r"\1 ?"),
    (rf"(?i)\b(pass(?:word|wd|phrase|code)?|pwd|secret|pin|otp)((?:\s+(?:is|was|are))?\s+)(?!(?:{_PLAIN})\b)[^\s,;]+", 0, r"\1\2?"),
    (r"\beyJ[\w-]{5,}(?:\.[\w-]*){1,4}", 0, "?"),  # JSON web tokens, RFC 7519
    (r"\b(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ANVA|AIPA|ABIA|ACCA)[A-Z0-9]{12,}\b", 0, "?"),  # AWS, Reference of IAM identifiers
    (r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk-|sk_live_|rk_live_|pypi-|npm_|hvs\.|hvb\.|AIza|ya29\.|"
     r"AGE-SECRET-KEY-1)[\w.-]{6,}", 0, "?"),
    (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", 0, "?"),  # addresses of people
    # Whatever else is long, of letters and digits: hashes, base64, keys without a name.
    (r"(?<![\w/+=.-])(?=[\w/+=-]*\d)(?=[\w/+=-]*[A-Za-z])[\w/+=-]{20,}", 0, "?"),
)]


def without_secrets(text: str) -> str:
    """The text with ``?`` in place of passwords, tokens, keys, credentials in addresses, and addresses of people."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
