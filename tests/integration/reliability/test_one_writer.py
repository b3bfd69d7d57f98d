# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer: many runs of one plan at one moment, and a run that is stopped while it holds the lease and then goes on."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import repository_at
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock

from tests.integration.reliability.figures import scaled
from tests.integration.reliability.workers import CONTEXT, answer_in, begin, to_end

PROMISE = "one writer"
RACERS = 30
ROUNDS = scaled(10, 1)


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
            yield {"repository": f"s3://{bucket}/backups", "s3": server.options(lease="4s")}
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
    late, stops, taken = 0, 0, 0
    moments = random.Random(5)
    wanted = scaled(8, 2)
    for number in range(10 * wanted):  # some are over before they can be stopped
        if stops == wanted:
            break
        answer = tmp_path / f"answer-{number}"
        before = {backup.id for backup in repository.list("files")}
        if "s3" in place and number:
            time.sleep(4)  # until the lease of the round before has run out
        holder = begin("backup", options, answer)
        time.sleep(moments.uniform(0.15, 0.6))
        try:
            os.kill(holder.pid, signal.SIGSTOP)
        except ProcessLookupError:  # it was over before
            holder.join(10)
            continue
        try:
            if answer.exists():  # it was over before
                continue
            stops += 1
            if "s3" in place:
                time.sleep(5)
            other = to_end("backup", options, tmp_path / "other")
            between = {backup.id for backup in repository.list("files")}
        finally:
            os.kill(holder.pid, signal.SIGCONT)
        holder.join(120)
        said = answer_in(answer)
        after = {backup.id for backup in repository.list("files")}
        if other.get("changed"):  # it took the lease over, or the holder had not come to it yet
            taken += 1
            if said.get("changed") and after - between and "s3" not in place and other["backup"]["id"] not in after:
                late += 1
            if "s3" in place and said.get("changed") and min(after - between) < other["backup"]["id"]:
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
