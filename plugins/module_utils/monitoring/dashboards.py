# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dashboards as Grafana's provisioning reads them, from policy. Pure.

The shape is that of the dashboard JSON model (schemaVersion 37, Grafana 9 and newer, which migrate it further by themselves).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from ..core.quantities import format_duration, parse_duration
from ..service_levels.objectives import IN_PROMETHEUS, RATIOS, Objective
from .queries import error_share, value
from .rules import filled

SCHEMA = 37
TAG = "evenkeel"
_DASHBOARD = {"name", "title", "folder", "refresh", "kind", "panels", "uid", "objectives"}
_PANEL = {"title", "expr", "unit", "legend", "kind", "thresholds"}
_KINDS = ("timeseries", "stat")
_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 24
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_UNITS = {"%": "percent", "s": "s", "ms": "ms", "/s": "reqps", "bytes": "bytes", "days": "d", "": "short"}


@dataclass(frozen=True)
class Dashboard:
    """``folder`` is that of Grafana; ``document`` its JSON."""

    name: str
    folder: str
    document: Mapping[str, Any]

    @property
    def file(self) -> str:
        """The name of its file: that of its uid, which has no hostile letters."""
        return f"{self.document['uid']}.json"


def dashboards(given: Sequence[Any], *, catalog: Mapping[str, Any], series: Mapping[str, str], objectives: Sequence[Objective], system: str,
               environment: str) -> list[Dashboard]:
    """Read ``[{name, title, folder, refresh, kind, panels: [{title, expr, unit}], objectives: true}]``; the panels of a ``kind`` are those
    that ``catalog`` has for it.

    :raises InvalidOption: for an unknown key, a dashboard without panels, or two of one uid
    """
    found = [_read(_whole(entry, catalog, f"dashboards[{index}]"), f"dashboards[{index}]", series, objectives, system, environment)
             for index, entry in enumerate(given)]
    uids = [one.document["uid"] for one in found]
    for one in found:
        if uids.count(one.document["uid"]) > 1:
            raise InvalidOption(f"dashboards: {one.name} is there twice", hint="Give each a name of its own")
    return found


def providers(folder: str, found: Sequence[Dashboard]) -> dict[str, Any]:
    """The file below provisioning/dashboards: one provider for each folder of Grafana."""
    return {"apiVersion": 1, "providers": [
        {"name": f"evenkeel {name}", "folder": name, "type": "file", "disableDeletion": True, "allowUiUpdates": False,
         "updateIntervalSeconds": 30, "options": {"path": f"{folder}/{folder_name(name)}"}}
        for name in sorted({one.folder for one in found})]}


def folder_name(name: str) -> str:
    """A folder of Grafana as one of the file system."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if plain and re.fullmatch(r"[a-zA-Z0-9 _-]*", name):
        return plain
    return f"{plain or 'folder'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def expressions(document: Any) -> list[tuple[str, str]]:
    """Title of the panel and PromQL of each of its queries, of a dashboard's JSON; rows are looked into."""
    return [(str(panel.get("title") or "untitled"), str(target["expr"]))
            for panel in _panels(document) for target in panel.get("targets") or [] if target.get("expr")]


def _panels(document: Any) -> Iterator[Mapping[str, Any]]:
    for panel in document.get("panels") or []:
        yield panel
        yield from _panels(panel)


def _whole(entry: Any, catalog: Mapping[str, Any], where: str) -> Any:
    if not isinstance(entry, Mapping) or not entry.get("kind"):
        return entry
    if entry["kind"] not in catalog:
        raise InvalidOption(f"{where}.kind: {entry['kind']!r} is unknown",
                            hint=f"Known are {', '.join(catalog) or 'none'}; add it to catalog")
    return {**entry, "panels": [*catalog[entry["kind"]], *(entry.get("panels") or [])]}


