# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-playbook each in a process of its own, forked from one that has imported it already (see `tests.testbed.forks`).

More than a second of a run is Python importing what each run imports: Ansible, and SQLAlchemy for the ledger. Nothing of this collection is
imported before, nor any setting read that a test may change: where the environment is not the one in which the host was started, but for
what Ansible's start does not read, a run is started as an operator starts it.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.testbed.forks import Host, running, serve

PROGRAM = Path(sys.executable).with_name("ansible-playbook")
# What runs differ in, and is read when it is used.
_READ_LATE = ("EVENKEEL_", "AWS_", "TMPDIR", "PYTEST_CURRENT_TEST")
_IMPORTED = ("ansible.cli.playbook", "ansible.plugins.strategy.linear", "ansible.plugins.connection.local", "sqlalchemy",
             "sqlalchemy.dialects.sqlite")


class PlaybookHost:
    """The side of the tests."""

    def __init__(self, address: str, environment: Mapping[str, str]) -> None:
        self._host, self._environment = Host(address), dict(environment)

    def run(self, words: Sequence[str], *, environment: Mapping[str, str], folder: Path, timeout: float) -> subprocess.CompletedProcess:
        """As ``ansible-playbook WORDS`` in ``folder``.

        :raises subprocess.TimeoutExpired: where it takes longer; it is killed then
        """
        argv = [str(PROGRAM), *words]
        different = {name for name, _value in dict(environment).items() ^ self._environment.items()}
        if not all(name.startswith(_READ_LATE) for name in different):
            return subprocess.run(argv, text=True, capture_output=True, timeout=timeout, cwd=folder, check=False, env=environment)
        request = {"argv": argv, "environment": dict(environment), "folder": str(folder)}
        return subprocess.CompletedProcess(argv, *self._host.ask(words[0], request, timeout=timeout))


@contextlib.contextmanager
def running_playbook_host(folder: Path, environment: Mapping[str, str]) -> Iterator[PlaybookHost]:
    """A host that ends with this process; its socket is in ``folder``. ``environment`` is the one that most runs will have."""
    with running(__name__, folder, python=_python(), environment=environment) as address:
        yield PlaybookHost(address, environment)


def _python() -> str:
    """The interpreter as the program names it, for that is ``ansible_playbook_python``."""
    with PROGRAM.open("rb") as program:
        named = os.fsdecode(program.readline().removeprefix(b"#!").strip())
    return named if os.access(named, os.X_OK) and "python" in os.path.basename(named) else sys.executable


def main() -> None:
    """Listen; become ansible-playbook for each request."""
    for name in _IMPORTED:
        importlib.import_module(name)
    importlib.import_module("tests.testbed.quick.sitecustomize").compile_collections_once()
    _forget_the_collection()
    serve(sys.argv[1], _become)


def _forget_the_collection() -> None:
    """ansible-playbook finds collections by itself."""
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    _AnsibleCollectionFinder._remove()
    for name in [name for name in sys.modules if name.partition(".")[0] in ("ansible_collections", "tests")]:
        del sys.modules[name]


def _become(request: dict[str, Any], tell: Callable[[int], None]) -> None:
    """Two processes: one runs, the other waits for its exit status."""
    run = os.fork()
    if run:
        try:
            tell(run)
            _run, status = os.waitpid(run, 0)
            tell(os.waitstatus_to_exitcode(status))
        finally:  # whoever asked may be gone; this is no Ansible that would have to clear away
            os._exit(0)
    from ansible import constants
    from ansible.cli.playbook import main as playbook
    from ansible.utils.path import cleanup_tmp_file

    # The temporary folder of a process is made, and named after it, when Ansible is imported.
    atexit.unregister(cleanup_tmp_file)
    tempfile.tempdir = None
    constants.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(prefix=f"ansible-local-{os.getpid()}", dir=os.path.dirname(constants.DEFAULT_LOCAL_TMP))
    atexit.register(cleanup_tmp_file, constants.DEFAULT_LOCAL_TMP, warn=True)
    sys.argv = request["argv"]
    sys.path[0] = os.path.dirname(sys.argv[0])
    playbook()


if __name__ == "__main__":
    main()
