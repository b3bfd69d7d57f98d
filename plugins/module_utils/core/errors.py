# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error tree. An error means that the work could not be done; a check that disliked what it saw is a Finding.

    OpsError
    ├── InvalidOption        what the caller asked for makes no sense
    ├── LibraryMissing       a Python library is not installed where the module runs
    ├── ToolMissing          a program is missing or too old
    ├── CommandFailed        a program ran and said no
    ├── TimedOut             no answer within the time allowed
    ├── Unreachable          nothing answers at that address
    ├── AccessDenied         something answers and refuses these credentials or this account
    ├── NotFound             the named thing does not exist
    ├── StorageFailed        files cannot be written: no space, no right, no mount
    ├── Damaged              data is not what was written
    ├── Busy                 another run holds what is needed
    └── Refused              safe only with a confirmation that was not given

    Interrupted              the run was told to stop; no OpsError, see there
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class _Told(BaseException):
    """A message (what, where), a hint (what to do) and evidence (plain JSON values)."""

    def __init__(self, message: str, *, hint: str = "", evidence: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.evidence = evidence or {}

    def as_dict(self) -> dict[str, Any]:
        """What an answer carries beside ``msg``."""
        return {"error": type(self).__name__, "hint": self.hint, "evidence": self.evidence}

    def as_result(self, findings: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """What a failed task answers; ``findings`` are those that it had by then."""
        return {"failed": True, "msg": str(self), "findings": list(findings), **self.as_dict()}

    def __str__(self) -> str:
        if not self.hint:
            return self.message
        return f"{self.message}{'' if self.message.endswith(('.', '?', '!')) else '.'} {self.hint}"  # others' words may end a sentence


class OpsError(_Told, Exception):
    """Root of what goes wrong."""


class InvalidOption(OpsError):
    """An option has a value that cannot be used."""


class LibraryMissing(OpsError):
    """A Python library is not installed in the interpreter that runs the module."""

    def __init__(self, library: str) -> None:
        super().__init__(
            f"The Python library {library} is not installed where this module runs",
            hint=f"Install it there (pip install '{library}') or point ansible_python_interpreter at a Python that has it",
            evidence={"library": library},
        )


class ToolMissing(OpsError):
    """A program is not installed, or its version does not do."""


class CommandFailed(OpsError):
    """A program ended with an error."""


class TimedOut(OpsError):
    """No answer came within the time allowed."""


class Unreachable(OpsError):
    """Nothing answers at an address."""


class AccessDenied(OpsError):
    """Credentials or rights do not suffice."""


class NotFound(OpsError):
    """A named thing does not exist."""


class StorageFailed(OpsError):
    """Files cannot be written or read."""


class Damaged(OpsError):
    """Data is not what was written."""


class Busy(OpsError):
    """Another run holds what is needed."""


class Refused(OpsError):
    """The act is safe only with a confirmation that was not given."""


class Interrupted(_Told):
    """The run was told to stop: nothing that went wrong, so what makes the best of an error does not catch it and go on."""
