# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a migration, what it rests on, and what came of it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding
from ..core.quantities import parse_duration
from .schema_objects import Changes


@dataclass(frozen=True)
class MigrationPolicy:
    """``rehearsal_limit`` is in seconds, 0 is none. ``only_rehearse`` ends with the rehearsal. ``interrupted`` says what follows a run
    that was broken off.
    """

    rehearse: bool = True
    rehearsal_limit: float = 0.0
    rollback: bool = True
    interrupted: str = "continue"
    confirm: bool = False
    only_rehearse: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> MigrationPolicy:
        """Read the options of `database_migration`.

        :raises InvalidOption: for what is no duration
        """
        if options["interrupted"] not in ("continue", "rollback"):
            raise InvalidOption(f"interrupted: {options['interrupted']!r} is unknown", hint="Known are continue and rollback")
        if options["only_rehearse"] and not options["rehearse"]:
            raise InvalidOption("only_rehearse is set, and rehearse is not", hint="Set rehearse too")
        return cls(bool(options["rehearse"]), parse_duration(options["rehearsal_limit"], option="rehearsal_limit"),
                   bool(options["rollback"]), options["interrupted"], bool(options["confirm"]), bool(options["only_rehearse"]))


@dataclass(frozen=True)
class Copy:
    """The backup of the moment before: by its id, its plan, how good it is and how old, in seconds."""

    id: str
    plan: str
    status: str
    age: float


@dataclass
class Migrated:
    """``migration`` has the shape of docs/architecture.md."""

    changed: bool
    migration: dict[str, Any]
    findings: list[Finding]
    changes: Changes | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def diff(self) -> dict[str, str] | None:
        """The schema before and after, of the objects that are not the same; planned SQL where nothing was done yet."""
        if self.changes is not None:
            return {"before": self.changes.before, "after": self.changes.after}
        return {"before": "", "after": self.migration["sql"]} if self.migration.get("sql") else None


def restore_command(copy: Copy, database: str) -> str:
    """How the backup is restored beside the database; the operator renames the two (docs/recovery.md)."""
    where = shlex.quote(json.dumps({"recovery_restore_database": {"name": f"{database}_restored"}}, ensure_ascii=False))
    return f"ansible-playbook evenkeel.ops.recovery.restore -e recovery_restore_backup={copy.id} -e {where}"
