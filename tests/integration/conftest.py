# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers for integration tests, started once per session (per worker)."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.core import progress
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock

from tests.conftest import ROOT, missing
from tests.integration.lab_fixtures import lab, own_lab
from tests.testbed import postgres
from tests.testbed.module_host import ModuleHost, running_host
from tests.testbed.playbook_host import PROGRAM, PlaybookHost, running_playbook_host

__all__ = ["lab", "own_lab"]  # fixtures of every test below
# The files that take longest, which are begun first: a process that begins one of them last would keep all others waiting.
_LONG = ("operations/test_daily.py", "operations/test_systems.py", "reliability/test_secrets.py", "recovery/test_site.py",
         "maintenance/test_procedures.py", "databases/test_migrate_playbooks.py", "core/test_progress.py", "reliability/test_network.py",
         "reliability/test_maintenance.py", "lab/test_lab.py", "lab/test_areas.py", "backups/test_backup_copy.py",
         "reliability/test_kills.py", "reliability/test_windows.py", "operations/test_ways_to_run.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """See `_LONG`; what is not in it follows in its own order.

    :raises FileNotFoundError: where it names a file that is not there any more
    """
    order = {(Path(__file__).parent / name).resolve(strict=True): place for place, name in enumerate(_LONG)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.fixture(scope="session", params=["oldest", "newest"])
def installation(request: pytest.FixtureRequest):
    """Two majors of PostgreSQL: the oldest and the newest that this machine has."""
    found = sorted(postgres.installations(), key=lambda one: one.major)
    if len(found) < 2:
        missing("A second major version of PostgreSQL")
    return found[0] if request.param == "oldest" else found[-1]


@pytest.fixture(scope="session")
def server_of() -> Iterator[Callable[[Any], Any]]:
    """``server_of(installation)``: how to reach the one server of an installation. It stays until the end: pytest gives up a fixture
    as soon as its parameter changes, and that would be twice in each file.
    """
    preload = {"shared_preload_libraries": "pg_stat_statements", "wal_level": "logical", "max_connections": "60"}
    with contextlib.ExitStack() as running:

        @functools.cache
        def server(installation: Any) -> Any:
            return running.enter_context(postgres.running_server(installation, settings=preload))[1]

        yield server


@pytest.fixture(scope="session")
def pg(installation, server_of) -> Any:
    """How to reach a running server, as a PostgresTarget; one server for each major."""
    return server_of(installation)


@pytest.fixture(scope="session")
def newest_pg() -> Iterator[Any]:
    """A running server of the newest major only, for what does not depend on the version."""
    found = sorted(postgres.installations(), key=lambda one: one.major)
    if not found:
        missing("PostgreSQL")
    with postgres.running_server(found[-1], settings={"shared_preload_libraries": "pg_stat_statements"}) as (_server, target):
        yield target


@pytest.fixture(scope="session", autouse=True)
def start_quickly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever Ansible runs here shares compiled code and archives of modules with the other runs of this session."""
    own = tmp_path_factory.getbasetemp()
    shared = Path(os.environ.get("EVENKEEL_TEST_SHARED") or (own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own) / "quick")
    quick = ROOT / "tests" / "testbed" / "quick"
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("EVENKEEL_TEST_BYTECODE", "EVENKEEL_TEST_PAYLOADS"):
            folder = shared / variable.rpartition("_")[2].lower()
            folder.mkdir(parents=True, exist_ok=True)
            patch.setenv(variable, str(folder))
        patch.setenv("PYTHONPATH", str(quick), prepend=os.pathsep)
        patch.setenv("ANSIBLE_CALLBACK_PLUGINS", str(quick / "callback"))
        yield


@pytest.fixture(scope="session")
def module_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleHost]:
    """What `run_module` runs modules by."""
    with running_host(tmp_path_factory.mktemp("host")) as host:
        yield host


@pytest.fixture(scope="session")
def playbook_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlaybookHost]:
    """What `playbook` and the lab run playbooks by."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    with running_playbook_host(tmp_path_factory.mktemp("host"), environment) as host:
        yield host


@pytest.fixture
def run_module(module_host: ModuleHost) -> Callable[..., dict[str, Any]]:
    """Run a module of the collection as Ansible does, in a process of its own; gives its JSON answer.

    ``run_module("host_check", {"limits": {}}, check=True)``; an answer of a failed module has ``failed`` true.
    """

    def run(name: str, options: dict[str, Any], *, check: bool = False, diff: bool = False, timeout: float = 300,
            env: dict[str, str] | None = None) -> dict[str, Any]:
        arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check, "_ansible_diff": diff,
                                             "_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False}}
        environment = {**os.environ, **(env or {})}
        if any(variable.startswith("PYTHON") for variable in env or {}):  # heeded by Python's start only
            done = subprocess.run([sys.executable, "-m", "tests.testbed.module", name], input=json.dumps(arguments), text=True,
                                  capture_output=True, timeout=timeout, cwd=ROOT, env=environment, check=False)
            stdout, stderr = done.stdout, done.stderr
        else:
            stdout, stderr = module_host.run(name, json.dumps(arguments), environment=environment, folder=ROOT, timeout=timeout)
        lines = [line for line in stdout.splitlines() if line.startswith("{")]
        assert lines, f"the module printed no JSON: {stdout[-2000:]} {stderr[-4000:]}"
        return json.loads(lines[-1])

    return run


@pytest.fixture
def playbook(tmp_path: Path, playbook_host: PlaybookHost) -> Callable[..., subprocess.CompletedProcess]:
    """Run a playbook by its full name as an operator does; ``variables`` become extra variables. ``cold``: by a process of its own from
    its start, for tests that look at processes.
    """

    def run(name: str, *, inventory: Path, variables: dict[str, Any] | None = None, options: tuple[str, ...] = (),
            timeout: float = 600, cold: bool = False) -> subprocess.CompletedProcess:
        extra = tmp_path / "extra.json"
        extra.write_text(json.dumps({"evenkeel_ledger_url": f"sqlite:///{tmp_path}/ledger.sqlite", **(variables or {})}))
        words = [name, "-i", str(inventory), "-e", f"@{extra}", *options]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        if cold:
            return subprocess.run([str(PROGRAM), *words], text=True, capture_output=True, timeout=timeout, cwd=ROOT, check=False,
                                  env=environment)
        return playbook_host.run(words, environment=environment, folder=ROOT, timeout=timeout)

    return run


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Watch this process's progress; ``told(more_than)`` gives the first reading that says how much of how much, waited for."""
    path = tmp_path / "progress"
    progress.start({progress.VARIABLE: str(path)}, SystemClock())

    def reading(more_than: int = 0) -> Any:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = progress.read(path.read_bytes())
            if found and found.done > more_than and found.total:
                return found
            time.sleep(0.05)
        raise AssertionError(f"no progress was told: {path.read_bytes()!r}")

    yield reading
    progress.finish()
