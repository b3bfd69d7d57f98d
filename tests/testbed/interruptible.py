# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of ansible-playbook that a test reads from and sends signals to, as a shell in the foreground would start it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def begin_playbook(*arguments: str | Path) -> subprocess.Popen[str]:
    """The process of ``ansible-playbook arguments``; all that it prints comes, line by line, on its ``stdout``."""
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("ansible-playbook")), *map(str, arguments)],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT, preexec_fn=_heed_interrupts,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "PYTHONUNBUFFERED": "1"})


def _heed_interrupts() -> None:
    """A shell's background jobs ignore SIGINT, and what they start inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
