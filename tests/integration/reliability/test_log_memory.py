# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A log is scanned in constant memory: the largest resident size of a run, of a small log, of a large one, and of what is no log."""

from __future__ import annotations

from tests.benchmarks.bench_monitoring import HOSTILE, peak, write_log
from tests.integration.reliability.figures import scaled

PROMISE = "memory is constant"
MIB = 2**20
# Memory is looked at 50 times a second: the peak of a run as short as that of 10 MiB may be missed, which the slack allows for.
SMALL, LARGE, SHAPE, SLACK = scaled((100 * MIB, 10_240 * MIB, 1024 * MIB, 0), (10 * MIB, 200 * MIB, 64 * MIB, 8 * MIB))


def test_a_large_log_takes_no_more_memory_than_a_small_one(tmp_path, figure):
    peaks, counted = [], []
    for size in (SMALL, LARGE):
        log = tmp_path / "app.log"
        expected = write_log(log, size)
        most, answer = peak(log)
        log.unlink()
        assert answer["levels"] == {"ERROR": expected} and answer["left"] == 0
        peaks.append(most)
        counted.append(expected)
    figure(PROMISE, f"a log of {LARGE // MIB:,} MiB scanned, against one of {SMALL // MIB} MiB",
           f"log_scan {peaks[1] / peaks[0]:.2f} ({peaks[1] / MIB:.0f} MiB against {peaks[0] / MIB:.0f} MiB; {counted[1]:,} events)")
    assert peaks[1] <= 1.1 * peaks[0] + SLACK, peaks


def test_what_is_no_log_takes_no_more_memory_than_a_small_log(tmp_path, figure):
    log, peaks = tmp_path / "app.log", {}
    write_log(log, SMALL)
    small, _answer = peak(log)
    for shape, write in HOSTILE.items():
        log.unlink()
        write(log, SHAPE)
        peaks[shape], answer = peak(log)
        assert answer["left"] == 0
    worst = max(peaks, key=lambda shape: peaks[shape])
    figure(PROMISE, f"{', '.join(HOSTILE)} of {SHAPE // MIB:,} MiB scanned as a log, against a log of {SMALL // MIB} MiB",
           f"log_scan {peaks[worst] / small:.2f} at the most ({worst}: {peaks[worst] / MIB:.0f} MiB against {small / MIB:.0f} MiB)")
    assert peaks[worst] <= 1.2 * small + SLACK, peaks
