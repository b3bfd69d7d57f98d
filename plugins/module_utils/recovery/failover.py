# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a PostgreSQL standby the primary: is the old one out of the way, what would be lost, and did it come about?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from ..backups.sessions import Session
from ..core.clock import Clock, format_instant
from ..core.errors import CommandFailed, OpsError, TimedOut
from ..core.finding import Finding, Status, at_most
from ..core.quantities import format_duration
from ..core.waiting import Deadline, wait_until

# What a server can be, seen from outside. ``alive`` answers, and does not let itself be asked; ``down`` is a host that answers
# and has nothing listening at that port; ``silent`` may be down, or on the other side of a cut network.
ROLES = ("primary", "standby", "alive", "down", "silent")
_NO_LONGER = "55000"  # object_not_in_prerequisite_state (PostgreSQL documentation, appendix A): recovery is not in progress
_REPLAYING = 10.0  # seconds that replay may take to finish what was received; promotion replays the rest in any case


@dataclass(frozen=True)
class Node:
    """A server seen by its own session; positions in the WAL are bytes since its beginning, instants are aware.

    ``received`` and ``replayed_at`` are None where the server does not know. ``heard_ago`` is how many seconds ago the standby
    last heard from its primary, None where it is not connected to one; ``heard_end`` is where the primary's WAL ended then.
    """

    role: str
    timeline: int
    system_identifier: str
    received: int | None = None
    replayed: int | None = None
    replayed_at: datetime | None = None
    heard_ago: float | None = None
    heard_end: int | None = None
    replay_paused: bool = False

    def as_value(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "replayed_at": format_instant(self.replayed_at) if self.replayed_at else None}


@dataclass(frozen=True)
class Guard:
    """What the old primary was seen to be, and the statement of the person who answers for its being gone."""

    role: str
    said: str = ""
    statement: str = ""


@dataclass(frozen=True)
class Loss:
    """What would be lost: ``seconds`` of work at the most, None where nobody can say; ``how`` it is known."""

    seconds: float | None
    how: str


def observe_node(session: Session) -> Node:
    """Role, timeline and positions.

    :raises OpsError: what the session raises
    """
    try:
        return _observed(session)
    except OpsError as error:
        if error.evidence.get("sqlstate") != _NO_LONGER:
            raise
        return _observed(session)  # it became the primary after it had said that it is a standby


def _observed(session: Session) -> Node:
    identifier = str(session.value("SELECT system_identifier FROM pg_control_system()"))
    if not session.value("SELECT pg_is_in_recovery()"):
        [row] = session.fetch("SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int AS timeline,"
                              " pg_current_wal_lsn() - '0/0'::pg_lsn AS written")
        return Node("primary", row["timeline"], identifier, int(row["written"]), int(row["written"]))
    [row] = session.fetch("""
        SELECT pg_last_wal_receive_lsn() - '0/0'::pg_lsn AS received, pg_last_wal_replay_lsn() - '0/0'::pg_lsn AS replayed,
               pg_last_xact_replay_timestamp() AS replayed_at, pg_is_wal_replay_paused() AS paused,
               (SELECT greatest(timeline_id, (SELECT min_recovery_end_timeline FROM pg_control_recovery())) FROM pg_control_checkpoint())
                   AS timeline,
               (SELECT extract(epoch FROM clock_timestamp() - last_msg_receipt_time) FROM pg_stat_wal_receiver
                WHERE status = 'streaming') AS heard_ago,
               (SELECT latest_end_lsn - '0/0'::pg_lsn FROM pg_stat_wal_receiver) AS heard_end""")
    # A standby that only replays an archive has received nothing by itself: what it has is what it replayed.
    positions = [int(row[name]) for name in ("received", "replayed") if row[name] is not None]
    return Node("standby", row["timeline"], identifier, max(positions) if positions else None,
                None if row["replayed"] is None else int(row["replayed"]), row["replayed_at"],
                None if row["heard_ago"] is None else float(row["heard_ago"]),
                None if row["heard_end"] is None else int(row["heard_end"]), bool(row["paused"]))


def caught_up(observe: Callable[[], Node], clock: Clock) -> Node:
    """The node once it has replayed what it has received, or as it is after ten seconds of waiting for that."""
    def settled() -> Node | None:
        node = observe()
        return node if node.replay_paused or node.replayed is None or node.replayed >= (node.received or 0) else None

    try:
        return wait_until(settled, deadline=Deadline(clock, _REPLAYING), what="replay", interval=0.2)
    except TimedOut:
        return observe()


