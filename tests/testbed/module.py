# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.testbed.module NAME``: run a module of this checkout, or one by its full name, with its arguments on stdin."""

from __future__ import annotations

import importlib
import json
import sys

from ansible.module_utils import basic

importlib.import_module("tests.testbed")  # makes the collection importable


def main() -> None:
    """Hand the arguments over as Ansible's wrapper does, then run the module's ``main``."""
    run(sys.argv[1], sys.stdin.read())


def run(module: str, arguments: str) -> None:
    """Run a module's ``main`` in this process, which it ends."""
    json.loads(arguments)
    basic._ANSIBLE_ARGS = arguments.encode()
    basic._ANSIBLE_PROFILE = "legacy"
    namespace, _dot, name = module.rpartition(".")
    importlib.import_module(f"ansible_collections.{namespace or 'evenkeel.ops'}.plugins.modules.{name}").main()


if __name__ == "__main__":
    main()
