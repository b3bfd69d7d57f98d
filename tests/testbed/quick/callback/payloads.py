# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lets all ansible-playbook runs of a test session share the archives that Ansible makes of modules."""

from __future__ import annotations

DOCUMENTATION = r"""
name: payloads
type: notification
short_description: Share archives of modules among runs
description:
  - Ansible makes the archive of a module, half a second of work, once in each run, and keeps it in the run's own temporary folder.
  - Runs with the same evenkeel.ops share it, in a folder below E(EVENKEEL_TEST_PAYLOADS).
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
"""

import contextlib
import hashlib
import importlib
import os

from ansible import constants
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Works where the tests put its folder into ANSIBLE_CALLBACK_PLUGINS."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "payloads"

    def v2_playbook_on_start(self, playbook):
        """Before the first module is sent."""
        shared = os.environ.get("EVENKEEL_TEST_PAYLOADS")
        if not shared:
            return
        with contextlib.suppress(ImportError, OSError):
            [collection] = importlib.import_module("ansible_collections.evenkeel.ops").__path__
            folder = os.path.join(shared, hashlib.sha256(os.path.realpath(collection).encode()).hexdigest())
            os.makedirs(folder, mode=0o700, exist_ok=True)
            os.symlink(folder, os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache"))