def loss_of(node: Node, *, primary_end: int | None, lost_at: datetime | None, now: datetime) -> Loss:
    """The work that the primary confirmed and the standby does not have.

    ``primary_end`` is where the primary's WAL ended when it was stopped: a standby that has it has everything. Otherwise the age
    of the newest replayed transaction at the moment of the loss is the upper bound (a primary on which nothing happened loses less).
    """
    if primary_end is not None and node.received is not None and node.received >= primary_end:
        return Loss(0.0, "the standby has all that the primary wrote before it was stopped")
    if node.heard_ago is not None and node.heard_end is not None and (node.received or 0) >= node.heard_end:
        return Loss(max(0.0, node.heard_ago), f"the standby had all that its primary had written {node.heard_ago:.1f}s ago")
    if node.replayed_at is None:
        return Loss(None, "the standby has replayed no transaction since it was started")
    seconds = max(0.0, ((lost_at or now) - node.replayed_at).total_seconds())
    until = "the primary was lost" if lost_at else "now"
    newest = format_instant(node.replayed_at)
    return Loss(seconds, f"its newest transaction is of {newest}, {format_duration(seconds) or '0s'} before {until}")


def judge_guard(subject: str, guard: Guard, node: Node, *, heard_within: float, planned: bool) -> Finding:
    """``recovery.split_brain``: two servers that both take writes is what nobody can repair; so what is not known is no pass.

    With ``planned`` a primary that still has to be fenced is a warning: the plan does that first.
    """
    check, hint = "recovery.split_brain", "Fence the old primary first (module postgresql_fence on its host, or power it off)"
    seen = f"the old primary is {guard.role}" + (f": {guard.said}" if guard.said else "")
    if node.role == "standby" and node.heard_ago is not None and node.heard_ago <= heard_within:
        status = Status.WARN if planned else Status.FAIL
        return Finding(check, subject, status, f"the standby heard from its primary {node.heard_ago:.1f} seconds ago: it lives",
                       round(node.heard_ago, 1), heard_within, "s", hint)
    if guard.role in ("down", "standby"):
        return Finding(check, subject, Status.PASS, seen, guard.role)
    if guard.role == "silent" and guard.statement:
        return Finding(check, subject, Status.PASS, f"{seen}; that it is gone was stated: {guard.statement}", guard.role)
    if guard.role == "silent":
        return Finding(check, subject, Status.UNKNOWN, f"{seen}: it may be down, or writing on the other side of a cut network", guard.role,
                       hint="See that it is powered off, or fence it; then say in primary_gone who knows that, and how")
    return Finding(check, subject, Status.WARN if planned else Status.FAIL, seen, guard.role, hint=hint)


def judge_loss(subject: str, loss: Loss, *, rpo: float | None, accepted: float | None) -> Finding:
    """``recovery.rpo``; an accepted loss takes the objective's place, and is a warning where it goes beyond that."""
    hint = "Wait for the standby to catch up, restore a newer backup, or say with accept_loss what may be lost"
    limit = rpo if accepted is None else accepted
    finding = at_most("recovery.rpo", subject, loss.seconds, fail=limit, unit="s", what="work that would be lost", hint=hint)
    if finding.status is Status.PASS and rpo is not None and loss.seconds is not None and loss.seconds > rpo:
        finding = replace(finding, status=Status.WARN, message=f"{finding.message}, over the objective, and accepted", hint=hint)
    return replace(finding, message=f"{finding.message} ({loss.how})")


def promote(session: Session, observe: Callable[[], Node], *, timeout: float, clock: Clock, before: Node) -> Node:
    """pg_promote, then see that the server takes writes, on a new timeline.

    :raises TimedOut: when it is still a standby after ``timeout`` seconds
    :raises CommandFailed: when it is a primary that cannot be written to
    """
    session.value("SELECT pg_promote(false)")

    def promoted() -> Node | None:
        node = observe()
        return node if node.role == "primary" and node.timeline > before.timeline else None

    try:
        node = wait_until(promoted, deadline=Deadline(clock, timeout), what="the standby to become the primary")
    except TimedOut as error:
        error.hint = "It was told to, and may yet do it: see its log, and run again"
        raise
    try:
        session.value("SELECT pg_current_xact_id()::text")  # an id is only given to who may write
    except OpsError as error:
        raise CommandFailed(f"The promoted server takes no writes: {error.message}",
                            hint="See default_transaction_read_only and its log; clients must not be sent there yet") from error
    return node
