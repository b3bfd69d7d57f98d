# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that are built from source, by tools/go-part: MinIO, Weaviate, etcd, the API server of Kubernetes, Pebble."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.testbed import CHECKOUT


def part(name: str) -> str:
    """The path of the program; built when it is not here yet, which takes minutes.

    :raises FileNotFoundError: where it cannot be built; says why
    """
    done = subprocess.run([str(CHECKOUT / "tools/go-part"), name], text=True, capture_output=True, timeout=3600, check=False)
    if done.returncode:
        raise FileNotFoundError(f"{name} could not be built: {done.stderr[-2000:]}")
    return done.stdout.strip()


def built(name: str) -> bool:
    """Whether the program is here already."""
    home = subprocess.run([str(CHECKOUT / "tools/cache-home")], text=True, capture_output=True, timeout=60, check=True).stdout.strip()
    return any(Path(home, "go-parts").glob(f"*/{name}"))
