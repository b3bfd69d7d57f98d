# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules each in a process of its own, forked from one that has imported Ansible already (see `tests.testbed.forks`).

What a module does is a fraction of a second; Python's start and Ansible's imports are as much again, hundreds of times in a test session.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.testbed.forks import Host, running, serve


class ModuleHost:
    """The side of the tests."""

    def __init__(self, address: str) -> None:
        self._host = Host(address)

    def run(self, module: str, arguments: str, *, environment: dict[str, str], folder: Path, timeout: float) -> tuple[str, str]:
        """What the module wrote to stdout and stderr.

        :raises subprocess.TimeoutExpired: where it takes longer; it is killed then
        """
        request = {"module": module, "arguments": arguments, "environment": environment, "folder": str(folder)}
        _status, stdout, stderr = self._host.ask(module, request, timeout=timeout)
        return stdout, stderr


@contextlib.contextmanager
def running_host(folder: Path) -> Iterator[ModuleHost]:
    """A host that ends with this process; its socket is in ``folder``."""
    with running(__name__, folder) as address:
        yield ModuleHost(address)


def main() -> None:
    """Listen; become a module for each request."""
    importlib.import_module("tests.testbed.quick.sitecustomize").compile_collections_once()
    module = importlib.import_module("tests.testbed.module")
    importlib.import_module("ansible_collections.evenkeel.ops.plugins.module_utils.core.edge")
    with contextlib.suppress(ImportError):  # a tenth of a second of each of the many that speak to PostgreSQL
        importlib.import_module("psycopg")

    def become(request: dict[str, Any], tell: Callable[[int], None]) -> None:
        sys.argv = ["module", request["module"]]
        tell(os.getpid())
        module.run(request["module"], request["arguments"])

    serve(sys.argv[1], become)


if __name__ == "__main__":
    main()
