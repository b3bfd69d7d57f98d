# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of MLflow that is restored into: what it holds, and the mark of a restore that is not over."""

from __future__ import annotations

from ..core.errors import Busy, CommandFailed
from .mlflow import Mlflow

MARK = "evenkeel-restoring"


class MlflowTarget:
    """The mark is a registered model without versions whose description is the note."""

    def __init__(self, registry: Mlflow) -> None:
        self._registry = registry
        self.url = registry.url

    def names(self) -> list[str]:
        """The registered models."""
        return [one["name"] for one in self._registry.models() if one["name"] != MARK]

    def note(self) -> str | None:
        """What the mark says; None where there is none."""
        return next((str(one.get("description") or "") for one in self._registry.models() if one["name"] == MARK), None)

    def mark(self, note: str) -> None:
        """:raises Busy: where there is one"""
        try:
            self._registry.create_model(MARK, description=note, tags=())
        except CommandFailed as error:
            if "RESOURCE_ALREADY_EXISTS" not in str(error.evidence.get("said")):
                raise
            raise Busy(f"Another run is restoring to {self.url}", hint="Wait until it has ended") from error

    def unmark(self) -> None:
        """Take it away; none is no error."""
        self._registry.delete_model(MARK)

    def remove(self, name: str) -> None:
        """Delete a model with its versions; one that is gone is no error."""
        self._registry.delete_model(name)
