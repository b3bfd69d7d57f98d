# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One plan of all that is due in a database, fitted into a window. Pure: works, predictions and a window in, steps out.

The order: stages one after another, so that anti-wraparound comes before all; within a stage groups of works on one table (they
would lock each other out), the group with the worst work first. A work that several runs in a row have left comes before what is
worse, the longest waiting first: each run begins at least one of those, so none of them waits for ever unless it fits in no window at
all, or wraparound takes every window.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from .forecast import Prediction, kind_of
from .work import Work

# What is broken is worse than anything that is merely over a limit, and to drop a leftover costs next to nothing.
_LEFTOVER, _BROKEN = float("inf"), 1e9


class Stage(IntEnum):
    """A stage begins when the one before it has ended."""

    WRAPAROUND = 0
    DUE = 1
    FORESEEN = 2  # due only once a vacuum of the same plan has taken the dead rows out
    REWRITE = 3


@dataclass(frozen=True)
class Waiting:
    """How many runs in a row have left a work, since when, and how long it was tried at most before it was cancelled."""

    runs: int
    since: str = ""
    tried_seconds: float = 0.0


@dataclass(frozen=True)
class Due:
    """One work that is due. ``severity``: how many times it is over its limit. ``group``: works of one group would lock each other out,
    and are done one after another; None is the work's own.
    """

    work: Work
    stage: Stage
    severity: float = 1.0
    group: int | None = None


@dataclass(frozen=True)
class Window:
    """Seconds that work may take, and sessions that may be at it at once."""

    seconds: float
    sessions: int


@dataclass(frozen=True)
class Step:
    """One work of the plan.

    ``needs``: seconds that must be left for it to be begun. ``starts``: seconds after the beginning, None where it does not fit.
    ``waiting``: how it fared in the runs before; ``promoted``: it comes before worse ones because of that.
    """

    work: Work
    stage: Stage
    group: int
    severity: float
    prediction: Prediction
    needs: float
    waiting: Waiting
    promoted: bool = False
    starts: float | None = None

    @property
    def fits(self) -> bool:
        """Whether the window has room for it."""
        return self.starts is not None

    @property
    def ends(self) -> float:
        """Seconds after the beginning by which it is over; where it does not fit, the end of an empty window that would do."""
        return (self.starts or 0.0) + self.needs


def waiting_key(relation: str, action: str) -> tuple[str, str]:
    """What a work is recognized by in the next run."""
    return relation, kind_of(action)


def arrange(due: Sequence[Due], predict: Callable[[Work], Prediction], waiting: Mapping[tuple[str, str], Waiting], window: Window, *,
            patience: int) -> list[Step]:
    """The steps in the order of the plan, those that do not fit among them.

    A step is fitted in where its predicted time with margin ends within the window; one that has waited ``patience`` runs where the
    time without margin does, since it would never show what it really takes.
    """
    steps = [_step(one, predict(one.work), waiting.get(waiting_key(one.work.relation, one.work.action), Waiting(0)), patience)
             for one in due]
    arranged: list[Step] = []
    began = 0.0
    for stage in Stage:
        free = [began] * max(1, window.sessions)
        for group in _groups([step for step in steps if step.stage is stage]):
            at = heapq.heappop(free)
            for step in group:
                fits = at + step.needs <= window.seconds
                arranged.append(replace(step, starts=at) if fits else step)
                at += step.needs if fits else 0.0
            heapq.heappush(free, at)
        began = max(free)
    return arranged


def severity(work: Work, *, dead_limit: Callable[[float], float], changed_limit: Callable[[float], float], freeze_age: float,
             multixact_age: float, bloat_percent: float) -> float:
    """How many times a work's relation is over the limit for which it is due; 1 where its state does not tell."""
    state = work.before
    kind = kind_of(work.action)
    if kind == "drop":
        return _LEFTOVER
    if state.get("valid") is False:
        return _BROKEN
    if kind == "analyze":
        found = (state.get("changed_rows") or 0) / max(changed_limit(state.get("live_rows") or 0), 1)
    elif kind == "vacuum":
        found = (state.get("dead_rows") or 0) / max(dead_limit(state.get("live_rows") or 0), 1)
        if "freeze" in work.action.split():
            found = max((state.get("xid_age") or 0) / max(freeze_age, 1), (state.get("multixact_age") or 0) / max(multixact_age, 1))
    else:
        found = (state.get("bloat_percent") or 0) / max(bloat_percent, 1)
    return max(found, 1.0)


def _step(one: Due, prediction: Prediction, waiting: Waiting, patience: int) -> Step:
    # It was cancelled after so long already: it takes longer, by how much nobody knows.
    if least := 2 * waiting.tried_seconds:
        prediction = replace(prediction, seconds=max(prediction.seconds, least), bound=max(prediction.bound, least))
    promoted = waiting.runs >= patience
    stage = Stage.DUE if promoted and one.stage is Stage.FORESEEN else one.stage
    group = one.work.group if one.group is None else one.group
    return Step(one.work, stage, group, one.severity, prediction, prediction.seconds if promoted else prediction.bound, waiting, promoted)


def _groups(steps: Sequence[Step]) -> list[list[Step]]:
    """The steps by group, worst group first, worst first within; the order given decides among equals."""
    groups: dict[int, list[Step]] = {}
    for step in steps:
        groups.setdefault(step.group, []).append(step)
    for group in groups.values():
        group.sort(key=_within)
    return sorted(groups.values(), key=lambda group: min(_concern(step) for step in group))


def _concern(step: Step) -> tuple[int, float]:
    return (0, -step.waiting.runs) if step.promoted else (1, -step.severity)


def _within(step: Step) -> tuple[int, int, bool, float]:
    # On one table dead rows go first: a rebuild would otherwise carry what is left of them along.
    return (0, -step.waiting.runs, False, 0.0) if step.promoted else (1, 0, kind_of(step.work.action) == "reindex", -step.severity)
