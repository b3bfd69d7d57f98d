# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of the collection promises."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes common to all modules."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Says what would be done and writes nothing.
    support: full
  diff_mode:
    description: Shows what changes, where there is something to show.
    support: full
  platform:
    description: Operating systems that it runs on.
    support: full
    platforms: posix
"""
