# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/engine_options.py."""

from __future__ import annotations


class ModuleDocFragment:
    """What the engine configuration is told."""

    DOCUMENTATION = r"""
options:
  configuration:
    description:
      - What the engine V(configuration) is told.
    type: dict
    suboptions:
      history:
        description:
          - Folder of a bare git repository with a commit for each change; it is made where it is missing.
          - Look at it with C(git --git-dir=FOLDER log -p).
        type: path
      largest:
        description: Files over this size are in the archive only; the history has their digest.
        type: str
        default: 1MiB
      secrets:
        description:
          - V(leave_out) leaves files that are secrets out of the archive; V(archive) takes them where it is encrypted.
          - The history never has them.
        type: str
        choices: [leave_out, archive]
        default: leave_out
      secret_names:
        description:
          - Patterns of names that are secrets, as in C(exclude). A file in which a private key is found is one whatever its name.
        type: list
        elements: str
        default: ['*.key', '*.p12', '*.pfx', '*.jks', '*.keystore', '*.kdbx', '*_key', id_rsa, id_ecdsa, id_ed25519, 'shadow*', 'gshadow*',
                  ssl/private, '*.env', '.env*', .pgpass, .netrc, .my.cnf, '*htpasswd*', '*vault*', '*secret*', '*credential*',
                  '*password*', '*token*']
"""
