# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run is this, whose, and of which version? One word for all that one ansible-playbook process does."""

from __future__ import annotations

import json
import os
import platform
import pwd
import re
from datetime import datetime, timezone
from pathlib import Path


def run_id() -> str:
    """The start and the process id of the controlling process; or what EVENKEEL_RUN_ID says, for AWX and others.

    To be called in an action plugin: task workers are children of the controlling process, so all see the same parent.
    """
    given = os.environ.get("EVENKEEL_RUN_ID")
    if given:
        return given
    controller = os.getppid()
    # proc(5): the 22nd field of stat is the start in clock ticks since boot; the name in brackets may hold blanks.
    ticks = int(Path(f"/proc/{controller}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19])
    boot = next(int(line.split()[1]) for line in Path("/proc/stat").read_text(encoding="ascii").splitlines()
                if line.startswith("btime"))
    began = datetime.fromtimestamp(boot + ticks / os.sysconf("SC_CLK_TCK"), timezone.utc)
    return f"{began:%Y%m%dT%H%M%SZ}-{controller}"


def run_by(person: str = "") -> str:
    """Who answers for it: a person, where one is named, and the account on the machine that it runs under."""
    person = person[:120]  # the ledger has room for 256 in all
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        account = str(os.getuid())
    return f"{person} ({account} on {platform.node()})" if person and person != account else f"{account} on {platform.node()}"


def collection_version() -> str:
    """Of this collection, as installed or as checked out; empty where neither says it."""
    root = Path(__file__).resolve().parents[3]
    try:
        return str(json.loads((root / "MANIFEST.json").read_text(encoding="utf-8"))["collection_info"]["version"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        found = re.search(r"^version: *([\w.+-]+)", (root / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return ""
    return found[1] if found else ""
