# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name, and shows meanwhile how far it is; also for the modules that meta/runtime.yml names."""

from __future__ import annotations

from ansible_collections.evenkeel.ops.plugins.plugin_utils.following import FollowedAction


class ActionModule(FollowedAction):
    """Nothing but that."""
