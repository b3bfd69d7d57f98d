# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports what the ledger knows as metrics, on the controller."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.metrics import Exposition
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.files import write_atomically
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.metrics import families, samples
from ansible_collections.evenkeel.ops.plugins.plugin_utils.controller import ControllerAction

_READABLE = 0o644  # node_exporter runs as a user of its own


class ActionModule(ControllerAction):
    """See plugins/modules/metrics_export.py for its documentation."""

    OPTIONS = own(
        textfile={"type": "path"}, pushgateway={"type": "str"}, job={"type": "str", "default": "evenkeel"},
        timeout={"type": "str", "default": "10s"},
    )

    def answer(self, request):
        """Write and push, unless this is check mode."""
        textfile, pushgateway = request["textfile"], request["pushgateway"]
        if not textfile and not pushgateway:
            raise InvalidOption("There is nowhere to export to", hint="Give textfile, pushgateway, or both")
        if textfile and not textfile.endswith(".prom"):
            raise InvalidOption(f"textfile: {textfile} would not be read", hint="node_exporter reads names that end with .prom")
        timeout = parse_duration(request["timeout"], option="timeout")
        where = {"system": request.place.system, "environment": request.place.environment}
        records = request.ledger.newest_records(**where)
        found = families(samples(records, request.clock.now()), where)
        exposition = Exposition(found)
        counts = {name: len(rows) for name, (_told, _labels, rows) in found.items()}
        if not request.check_mode:
            if textfile:
                write_atomically(Path(textfile), exposition.text(), mode=_READABLE)
            if pushgateway:
                exposition.push(pushgateway, job=request["job"], grouping=where, timeout=timeout)
        return Outcome(changed=True, summary=f"{sum(counts.values())} samples of {len(records)} procedures", values={"metrics": counts})
