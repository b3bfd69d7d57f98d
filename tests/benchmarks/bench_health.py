# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probing 500 HTTP targets in one task against ``uri`` in a loop, and the probing itself against curl.

Every answer takes 10 ms, from a server in a process of its own. ``uri`` is timed with 2 and with 52 targets; the
difference is 50 targets without start-up, and 500 are reckoned as the run with 2 and 498 more. curl keeps its
connections; the probe opens one for each request, as a new client does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.network import AsyncNetwork
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.health.probe import Pace, probe_all
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets

from tests.benchmarks.harness import Row, seconds, side_by_side
from tests.conftest import ROOT

_TARGETS = 500
_SAMPLED = 50
_REQUESTS = 5000


def rows() -> Iterator[Row]:
    """The two rows of health."""
    with _server() as url, tempfile.TemporaryDirectory() as folder:
        yield _whole_run(url, Path(folder))
        yield _probing_itself(url, Path(folder))


def _whole_run(url: str, folder: Path) -> Row:
    def urls(number: int) -> list[str]:
        return [f"{url}/slow?ms=10&n={index}" for index in range(number)]

    ours = _playbook(folder / "ours.yml", "evenkeel.ops.health_probe", {
        "defaults": {"service": "shop"},
        "targets": [{"name": f"target {index}", "url": one} for index, one in enumerate(urls(_TARGETS))]})
    few = _playbook(folder / "few.yml", "ansible.builtin.uri", {"url": "{{ item }}"}, urls(2))
    many = _playbook(folder / "many.yml", "ansible.builtin.uri", {"url": "{{ item }}"}, urls(2 + _SAMPLED))
    mine, start = side_by_side(lambda: _run(ours), lambda: _run(few))
    each = (seconds(lambda: _run(many)) - start) / _SAMPLED
    theirs = start + each * (_TARGETS - 2)
    return Row(f"{_TARGETS} HTTP targets in one task, whole `ansible-playbook` run", "`ansible.builtin.uri` in a loop",
               theirs / mine, 150, True, f"{mine:.2f} s against {theirs:.0f} s ({each:.2f} s each, reckoned from {_SAMPLED}; "
               f"a run of two takes {start:.2f} s)")


def _probing_itself(url: str, folder: Path) -> Row:
    urls = [f"{url}/slow?ms=10&n={index}" for index in range(_REQUESTS)]
    targets = read_targets([{"name": one, "url": one} for one in urls])
    wanted = folder / "curl"
    wanted.write_text("".join(f"url={one}\noutput=/dev/null\n" for one in urls))

    def ours() -> None:
        taken = asyncio.run(probe_all(targets, AsyncNetwork(), clock=SystemClock(), pace=Pace(concurrency=100)))
        assert all(sample.good for samples in taken.values() for sample in samples), "a probe failed: the figure is void"

    def theirs() -> None:
        subprocess.run(["curl", "--silent", "--parallel", "--parallel-max", "100", "--fail", "--config", str(wanted)],
                       check=True, stderr=subprocess.DEVNULL)

    mine, curl = side_by_side(ours, theirs)
    return Row(f"the probing itself, {_REQUESTS} requests", "`curl --parallel --parallel-max 100`", mine / curl, 3, False,
               f"{mine:.2f} s against {curl:.2f} s")


@contextlib.contextmanager
def _server() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-m", "tests.testbed.http"], cwd=ROOT, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(20)


def _playbook(path: Path, module: str, options: dict, items: list[str] | None = None) -> Path:
    task = {"name": "Probe", module: options, **({"loop": items} if items else {})}
    path.write_text(json.dumps([{"name": "Measure", "hosts": "localhost", "gather_facts": False, "connection": "local",
                                 "tasks": [task]}]))
    return path


def _run(playbook: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(playbook)], text=True, cwd=ROOT,
        capture_output=True, check=False, env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                                               "ANSIBLE_PYTHON_INTERPRETER": sys.executable})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
