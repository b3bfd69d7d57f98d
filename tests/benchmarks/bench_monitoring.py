# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a log in one task on one core against ``grep -c ERROR`` on the same file, which is in memory; and the memory that it takes.

The log is of an application: lines of 60 to 300 bytes, one in a hundred (a bad day) or in a thousand (a good one) an ERROR, some with a
stack trace behind it. grep only counts; the scan looks for SECURITY, too, and classes, redacts and dates each event. Memory is that of
whole runs of the module.
"""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import zstandard
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_entries import EntryReader
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_instants import Instants
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_judge import LogTally
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.log_lines import Scanner

from tests.benchmarks.bench_backups import GIB, SCALE, module
from tests.benchmarks.harness import Row, side_by_side

_SIZE = 1 << 29
_WORDS = ("ERROR", "SECURITY")


def rows() -> Iterator[Row]:
    """The rows of monitoring."""
    for one_in in (100, 1000):
        yield _speed(one_in)
    yield from _memory()


def _speed(one_in: int) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "app.log")
        expected = write_log(log, _SIZE, one_in=one_in)
        found: list[int] = []

        def theirs() -> None:
            done = subprocess.run(["grep", "-c", "ERROR", str(log)], check=True, capture_output=True, text=True,
                                  env={**os.environ, "LC_ALL": "C"})
            assert int(done.stdout) == expected, "grep counts other lines: the figure is void"

        def ours() -> None:
            found.append(scan(log).levels["ERROR"])

        mine, grep = side_by_side(one_core(ours), one_core(theirs))
        assert set(found) == {expected}, "the scan counts other events: the figure is void"
        size = log.stat().st_size / 2**20
        return Row(f"a log of {size:.0f} MiB scanned on one core, one line in {one_in} an ERROR, {expected} events classed",
                   "`grep -c ERROR`", mine / grep, 2, False,
                   f"{mine:.2f} s ({size / mine:.0f} MiB/s) against {grep:.2f} s ({size / grep:.0f} MiB/s)")


def _memory() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "app.log")
        write_log(log, int(GIB * SCALE / 10))
        small, _answer = peak(log)
        expected, size = write_log(log, int(10 * GIB * SCALE)), log.stat().st_size
        large, answer = peak(log)
        assert answer["levels"] == {"ERROR": expected} and answer["bytes"] == size, "not all was read: the figure is void"
        yield Row(f"a log of {size / GIB:.1f} GiB scanned, peak memory", f"the same of {size / GIB / 100:.2g} GiB", large / small, 1.1,
                  False, f"{large / 2**20:.0f} MiB against {small / 2**20:.0f} MiB; {expected:,} events")
        for shape, write in HOSTILE.items():
            log.unlink()
            write(log, int(GIB * SCALE))
            most, answer = peak(log)
            yield Row(f"{shape} of {SCALE:.2g} GiB scanned, peak memory", f"a log of {size / GIB / 100:.2g} GiB", most / small, 1.2, False,
                      f"{most / 2**20:.0f} MiB against {small / 2**20:.0f} MiB")


def peak(log: Path) -> tuple[int, dict]:
    """The largest resident size of a run of log_scan on a file, and what it counted."""
    answer, most = module("log_scan", {"paths": [str(log)], "look_back": "9000d", "limits": {"levels": {"ERROR": {"fail": 0}}}}, watch=True)
    return most, answer["log"]


def _pieces(piece: Callable[[], bytes], opened: Callable[..., Any] = open, **how: Any) -> Callable[[Path, int], None]:
    def write(path: Path, size: int) -> None:
        with opened(path, "wb", **how) as stream:
            for _time in range(max(1, size >> 20)):
                stream.write(piece())

    return write


_ZEROS = b"\0" * 2**20
# What is no log, and comes to lie where logs are.
HOSTILE = {"one line without an end": _pieces(lambda: b"x ERROR " * 2**17), "binary data": _pieces(lambda: os.urandom(2**20)),
           "zeros in gzip": _pieces(lambda: _ZEROS, gzip.open, compresslevel=1), "zeros in zstd": _pieces(lambda: _ZEROS, zstandard.open)}


def scan(log: Path) -> LogTally:
    """What log_scan does with the bytes of a file."""
    tally, reader = LogTally(None, {}), EntryReader(_WORDS[:1], _WORDS[1:], Instants(datetime.now(timezone.utc)))
    with log.open("rb") as stream:
        tally.add_alike(reader.alike(Scanner(_WORDS).batches(stream), None))
    return tally


def write_log(path: Path, size: int, *, one_in: int = 100) -> int:
    """A log of about this size; how many of its lines are an ERROR."""
    told = random.Random(7)
    block, errors = [], 0
    for number in range(20_000):
        at = f"2026-01-15T12:{number // 1000 % 60:02}:{number // 20 % 60:02}.{number % 1000:03}Z"
        if told.random() * one_in < 1:
            errors += 1
            block.append(f"{at} ERROR [worker-{told.randrange(16)}] order {told.randrange(10**6)} failed for user {told.randrange(10**4)}: "
                         f"{told.choice(('timeout', 'refused', 'no stock', 'no route'))} after {told.randrange(5000)} ms\n")
            if told.random() < 0.2:
                block.append("Traceback (most recent call last):\n" + "".join(f'  File "app.py", line {line}\n' for line in range(8))
                             + "TimeoutError: no answer\n")
        else:
            block.append(f"{at} INFO [worker-{told.randrange(16)}] GET /orders/{told.randrange(10**6)} 200 {told.randrange(900)} ms "
                         f"{'x' * told.randrange(200)}\n")
    data = "".join(block).encode()
    times = max(1, size // len(data))
    with path.open("wb") as stream:
        for _time in range(times):
            stream.write(data)
    return errors * times


def one_core(work: Callable[[], object]) -> Callable[[], object]:
    """The same on one core of those that this process may use."""
    def bound() -> object:
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(allowed)})
        try:
            return work()
        finally:
            os.sched_setaffinity(0, allowed)

    return bound
