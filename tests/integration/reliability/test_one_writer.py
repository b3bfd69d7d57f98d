# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer: many runs of one plan at one moment, and a run that is stopped while it holds the lease and then goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import repository_at
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock

from tests.integration.reliability.figures import scaled
from tests.integration.reliability.workers import CONTEXT, answer_in, begin, to_end

PROMISE = "one writer"
RACERS = 30
ROUNDS = scaled(10, 1)
# Seconds of the lease of a run that is stopped for longer. All others have one that no busy machine makes them lose.
LEASE = 4


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    """The options of a repository of each kind."""
    if request.param == "folder":
        yield {"repository": str(tmp_path / "repository")}
        return
    from tests.conftest import missing
    from tests.testbed.minio import serve_minio

    try:
        with serve_minio() as server:
            bucket = server.bucket("writers")
            yield {"repository": f"s3://{bucket}/backups", "s3": server.options()}
    except FileNotFoundError:
        missing("minio")


def source_in(folder: Path, size: int) -> Path:
    source = folder / "source"
    source.mkdir()
    for number in range(10):
        (source / str(number)).write_bytes(random.Random(number).randbytes(size // 10))
    return source


def repository_of(place: dict[str, Any]):
    return repository_at(place["repository"], place.get("s3"), "unnamed", "unnamed", SystemClock())


def holds(repository: Any, pid: int) -> bool:
    """Whether this process has the lease of the plan."""
    plan = repository.plan_place("files")
    with suppress(OSError, ValueError):  # there is none yet, or it is being written
        leases = plan.at("lease")
        said = json.loads(plan.read("lease") if plan.local else leases.read(max(leases.files())))
        return said["pid"] == pid and not said.get("released")
    return False


def stopped(pid: int) -> bool:
    """Stop it and wait until it is; not where it ended instead."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.suspend()
        while process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
            time.sleep(0.001)
        return process.status() == psutil.STATUS_STOPPED
    return False


def test_of_many_racers_one_wins(place, tmp_path, figure):
    if "s3" in place and ROUNDS == 1:
        racers = 10
    else:
        racers = RACERS
    source, winners, late, odd = source_in(tmp_path, 2_000_000), [], 0, []
    repository = repository_of(place)
    for number in range(ROUNDS):
        plan = f"plan-{number}"
        options = {**place, "plan": plan, "engine": "archive", "paths": [str(source)], "max_age": "1h"}
        gate = CONTEXT.Barrier(racers)
        runs = [begin("backup", options, tmp_path / f"answer-{number}-{racer}", gate) for racer in range(racers)]
        for run in runs:
            run.join(120)
        said = [answer_in(tmp_path / f"answer-{number}-{racer}") for racer in range(racers)]
        winners.append(sum(bool(one.get("changed")) for one in said))
        late += len(repository.list(plan)) - 1
        odd += [one for one in said if not one or (one.get("failed") and one.get("error") != "Busy")]
        late += len(repository.ids(plan)) - len(repository.list(plan))
    kind = "S3 (MinIO)" if "s3" in place else "a folder"
    figure(PROMISE, f"{racers} runs of one plan begin at one moment, in {kind}",
           f"winners {max(winners)} in each of {ROUNDS} rounds; others that wrote {late}; others that were not told that it is held "
           f"or done {len(odd)}")
    assert winners == [1] * ROUNDS and late == 0 and not odd, (winners, late, odd[:2])


def test_a_holder_that_was_stopped_writes_nothing_late(place, tmp_path, figure):
    source = source_in(tmp_path, 60_000_000)
    repository = repository_of(place)
    options = {**place, "plan": "files", "engine": "archive", "paths": [str(source)], "scratch": str(tmp_path / "scratch")}
    brief = {**options, "s3": {**place["s3"], "lease": f"{LEASE}s"}} if "s3" in place else options
    late, stops, taken = 0, 0, 0
    moments = random.Random(5)
    wanted = scaled(8, 2)
    for number in range(10 * wanted):  # some are over before they can be stopped
        if stops == wanted:
            break
        answer = tmp_path / f"answer-{number}"
        holder = begin("backup", brief, answer)
        while holder.is_alive() and not holds(repository, holder.pid):
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.4))
        try:
            if not stopped(holder.pid) or answer.exists():  # it was over before
                continue
            stops += 1
            # What it had finished by then was in time.
            before = {backup.id for backup in repository.list("files")}
            if "s3" in place:
                time.sleep(LEASE + 2)  # the server's clock tells whole seconds
            other = to_end("backup", options, tmp_path / "other")
            between = {backup.id for backup in repository.list("files")}
        finally:
            with suppress(ProcessLookupError):
                os.kill(holder.pid, signal.SIGCONT)
            holder.join(120)
        said = answer_in(answer)
        after = {backup.id for backup in repository.list("files")}
        written = after - between
        if other.get("changed"):  # it took the lease over, or the holder had given it back already
            taken += 1
            if said.get("changed") and written and "s3" not in place and other["backup"]["id"] not in after:
                late += 1
            if "s3" in place and said.get("changed") and written and min(written) < other["backup"]["id"]:
                late += 1  # a copy of a run that began before the one that took over
        else:
            assert other.get("error") == "Busy", other
            late += len(between - before)
        for backup in repository.list("files"):
            assert backup.usable
        assert set(repository.ids("files")) - after == set() or "s3" in place
    kind = "S3 (MinIO), past its lease" if "s3" in place else "a folder (the lock of a stopped process holds: others are told so)"
    figure(PROMISE, f"a holder stopped (SIGSTOP) and continued, in {kind}",
           f"{stops} stops, {taken} taken over by another run: late writes {late}")
    assert stops and late == 0
