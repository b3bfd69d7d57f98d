# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON that ends with its own SHA-256, so that a single altered byte of it is seen; it stays JSON for whoever reads it.

This is against damage, not against malice: who can write the file can seal it anew.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from ..core.errors import Damaged

# What is sealed says so by its format too: a seal that is damaged itself is not taken for one that was never there.
UNSEALED, SEALED = 1, 2
_END = b"\n}\n"
_SEAL = re.compile(rb',\n "seal": "([0-9a-f]{64})"\n\}\n\Z')


def sealed(data: Mapping[str, Any]) -> bytes:
    """UTF-8 JSON with sorted keys and the keys ``format`` and ``seal`` beside those of ``data``, ending with a newline."""
    body = {name: value for name, value in data.items() if name != "seal"}
    text = json.dumps({**body, "format": SEALED}, indent=1, sort_keys=True).encode() + b"\n"
    return text.removesuffix(_END) + f',\n "seal": "{hashlib.sha256(text).hexdigest()}"'.encode() + _END


def unsealed(text: bytes) -> dict[str, Any]:
    """The inverse; also for what a version before seals wrote, which has no format or the format 1.

    :raises Damaged: when any byte is not as it was written
    :raises ValueError: for what was never sealed and is no JSON object
    """
    seal = _SEAL.search(text)
    if seal:
        text = text[:seal.start()] + _END
        if hashlib.sha256(text).hexdigest().encode() != seal[1]:
            raise Damaged("It was altered: its SHA-256 is not the one that it ends with", hint="Use another one")
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("it is no object")
    if not seal and data.get("format", UNSEALED) != UNSEALED:
        raise Damaged("It was cut or altered: the seal at its end is missing", hint="Use another one")
    return data
