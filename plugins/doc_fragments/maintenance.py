# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/databases/budget.py."""

from __future__ import annotations


class ModuleDocFragment:
    """What a run of maintenance may take."""

    DOCUMENTATION = r"""
options:
  time_budget:
    description:
      - How long the run may take, as a duration. Nothing is begun that is not expected to fit.
      - What still runs at its end is cancelled by the server and cleared up.
    type: str
    default: 30m
  connection_budget:
    description: How many sessions may work at once, the module's own among them.
    type: int
    default: 2
  lock_timeout:
    description: How long one lock is waited for, as a duration; a relation that is locked for longer is left for the next run.
    type: str
    default: 5s
"""
