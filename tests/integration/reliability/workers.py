# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules in processes that have imported everything beforehand, so that a kill hits their work and not Python's start."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

_MODULES = "ansible_collections.evenkeel.ops.plugins.modules."
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.integration.reliability.warmed"])


def call(name: str, options: dict[str, Any], answer: str, gate: Any = None) -> None:
    """Run a module to its end in this process; its JSON answer goes to the file ``answer``. ``gate`` is waited for first."""
    from ansible.module_utils import basic

    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_remote_tmp": "/tmp"}}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    module = importlib.import_module(_MODULES + name)
    if gate is not None:
        gate.wait()
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        module.main()
    unfinished = Path(f"{answer}.unfinished")  # whoever stops or kills this process finds all of the answer, or none
    unfinished.write_text(said.getvalue())
    unfinished.rename(answer)


def begin(name: str, options: dict[str, Any], answer: Path, gate: Any = None) -> Any:
    """Start a module; gives its process."""
    answer.unlink(missing_ok=True)
    process = CONTEXT.Process(target=call, args=(name, options, os.fspath(answer), gate), daemon=True)
    process.start()
    return process


def answer_in(path: Path) -> dict[str, Any]:
    """What a module said that ran to its end; empty where it did not."""
    if not path.exists():
        return {}
    lines = [line for line in path.read_text().splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {}


def to_end(name: str, options: dict[str, Any], answer: Path) -> dict[str, Any]:
    """Start a module and wait for it."""
    process = begin(name, options, answer)
    process.join(120)
    return answer_in(answer)
