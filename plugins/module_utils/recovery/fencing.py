# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""An old primary that can take no writes any more, whoever starts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ..core.clock import Clock
from ..core.finding import Finding, Status

# What a control file says after a shutdown in order, of a primary and of a standby (PostgreSQL source, src/include/catalog/pg_control.h).
_IN_ORDER = ("shut down", "shut down in recovery")


class Control(Protocol):
    """`adapters.postgres_cluster.Control`."""

    state: str
    checkpoint: int
    timeline: int
    system_identifier: str


class Cluster(Protocol):
    """`adapters.postgres_cluster.Cluster`."""

    running: bool
    held_as_standby: bool

    def control(self) -> Control:
        """The control file."""

    def hold_as_standby(self) -> None:
        """See to it that it starts as a standby only."""

    def stop(self, *, timeout: float) -> None:
        """A fast shutdown."""


@dataclass(frozen=True)
class Fenced:
    """``held`` is whether it would start as a standby; ``end`` where its WAL ends, None where it was not shut down in order."""

    was_running: bool
    was_held: bool
    running: bool
    held: bool
    control: Control
    seconds: float
    planned: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything was (or would be) done."""
        return self.was_running or not self.was_held

    @property
    def end(self) -> int | None:
        """The newest checkpoint of a server that was shut down in order is the last thing that it wrote."""
        return self.control.checkpoint if self.control.state in _IN_ORDER and not self.running else None

    def as_value(self, data: str) -> dict[str, Any]:
        """The module's ``fence``."""
        return {"data_dir": data, "was_running": self.was_running, "clean": self.end is not None, "end": self.end,
                "status": "planned" if self.planned else "pass" if self.held and not self.running else "fail",
                "timeline": self.control.timeline, "system_identifier": self.control.system_identifier, "seconds": round(self.seconds, 3)}


def fence(cluster: Cluster, *, timeout: float, clock: Clock, check: bool) -> Fenced:
    """Hold, then stop: were it the other way round, a service manager could start it again in between.

    :raises OpsError: where either does not come about
    """
    began = clock.monotonic()
    was_running, was_held = cluster.running, cluster.held_as_standby
    if not check:
        if not was_held:
            cluster.hold_as_standby()
        if was_running:
            cluster.stop(timeout=timeout)
    return Fenced(was_running, was_held, cluster.running, cluster.held_as_standby, cluster.control(), clock.monotonic() - began, check)


def judge_fence(subject: str, done: Fenced) -> Finding:
    """``recovery.fence``."""
    check = "recovery.fence"
    if done.planned:
        what = "it would be stopped, and held as a standby" if done.changed else "it is stopped, and held as a standby"
        return Finding(check, subject, Status.PASS, what)
    if done.running or not done.held:
        return Finding(check, subject, Status.FAIL, "a server runs there" if done.running else "it could start as a primary",
                       hint="Something started it again: see its service manager (systemctl), and run this again")
    if done.end is None:
        state = done.control.state
        return Finding(check, subject, Status.WARN, f"it is stopped, but not in order ({state}): where its WAL ends is unknown",
                       hint="What it wrote last may be on no standby: judge the loss by the standby's own lag")
    return Finding(check, subject, Status.PASS, "it is shut down in order, and starts as a standby only")
