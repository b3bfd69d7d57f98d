# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imported once by the server that `workers` forks from."""

from __future__ import annotations

import importlib

importlib.import_module("tests.testbed")  # makes the collection importable
_OPS = "ansible_collections.evenkeel.ops.plugins."
for _name in ("modules.backup", "modules.backup_verify", "modules.backup_prune", "modules.backup_restore",
              "modules.postgresql_vacuum", "modules.postgresql_reindex", "module_utils.assembly.archive",
              "module_utils.assembly.pg_dump", "module_utils.adapters.object_place"):
    importlib.import_module(_OPS + _name)
for _name in ("psycopg", "zstandard", "pyrage"):
    importlib.import_module(_name)
