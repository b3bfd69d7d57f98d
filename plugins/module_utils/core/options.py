# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specs as values that can be joined. Each group's documentation is the fragment of the same name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class OptionGroup:
    """Options and the constraints among them, in the words of AnsibleModule.

    ``fragment`` names the twin in ``plugins/doc_fragments``; a module's own options have none.
    """

    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    fragment: str = ""
    mutually_exclusive: Sequence[Sequence[str]] = ()
    required_together: Sequence[Sequence[str]] = ()
    required_one_of: Sequence[Sequence[str]] = ()
    required_if: Sequence[Sequence[Any]] = ()

    def __add__(self, other: OptionGroup) -> OptionGroup:
        """Both groups' options and constraints; the result has no fragment of its own.

        :raises ValueError: where both define one option
        """
        twice = self.options.keys() & other.options.keys()
        if twice:
            raise ValueError(f"options defined twice: {sorted(twice)}")
        return OptionGroup(
            options={**self.options, **other.options},
            mutually_exclusive=(*self.mutually_exclusive, *other.mutually_exclusive),
            required_together=(*self.required_together, *other.required_together),
            required_one_of=(*self.required_one_of, *other.required_one_of),
            required_if=(*self.required_if, *other.required_if),
        )


def own(**options: dict[str, Any]) -> OptionGroup:
    """A module's own options, to be joined with the groups that it shares."""
    return OptionGroup(options=options)
