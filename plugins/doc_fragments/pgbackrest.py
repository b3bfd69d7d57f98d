# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/engine_options.py."""

from __future__ import annotations


class ModuleDocFragment:
    """What the engine pgbackrest is told by."""

    DOCUMENTATION = r"""
options:
  pgbackrest:
    description:
      - With the engine V(pgbackrest), the stanza and the copies of it.
      - The stanza is made by M(evenkeel.ops.pgbackrest_stanza). Modules that read backups find it by the backup's manifest.
    type: dict
    suboptions:
      stanza:
        description: Name of the stanza. Asked for where a backup is made.
        type: str
      config:
        description: Configuration file of pgBackRest, where a backup is made; later the backup knows.
        type: path
        default: /etc/pgbackrest/pgbackrest.conf
      account:
        description: Account to run pgBackRest as; by default that of the server where this runs as root, and else its own.
        type: str
      type:
        description: Kind of the copy. A full one is made all the same where there is none to rest on that is known and good.
        type: str
        choices: [full, diff, incr]
        default: incr
      full_every:
        description: Age of the newest full copy from which a full one is made, as a duration such as V(7d).
        type: str
      archive_age:
        description: How much of the log may be unarchived, as a duration.
        type: str
        default: 15m
"""
