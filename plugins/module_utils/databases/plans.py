# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of a plan: which nodes over which tables and indexes, without costs and without any value of a query."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

_SHOWN = 300


def plan_shape(plan: Mapping[str, Any]) -> str:
    """``Hash Join(Seq Scan on orders, Hash(Index Scan using users_pkey on users))`` of a plan of EXPLAIN (FORMAT JSON)."""
    words = plan["Node Type"]
    if plan.get("Join Type", "Inner") != "Inner":
        words += f" {plan['Join Type']}"
    if plan.get("Strategy", "Plain") != "Plain":
        words += f" {plan['Strategy']}"
    words += f" using {plan['Index Name']}" if "Index Name" in plan else ""
    words += f" on {plan['Relation Name']}" if "Relation Name" in plan else ""
    below = ", ".join(plan_shape(part) for part in plan.get("Plans", ()))
    return f"{words}({below})" if below else words


def plan_evidence(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a plan: ``digest`` of its whole shape, the ``shape`` shortened, its ``cost`` in the planner's units."""
    shape = plan_shape(plan)
    return {"digest": hashlib.sha256(shape.encode()).hexdigest()[:16], "cost": plan["Total Cost"],
            "shape": shape if len(shape) <= _SHOWN else shape[:_SHOWN - 1] + "…"}
