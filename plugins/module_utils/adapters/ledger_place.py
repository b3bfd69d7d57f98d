# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a play's records go, what they are records of, and whose they are: what its variables say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    import sqlalchemy as sa
except ImportError:  # told when a ledger is opened
    sa = None

# The last two are set in each job of AWX and Tower that a person launched (AWX user guide, job templates).
_PERSONS = ("evenkeel_operator", "awx_user_name", "tower_user_name")


def default_url() -> str:
    """SQLite below the user's state folder (XDG base directory specification)."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return f"sqlite:///{state / 'evenkeel' / 'ledger.sqlite'}"


@dataclass(frozen=True)
class Place:
    """Where records of a play go, what they are records of, and the ``person`` whose they are, empty where nobody says one; ``shown`` is
    the URL without its password.
    """

    url: str
    system: str
    environment: str
    person: str = ""

    @property
    def shown(self) -> str:
        """The URL as a report may show it."""
        return sa.engine.make_url(self.url).render_as_string() if sa is not None else ""


def ledger_of(templar: Any, variables: Mapping[str, Any]) -> Place:
    """The place that the variables ``evenkeel_ledger_url``, ``evenkeel_system``, ``evenkeel_environment`` and ``evenkeel_operator`` name;
    a job of AWX or Tower says itself who launched it.
    """

    def setting(name: str, default: str) -> str:
        return templar.template(variables[name]) if variables.get(name) else default

    return Place(setting("evenkeel_ledger_url", default_url()), setting("evenkeel_system", "unnamed"),
                 setting("evenkeel_environment", "unnamed"),
                 next((person for name in _PERSONS if (person := str(setting(name, "")).strip())), ""))
