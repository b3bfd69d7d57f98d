# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/engine_options.py."""

from __future__ import annotations


class ModuleDocFragment:
    """What the engine pg_basebackup is told by."""

    DOCUMENTATION = r"""
options:
  pg_basebackup:
    description: With the engine V(pg_basebackup), how a cluster is copied, and where its log goes on.
    type: dict
    suboptions:
      type:
        description:
          - Kind of the copy. V(incr) takes server and client of PostgreSQL 17 or newer, and C(summarize_wal).
          - A full one is made all the same where there is none to rest on that is good.
        type: str
        choices: [full, incr]
        default: full
      full_every:
        description: Age of the full copy from which a full one is made, as a duration such as V(7d).
        type: str
      level:
        description: Level of zstd that the server compresses with, where its build can.
        type: int
        default: 3
      wal_dir:
        description:
          - Folder with the log segments that the server archived or C(pg_receivewal) received.
          - A restore goes on from there after the log that the copy itself brought along.
        type: path
"""
