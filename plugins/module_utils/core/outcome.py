# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module answers, before it is put into Ansible's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .finding import Finding, sentence


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one module run.

    ``values`` are the module's own documented return values (plain JSON values), ``summary`` one line for a person
    (by default the counts of the findings), ``diff`` Ansible's before/after dictionary.
    """

    changed: bool = False
    findings: Sequence[Finding] = ()
    summary: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    diff: dict[str, Any] | None = None
    warnings: Sequence[str] = ()

    def as_result(self, *, with_diff: bool) -> dict[str, Any]:
        """The keywords of `exit_json`."""
        result = {
            **self.values,
            "changed": self.changed,
            "findings": [finding.as_dict() for finding in self.findings],
            "summary": self.summary or sentence(self.findings),
        }
        if with_diff and self.diff is not None:
            result["diff"] = self.diff
        return result
