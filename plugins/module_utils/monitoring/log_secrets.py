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
# Each with what a text must have for it, in small letters, so that most are passed over quickly.
_STEMS = ("pass", "pwd", "secret", "token", "key", "credential", "auth", "cookie", "session", "signature", "pin", "otp", "cvv", "iban")
_PATTERNS = [(needed, re.compile(pattern, flags), replacement) for needed, pattern, flags, replacement in (
    # A key goes to its end mark, and where that is on another line, to the end.
    (("-----begin",), r"-----BEGIN [A-Z0-9 ]*(?:PRIVATE KEY|CERTIFICATE|MESSAGE)[A-Z ]*-----.*?(?:-----END [A-Z0-9 -]*-----|\Z)", re.DOTALL,
     "?"),
    (("://",), r"://[^\s\"'<>]*@", 0, "://?@"),
    # What follows is one value: in quotes, or with the word that says its scheme.
    (_STEMS, rf"""(?i)(?<![A-Za-z]){_NAMES}["'\]]*\s*(?::=|=>|[=:])\s*(?:\\?"(?:[^"\\]|\\.)*(?:"|\Z)|'[^']*(?:'|\Z)|"""
     r"""(?:(?:bearer|basic|digest|token|negotiate|apikey)\s+)?[^\s,;&"'}\])]+)""", 0, "secret=?"),
    (("bearer", "basic", "digest", "negotiate"), r"(?i)\b(bearer|basic|digest|negotiate)\s+[\w.~+/=-]{6,}", 0, r"\1 ?"),
    (("pass", "pwd", "secret", "pin", "otp"),
     rf"(?i)\b(pass(?:word|wd|phrase|code)?|pwd|secret|pin|otp)((?:\s+(?:is|was|are))?\s+)(?!(?:{_PLAIN})\b)[^\s,;]+", 0, r"\1\2?"),
    (("eyj",), r"\beyJ[\w-]{5,}(?:\.[\w-]*){1,4}", 0, "?"),  # JSON web tokens, RFC 7519
    (("akia", "asia", "aroa", "aida", "agpa", "anpa", "anva", "aipa", "abia", "acca"),  # AWS, Reference of IAM identifiers
     r"\b(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ANVA|AIPA|ABIA|ACCA)[A-Z0-9]{12,}\b", 0, "?"),
    (("gh", "gl", "xox", "sk", "rk_live", "pypi-", "npm_", "hv", "aiza", "ya", "age-secret"),
     r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk-|sk_live_|rk_live_|pypi-|npm_|hvs\.|hvb\.|AIza|ya\d\d\.|"
     r"AGE-SECRET-KEY-\d)[\w.-]{6,}", 0, "?"),
    (("@",), r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+", 0, "?"),  # addresses of people
)]
# Whatever else is long, of letters and digits: hashes, base64, keys without a name.
_LONG = re.compile(r"[\w/+=-]{20,}")


def without_secrets(text: str) -> str:
    """The text with ``?`` in place of passwords, tokens, keys, credentials in addresses, and addresses of people."""
    small = text.lower()
    for needed, pattern, replacement in _PATTERNS:
        if any(word in small for word in needed):
            text = pattern.sub(replacement, text)
    return _LONG.sub(_unless_a_word, text)


def _unless_a_word(match: re.Match[str]) -> str:
    run = match[0]
    mixed = any(sign.isdigit() for sign in run) and any(sign.isalpha() for sign in run)
    return "?" if mixed else run
