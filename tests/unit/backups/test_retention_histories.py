# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole histories of a plan: backups made, verified, drilled and pruned over time, chains among them, under clocks that lie."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Backup
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.retention import RetentionPolicy, plan_retention
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.backups.conftest import manifest

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
LIES = [timedelta(hours=1), timedelta(hours=-1), timedelta(days=365), timedelta(days=-365)]
HISTORIES = 500  # ten thousand in tests/integration/reliability/test_retention.py

POLICIES = st.builds(
    RetentionPolicy, keep_for=st.one_of(st.none(), st.sampled_from([0.0, 86400.0, 7 * 86400.0, 30 * 86400.0, 400 * 86400.0])),
    keep_last=st.integers(1, 4), keep_verified=st.integers(1, 2), keep_proven=st.integers(1, 2), daily=st.integers(0, 7),
    weekly=st.integers(0, 3), monthly=st.integers(0, 3), yearly=st.integers(0, 2), archived=st.booleans())


def noted(backup: Backup, kind: str, status: str, now: datetime) -> Backup:
    return replace(backup, verifications=(*backup.verifications, {"kind": kind, "status": status, "at": format_instant(now)}))


def newest(backups: list[Backup], wanted) -> str | None:
    return max((one for one in backups if wanted(one)), key=lambda one: (one.created_at, one.id), default=None)


def live(events: bytes, policy: RetentionPolicy, seen: Counter) -> None:
    """Two bytes an event: what happens, and to which backup or how long after."""
    now, backups, archived = START, [], set()
    for number, (what, detail) in enumerate(zip(events[::2], events[1::2], strict=False)):
        now += timedelta(hours=1 + detail % 97)
        chosen = backups[detail % len(backups)] if backups else None
        if what < 110 or chosen is None:
            full = chosen is None or what < 40 or not chosen.usable
            one = manifest(now, number=number, parent=None if full else chosen.id)
            backups.append(Backup(Path("/nowhere") / one.plan / one.id, one))
        elif what < 205:
            kind, status = ("verify", "drill")[what % 2], "fail" if what % 5 == 0 else "pass"
            backups[detail % len(backups)] = noted(chosen, kind, status, now)
        elif what < 230:
            archived.add(chosen.id)
        else:
            backups = pruned(backups, policy, now, archived, seen)
    pruned(backups, policy, now, archived, seen)


def pruned(backups: list[Backup], policy: RetentionPolicy, now: datetime, archived: set[str], seen: Counter) -> list[Backup]:
    truly = plan_retention(backups, policy, now, archived=archived)
    kept = {decision.backup.id for decision in truly if decision.keep}
    gone = {backup.id for backup in backups} - kept
    for word, good in (("proven", lambda one: one.usable and one.proven_at), ("verified", lambda one: one.usable and one.verified_at),
                       ("usable", lambda one: one.usable)):
        last = newest(backups, good)
        seen[f"last {word} deleted"] += bool(last and last.id in gone)
    links = {backup.manifest.parent for backup in backups if backup.id in kept}
    seen["links of kept chains deleted"] += len(links & gone)
    if policy.archived:
        seen["deleted without an archived copy"] += sum(one.id in gone and one.usable and one.id not in archived for one in backups)
    lie = LIES[seen["prunes"] % len(LIES)]
    for decision in plan_retention(backups, policy, now + lie, archived=archived):
        seen["wrong deletions under a lie"] += not decision.keep and decision.backup.id in kept
    seen["prunes"] += 1
    seen["deletions"] += len(gone)
    return [backup for backup in backups if backup.id in kept]


def run_histories(count: int) -> Counter:
    """Live so many histories; what was counted. Fails at the first one that loses anything, with the shortest that does."""
    seen: Counter = Counter()

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(min_size=50, max_size=80), POLICIES)  # short ones have little to delete
    def histories(events: bytes, policy: RetentionPolicy) -> None:
        before = Counter(seen)
        live(events, policy, seen)
        seen["histories"] += 1
        wrong = {word for word in seen if ("deleted" in word or "wrong" in word) and seen[word] > before[word]}
        assert not wrong

    histories()
    return seen


def test_histories_keep_their_proof_and_their_chains_whatever_the_clock_says():
    seen = run_histories(HISTORIES)
    assert seen["histories"] >= HISTORIES and seen["deletions"] > HISTORIES, "the histories must have something to delete"
