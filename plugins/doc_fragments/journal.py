# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/journal.py."""

from __future__ import annotations


class ModuleDocFragment:
    """The journal of systemd."""

    DOCUMENTATION = r"""
options:
  journal:
    description: The journal of systemd; V({}) is the whole one of this host.
    type: dict
    suboptions:
      units:
        description: Only those of these units.
        type: list
        elements: str
        default: []
      identifiers:
        description: Only those with these identifiers of syslog.
        type: list
        elements: str
        default: []
      directory:
        description: Folder of journal files, such as one that others send theirs to.
        type: path
      files:
        description: Journal files, or patterns.
        type: list
        elements: path
        default: []
      timeout:
        description: How long it may take to read what is new.
        type: str
        default: 10m
"""
