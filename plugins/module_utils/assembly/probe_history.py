# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own probes as a source of service levels, out of the ledger. For the controller only: a module that is handed this takes the
ledger and its library along to every host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..adapters.ledger import Ledger
from ..adapters.ledger_place import Place
from ..core.clock import format_instant, parse_instant
from ..service_levels.evaluate import FromPoints, Source
from ..service_levels.points import FromHistory


def health_runs(place: Place, since: Any) -> list[tuple[Any, Mapping[str, Any]]]:
    """The runs of health.check on record since an instant, oldest first."""
    found = Ledger(place.url).runs(system=place.system, environment=place.environment, area="health", procedure="check",
                                   since=format_instant(since))
    return [(parse_instant(at), values) for at, _host, values in found]


def history_source(runs: list[tuple[Any, Mapping[str, Any]]]) -> dict[str, Source]:
    """The source that the controller has."""
    return {"history": FromPoints(FromHistory(runs))}
