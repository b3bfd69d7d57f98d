# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory is constant: the largest resident size of a run and all that it starts, of a small and of a large archive."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.benchmarks.bench_backups import module
from tests.integration.reliability.figures import scaled

PROMISE = "memory is constant"
MIB = 2**20
SMALL, LARGE = scaled((100 * MIB, 10_240 * MIB), (100 * MIB, 600 * MIB))


def fill(folder: Path, size: int) -> None:
    """Files of 64 MiB of what does not compress within a window of the compressor's."""
    folder.mkdir()
    block = os.urandom(4 * MIB)
    for number in range(-(-size // (64 * MIB))):
        with (folder / str(number)).open("wb") as stream:
            for piece in range(min(16, (size - number * 64 * MIB) // (4 * MIB))):
                stream.write(block[piece * 1000 + number:] + block[:piece * 1000 + number])


def test_a_large_archive_takes_no_more_memory_than_a_small_one(tmp_path, figure):
    peaks: dict[str, list[int]] = {"backup": [], "backup_verify": []}
    sizes = []
    for size in (SMALL, LARGE):
        source, repository = tmp_path / "source", tmp_path / "repository"
        fill(source, size)
        plan = {"plan": "files", "engine": "archive", "paths": [str(source)], "min_free": "0", "repository": str(repository)}
        answer, peak = module("backup", plan, watch=True)
        peaks["backup"].append(peak)
        sizes.append(answer["backup"]["source_bytes"])
        shutil.rmtree(source)
        peaks["backup_verify"].append(module("backup_verify", {"repository": str(repository)}, watch=True)[1])
        shutil.rmtree(repository)
    ratios = {name: large / small for name, (small, large) in peaks.items()}
    assert sizes[0] >= SMALL and sizes[1] >= LARGE
    figure(PROMISE, f"an archive of {LARGE // MIB:,} MiB against one of {SMALL // MIB} MiB, whole process tree",
           "; ".join(f"{name} {ratios[name]:.2f} ({large / MIB:.0f} MiB against {small / MIB:.0f} MiB)"
                     for name, (small, large) in peaks.items()))
    assert max(ratios.values()) <= 1.1, peaks
