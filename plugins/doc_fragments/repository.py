# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/storage.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Where backups are."""

    DOCUMENTATION = r"""
options:
  repository:
    description: Folder that holds the backups of all systems; it is created with mode 0700 where it is missing.
    type: path
    required: true
  system:
    description: Name of the system; names a folder in the repository.
    type: str
    default: unnamed
  environment:
    description: Name of the environment; names a folder in the repository.
    type: str
    default: unnamed
  require_mount:
    description: Refuse to work unless a file system is mounted on the repository or on a folder above it, V(/) aside.
    type: bool
    default: false
"""
