# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Prometheus, Alertmanager and Pushgateway on the loopback, each with a folder of its own, and a history made at once."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.postgres import free_port

# One series: its name with its labels as OpenMetrics writes them, and its samples as pairs of Unix time and value.
Series = tuple[str, Iterable[tuple[float, float]]]
# An alert that fired before its Alertmanager was discovered (five seconds after a reload) is sent again after a minute otherwise.
IMPATIENT = ("--rules.alert.resend-delay=2s",)


@dataclass(frozen=True)
class Running:
    """A server: its address, and its folder with the file that it was started with."""

    url: str
    folder: Path
    configuration: Path


def installed() -> bool:
    """Whether this machine has the Debian packages."""
    return all(shutil.which(name) for name in ("prometheus", "promtool", "prometheus-alertmanager", "amtool", "prometheus-pushgateway"))


@contextlib.contextmanager
def serve_prometheus(configuration: str = "{}", *, history: Iterable[Series] = (), options: Iterable[str] = (),
                     retention: str = "400d") -> Iterator[Running]:
    """A server with ``configuration`` as its file; ``history`` is there when it answers.

    :raises ToolMissing: without prometheus and promtool
    """
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-prometheus-"))
    try:
        _backfill(folder, history)
        with _server("prometheus", folder, configuration, "/-/ready", lambda port, file: [
                f"--config.file={file}", f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'data'}",
                f"--storage.tsdb.retention.time={retention}", "--web.enable-lifecycle", "--log.level=warn", *options]) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def serve_alertmanager(configuration: str = "{route: {receiver: nobody}, receivers: [{name: nobody}]}") -> Iterator[Running]:
    """:raises ToolMissing: without prometheus-alertmanager"""
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-alertmanager-"))
    try:
        with _server("prometheus-alertmanager", folder, configuration, "/-/ready", lambda port, file: [
                f"--config.file={file}", f"--web.listen-address=127.0.0.1:{port}", f"--storage.path={folder / 'data'}",
                "--cluster.listen-address=", "--log.level=warn"]) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def serve_pushgateway() -> Iterator[Running]:
    """:raises ToolMissing: without prometheus-pushgateway"""
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-pushgateway-"))
    try:
        with _server("prometheus-pushgateway", folder, "", "/-/ready", lambda port, _file: [
                f"--web.listen-address=127.0.0.1:{port}", "--web.enable-lifecycle", "--log.level=warn"]) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def openmetrics(series: Iterable[Series]) -> str:
    """Series as promtool takes them, each metric family in one piece."""
    families: dict[str, list[str]] = {}
    for name, samples in series:
        lines = families.setdefault(name.partition("{")[0], [])
        lines += [f"{name} {value!r} {at:.3f}" for at, value in samples]
    return "".join(f"# TYPE {family} unknown\n" + "\n".join(lines) + "\n" for family, lines in families.items()) + "# EOF\n"


def counter(start: float, end: float, step: float, per_second: float) -> Iterable[tuple[float, float]]:
    """Samples of a counter that grows evenly."""
    at = start
    while at <= end:
        yield at, round((at - start) * per_second, 6)
        at += step


def _backfill(folder: Path, history: Iterable[Series]) -> None:
    data = folder / "data"
    data.mkdir()
    text = openmetrics(history)
    if text == "# EOF\n":
        return
    source = folder / "history.om"
    source.write_text(text)
    commands = Commands()
    promtool = commands.find("promtool", package="prometheus")
    commands.run([promtool, "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=2400h", str(source), str(data)], timeout=120)


@contextlib.contextmanager
def _server(program: str, folder: Path, configuration: str, ready: str, argv) -> Iterator[Running]:
    commands = Commands()
    found = commands.find(program, package=program)
    port, file = free_port(), folder / f"{program}.yml"
    file.write_text(configuration)
    process = commands.start([found, *argv(port, file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=str(folder))
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(url + ready), deadline=Deadline(SystemClock(), 60), what=f"{program} on port {port}")
        yield Running(url, folder, file)
    finally:
        end_group(process)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def scrape(url: str) -> Mapping[str, str]:
    """The lines of a page of metrics by their series."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