def _read(entry: Any, where: str, series: Mapping[str, str], objectives: Sequence[Objective], system: str,
          environment: str) -> Dashboard:
    if not isinstance(entry, Mapping) or not str(entry.get("name") or "").strip():
        raise InvalidOption(f"{where} has no name", hint="Write {name: operations, panels: [{title: Targets, expr: up}]}")
    _keys(entry, _DASHBOARD, where)
    name, uid = str(entry["name"]), str(entry.get("uid") or _uid(system, environment, str(entry["name"])))
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", uid):
        raise InvalidOption(f"{where}.uid: {uid!r} is no uid", hint="At most 40 letters, digits, - and _")
    panels = [_panel(one, f"{where}.panels[{index}]", series) for index, one in enumerate(entry.get("panels") or [])]
    if entry.get("objectives"):
        panels += [_objective_panel(one) for one in objectives if one.source in IN_PROMETHEUS]
    if not panels:
        raise InvalidOption(f"{where} ({name}) has no panel", hint="Give panels, or objectives that Prometheus measures")
    per_row = _COLUMNS // _WIDTH
    placed = [{**panel, "id": number + 1, "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": number % per_row * _WIDTH,
                                                      "y": number // per_row * _HEIGHT}} for number, panel in enumerate(panels)]
    refresh = str(entry.get("refresh") or "1m")
    parse_duration(refresh, option=f"{where}.refresh")
    return Dashboard(name, str(entry.get("folder") or system), {
        "uid": uid, "title": str(entry.get("title") or name), "tags": [TAG, system, environment], "timezone": "utc", "refresh": refresh,
        "schemaVersion": SCHEMA, "version": 1, "editable": False, "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus", "label": "source", "hide": 0}]},
        "annotations": {"list": []}, "links": [], "panels": placed})


def _panel(entry: Any, where: str, series: Mapping[str, str]) -> dict[str, Any]:
    if not isinstance(entry, Mapping) or not entry.get("title") or not entry.get("expr"):
        raise InvalidOption(f"{where} has no title, or no expr", hint="Write {title: Targets, expr: up, unit: ''}")
    _keys(entry, _PANEL, where)
    unit, kind = str(entry.get("unit") or ""), str(entry.get("kind") or "timeseries")
    if unit not in _UNITS:
        raise InvalidOption(f"{where}.unit: {unit!r} is unknown", hint=f"Known are {', '.join(repr(one) for one in _UNITS)}")
    if kind not in _KINDS:
        raise InvalidOption(f"{where}.kind: {kind!r} is unknown", hint=f"Known are {', '.join(_KINDS)}")
    return _drawn(str(entry["title"]), filled(str(entry["expr"]), series, f"{where}.expr"), unit, kind, str(entry.get("legend") or ""),
                  entry.get("thresholds") or [])


def _objective_panel(objective: Objective) -> dict[str, Any]:
    """An objective over its window, with its target and alert as lines."""
    title = f"{objective.service} {objective.endpoint}".strip() + f": {objective.measure.replace('_', ' ')}"
    if objective.measure in RATIOS:
        share = f"100 * ({error_share(objective, objective.window)})"
        query, unit = share if objective.measure == "error_rate" else f"100 - {share}", "%"
    else:
        query, unit = value(objective, objective.window), "/s"
        if objective.measure == "latency":
            query, unit = f"1000 * ({query})", "ms"
    lines = [objective.target, *([objective.alert] if objective.alert is not None else [])]
    return _drawn(f"{title} over {format_duration(objective.window)}", query, unit, "timeseries", "", lines)


def _drawn(title: str, query: str, unit: str, kind: str, legend: str, thresholds: Sequence[float]) -> dict[str, Any]:
    steps = [{"color": "green", "value": None}, *({"color": color, "value": one}
                                                  for color, one in zip(("orange", "red"), thresholds, strict=False))]
    custom = {"thresholdsStyle": {"mode": "line" if thresholds else "off"}} if kind == "timeseries" else {}
    return {"type": kind, "title": title, "datasource": _SOURCE, "options": {},
            "fieldConfig": {"defaults": {"unit": _UNITS[unit], "thresholds": {"mode": "absolute", "steps": steps}, "custom": custom},
                            "overrides": []},
            "targets": [{"refId": "A", "expr": query, "datasource": _SOURCE, "range": True,
                         **({"legendFormat": legend} if legend else {})}]}


def _uid(system: str, environment: str, name: str) -> str:
    """At most 40 letters, told apart by a digest where the names are long or have other letters."""
    whole = f"{system}-{environment}-{name}"
    plain = re.sub(r"[^a-zA-Z0-9]+", "-", whole).strip("-").lower()
    same = plain == whole.replace("_", "-") and len(plain) <= 40
    return plain if same else f"{plain[:31].strip('-')}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def _keys(given: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in given:
        if key not in known:
            raise InvalidOption(f"{where}: unknown key {key!r}", hint=f"Known are {', '.join(sorted(known))}")
