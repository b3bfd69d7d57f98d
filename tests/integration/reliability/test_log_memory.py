# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A log is scanned in constant memory: the largest resident size of a run, of a small log and of a large one."""

from __future__ import annotations

from tests.benchmarks.bench_backups import module
from tests.benchmarks.bench_monitoring import write_log
from tests.integration.reliability.figures import scaled

PROMISE = "memory is constant"
MIB = 2**20
SMALL, LARGE = scaled((100 * MIB, 10_240 * MIB), (10 * MIB, 200 * MIB))


def test_a_large_log_takes_no_more_memory_than_a_small_one(tmp_path, figure):
    peaks, counted = [], []
    for size in (SMALL, LARGE):
        log = tmp_path / "app.log"
        expected = write_log(log, size)
        options = {"paths": [str(log)], "look_back": "9000d", "limits": {"levels": {"ERROR": {"fail": 0}}}}
        answer, peak = module("log_scan", options, watch=True)
        log.unlink()
        assert answer["log"]["levels"] == {"ERROR": expected} and answer["log"]["left"] == 0
        peaks.append(peak)
        counted.append(expected)
    figure(PROMISE, f"a log of {LARGE // MIB:,} MiB scanned, against one of {SMALL // MIB} MiB",
           f"log_scan {peaks[1] / peaks[0]:.2f} ({peaks[1] / MIB:.0f} MiB against {peaks[0] / MIB:.0f} MiB; {counted[1]:,} events)")
    assert peaks[1] <= 1.1 * peaks[0], peaks
