# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the area needs of a session with a server; `adapters.postgres.PostgresSession` is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol


class Session(Protocol):
    """One connection in autocommit mode; errors are OpsErrors whose evidence carries ``sqlstate``."""

    @property
    def server_version(self) -> int:
        """150008 is 15.8."""

    @property
    def backend_pid(self) -> int:
        """The server process that serves it."""

    def fetch(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None,
              names: Mapping[str, Sequence[str] | str] | None = None) -> list[dict[str, Any]]:
        """All rows as dictionaries; ``names`` fills placeholders with quoted identifiers."""

    def run(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None,
            names: Mapping[str, Sequence[str] | str] | None = None) -> None:
        """Execute for its effect."""

    def cancel(self) -> None:
        """Ask the server to cancel the running statement; called from another thread."""

    def close(self) -> None:
        """End the session."""


OpenSession = Callable[[], Session]
