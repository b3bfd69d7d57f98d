# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probing 500 HTTP targets in one task against ``uri`` in a loop, and the probing itself against curl.

Last, 5,000 targets of six kinds, each a real server on this machine, in one run of the module: its time and its peak memory.

Every answer of the first two takes 10 ms, from a server in a process of its own. ``uri`` is timed with 2 and with 52 targets; the
difference is 50 targets without start-up, and 500 are reckoned as the run with 2 and 498 more. curl keeps its
connections; the probe opens one for each request, as a new client does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import trustme
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.network import AsyncNetwork
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.health.probe import Pace, probe_all
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets

from tests.benchmarks.harness import Row, seconds, side_by_side
from tests.conftest import ROOT
from tests.testbed import postgres
from tests.testbed.dns import serve_dns
from tests.testbed.http import serve_http
from tests.testbed.redis import serve_redis

_TARGETS = 500
_SAMPLED = 50
_REQUESTS = 5000
_MIXED = 5000
_MOST_SECONDS = 10
_MOST_MEMORY = 200


def rows() -> Iterator[Row]:
    """The rows of health."""
    with _server() as url, tempfile.TemporaryDirectory() as folder:
        yield _whole_run(url, Path(folder))
        yield _probing_itself(url, Path(folder))
        yield from _mixed(url, Path(folder))


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
    return Row(f"the probing itself, {_REQUESTS} requests", "`curl --parallel --parallel-max 100`", mine / curl, 2, False,
               f"{mine:.2f} s against {curl:.2f} s")


def _mixed(url: str, folder: Path) -> Iterator[Row]:
    """Half of the targets are HTTP, with and without TLS; the rest is shared by TCP, DNS, PostgreSQL and Redis."""
    authority, port = trustme.CA(), int(url.rpartition(":")[2])
    ca_cert = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_cert))
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(secure)
    newest = max(postgres.installations(), key=lambda one: one.major)
    with serve_http(tls=secure) as tls, serve_dns({("shop.test", "A"): ["192.0.2.10"]}) as zone, serve_redis() as cache, \
            postgres.running_server(newest, settings={"max_connections": "100"}) as (_server, database):
        kinds = [
            (1500, {"url": f"{url}/ok"}), (1000, {"url": f"https://localhost:{tls.port}/ok", "ca_cert": str(ca_cert)}),
            (1000, {"kind": "tcp", "host": "127.0.0.1", "port": port}),
            (500, {"kind": "dns", "host": "shop.test", "resolver": f"127.0.0.1:{zone}", "expected": ["192.0.2.10"]}),
            (500, {"kind": "postgresql", "host": database.host, "port": database.port, "user": database.user,
                   "database": database.database, **({"password": database.password} if database.password else {})}),
            (500, {"kind": "redis", "host": "127.0.0.1", "port": cache}),
        ]
        targets = [{"name": f"target {kind}.{number}", **target} for kind, (times, target) in enumerate(kinds) for number in range(times)]
        assert len(targets) == _MIXED
        runs = [_one_module(targets, folder) for _repetition in range(3)]
    took, size = statistics.median(run[0] for run in runs), max(run[1] for run in runs)
    what = f"{_MIXED} mixed targets on one host, the module as a whole"
    yield Row(what, f"{_MOST_SECONDS} seconds", took / _MOST_SECONDS, 1, False, f"{took:.2f} s")
    yield Row(f"{what}, peak memory", f"{_MOST_MEMORY} MiB", size / _MOST_MEMORY, 1, False, f"{size:.0f} MiB resident")


def _one_module(targets: list[dict], folder: Path) -> tuple[float, float]:
    """Seconds and MiB of one process that probes them all; every target must have been found well."""
    given, told = folder / "arguments.json", folder / "answer.json"
    given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {"targets": targets, "concurrency": 50, "_ansible_remote_tmp": str(folder),
                                                         "_ansible_keep_remote_files": False}}))
    with given.open("rb") as arguments, told.open("wb") as answer:
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "tests.testbed.module", "health_probe"], stdin=arguments, stdout=answer, cwd=ROOT)
        _pid, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    found = json.loads(told.read_text())["findings"]
    unwell = [finding["message"] for finding in found if finding["status"] != "pass"]
    assert len(found) == len(targets) and not unwell, f"a probe failed: the figure is void: {unwell[:3]}"
    return took, usage.ru_maxrss / 1024


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
