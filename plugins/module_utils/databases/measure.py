# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring what looks bad by estimate, with a function of the extension pgstattuple that reads the relation itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from ..core.errors import OpsError, Unreachable
from ..core.waiting import Deadline
from .session import Session
from .sessions import Sessions
from .tables import extension_schema

EXTENSION = "pgstattuple"
# One statement measures several small relations, since the round trips would cost more than the reading; not so many that the
# end of the time budget would be noticed late.
_BATCH_BYTES, _BATCH = 64 * 2**20, 8


class Relation(Protocol):
    """What can be measured."""

    oid: int
    title: str
    bytes: int


Suspect = TypeVar("Suspect", bound=Relation)
Figures = TypeVar("Figures")


def measure(sessions: Sessions, suspects: Sequence[Suspect], read: Callable[[Session, str, Sequence[Suspect]], dict[int, Figures]],
            deadline: Deadline, *, what: str, uninstalled: str = "", schema: str | None = None) -> tuple[dict[int, Figures], list[str]]:
    """``read(session, schema, some)`` for all suspects, over all sessions; the figures by oid, and warnings.

    Without the extension nothing is measured, and ``uninstalled`` is the warning. ``what`` is what messages call the suspects,
    ``schema`` where the extension's functions are, where the caller knows.

    :raises Unreachable: when the server is lost
    """
    if suspects and schema is None:
        schema = extension_schema(sessions.first, EXTENSION)
    if not suspects or schema is None:
        return {}, [uninstalled] if suspects and uninstalled else []
    pending, measured, warnings = deque(_batches(suspects)), {}, []

    def labour(session: Session) -> None:
        while not sessions.stopping.is_set() and not deadline.passed:
            try:
                batch = pending.popleft()
            except IndexError:
                return
            try:
                with sessions.running(session):
                    measured.update(read(session, schema, batch))
            except Unreachable:
                raise
            except OpsError as error:
                if len(batch) > 1:  # one of them is dropped, locked or unreadable: it must not cost the others their turn
                    pending.extend([one] for one in batch)
                else:
                    warnings.append(f"{batch[0].title} was not measured, its estimate stands: {error.message}")

    sessions.share(labour, pieces=len(pending))
    if pending:
        warnings.append(f"The time budget ended while {what} were measured; estimates stand for the rest")
    return measured, warnings


def _batches(suspects: Sequence[Any]) -> list[list[Any]]:
    batches: list[list[Any]] = []
    weight = 0
    for suspect in suspects:
        if not batches or len(batches[-1]) == _BATCH or weight + suspect.bytes > _BATCH_BYTES:
            batches.append([])
            weight = 0
        batches[-1].append(suspect)
        weight += suspect.bytes
    return batches
