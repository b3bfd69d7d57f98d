# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWS command line, a peer of the benchmarks, in an environment of its own: it asks for other versions than we do."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from tests.testbed import CHECKOUT

_VERSION = "1.46.3"


def aws() -> str:
    """The path of the program; one on PATH comes first, else it is installed from PyPI once.

    :raises FileNotFoundError: where it cannot be installed
    """
    if found := shutil.which("aws"):
        return found
    cache = subprocess.run([str(CHECKOUT / "tools/cache-home")], text=True, capture_output=True, check=True).stdout.strip()
    home = Path(cache) / f"awscli-{_VERSION}"
    home.mkdir(parents=True, exist_ok=True)
    program = home / "venv" / "bin" / "aws"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            subprocess.run([sys.executable, "-m", "venv", str(home / "venv")], check=True)
            done = subprocess.run([str(home / "venv" / "bin" / "pip"), "install", "-q", f"awscli=={_VERSION}"], text=True,
                                  capture_output=True, check=False)
            if done.returncode:
                raise FileNotFoundError(f"awscli cannot be installed: {done.stderr[-500:]}")
    return str(program)
