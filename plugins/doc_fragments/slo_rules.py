# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group RULES in plugins/module_utils/assembly/monitoring.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Service levels, and the series that rules and dashboards speak of."""

    DOCUMENTATION = r"""
options:
  objectives:
    description: Service level objectives, as for M(evenkeel.ops.slo_check). Those that Prometheus measures become rules and panels.
    type: list
    elements: dict
    default: []
  tiers:
    description: The availability that each tier of services is promised, in percent.
    type: dict
    default: {}
  window:
    description: Window of objectives that give none.
    type: str
    default: 30d
  series:
    description: Selectors by name. A name with a C($) before it stands for its selector in every query.
    type: dict
    default: {}
requirements:
  - PyYAML >= 6
"""
