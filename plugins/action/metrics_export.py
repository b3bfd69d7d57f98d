# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports what the ledger knows as metrics, on the controller."""

from __future__ import annotations

from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger, ledger_of
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.metrics import Exposition
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.files import write_atomically
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.metrics import families, samples

_READABLE = 0o644  # node_exporter runs as a user of its own


class ActionModule(ActionBase):
    """See plugins/modules/metrics_export.py for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Write and push, unless this is check mode."""
        super().run(tmp, task_vars)
        _given, options = self.validate_argument_spec({
            "textfile": {"type": "path"}, "pushgateway": {"type": "str"}, "job": {"type": "str", "default": "evenkeel"},
            "timeout": {"type": "str", "default": "10s"},
        })
        try:
            return self._export(options, ledger_of(self._templar, task_vars))
        except OpsError as error:
            return {"failed": True, "msg": str(error), "findings": [], **error.as_dict()}

    def _export(self, options, place):
        if not options["textfile"] and not options["pushgateway"]:
            raise InvalidOption("There is nowhere to export to", hint="Give textfile, pushgateway, or both")
        if options["textfile"] and not options["textfile"].endswith(".prom"):
            raise InvalidOption(f"textfile: {options['textfile']} would not be read", hint="node_exporter reads names that end with .prom")
        timeout = parse_duration(options["timeout"], option="timeout")
        records = Ledger(place.url).newest_records(system=place.system, environment=place.environment)
        where = {"system": place.system, "environment": place.environment}
        found = families(samples(records, SystemClock().now()), where)
        exposition = Exposition(found)
        counts = {name: len(rows) for name, (_told, _labels, rows) in found.items()}
        if not self._task.check_mode:
            if options["textfile"]:
                write_atomically(Path(options["textfile"]), exposition.text(), mode=_READABLE)
            if options["pushgateway"]:
                exposition.push(options["pushgateway"], job=options["job"], grouping=where, timeout=timeout)
        return {"changed": True, "metrics": counts, "findings": [],
                "summary": f"{sum(counts.values())} samples of {len(records)} procedures"}
