# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML of the checkout as tests read it: each text once, and by libyaml where PyYAML has it, ten times as fast as its own Python."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def parsed(text: str) -> Any:
    """What a text says; not to be changed, the next who asks is given the same."""
    return yaml.load(text, _LOADER)


@cache
def read(path: Path) -> Any:
    """What a file of the checkout says; not to be changed either."""
    return parsed(path.read_text(encoding="utf-8"))
