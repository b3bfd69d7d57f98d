#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: grafana_dashboards
short_description: Write dashboards of Grafana from policy, as its provisioning reads them
description:
  - Writes one JSON file for each dashboard, below one folder for each folder of Grafana, and the provisioning file that names them.
    Grafana looks at them by itself.
  - Every query is read by C(promtool) before anything is written.
  - In check mode everything is built and checked, and nothing is written.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  path:
    description: Folder of the dashboards, as Grafana sees it.
    type: path
    required: true
  provisioning:
    description: The file below C(provisioning/dashboards) that names the folders.
    type: path
  dashboards:
    description:
      - Each has C(name), and C(kind) with its panels in O(catalog), or C(panels) with C(title), C(expr), C(unit), C(legend), C(kind) and
        C(thresholds).
      - Where wanted C(title), C(folder), C(refresh), C(uid), and C(objectives) for a panel of each service level.
    type: list
    elements: dict
    required: true
  catalog:
    description: Panels by kind of dashboard.
    type: dict
    default: {}
  system:
    description: Name of the system, a tag of every dashboard.
    type: str
    required: true
  environment:
    description: Name of the environment, a tag of every dashboard.
    type: str
    required: true
extends_documentation_fragment:
  - evenkeel.ops.slo_rules
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Show what is up
  evenkeel.ops.grafana_dashboards:
    path: /var/lib/grafana/dashboards
    provisioning: /etc/grafana/provisioning/dashboards/evenkeel.yml
    system: shop
    environment: production
    dashboards:
      - name: operations
        folder: Shop
        refresh: 1m
        panels:
          - {title: Targets, expr: "sum by (job) (up)", legend: "{{ '{{job}}' }}"}
"""

RETURN = r"""
files:
  description: The files, and what was done with them, or would be.
  returned: success
  type: list
  elements: dict
  contains:
    path: {description: Path., type: str, returned: success}
    status: {description: "C(created), C(changed) or C(unchanged).", type: str, returned: success}
dashboards:
  description: The dashboards, with their uid, folder and number of panels.
  returned: success
  type: list
  elements: dict
summary:
  description: What was done.
  returned: success
  type: str
"""

from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.monitoring import RULES, check_queries, dashboard_files, objectives_of
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.dashboards import dashboards
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.files import as_diff, as_values, bring, changes, checked

OPTIONS = own(
    path={"type": "path", "required": True},
    provisioning={"type": "path"},
    dashboards={"type": "list", "elements": "dict", "required": True},
    catalog={"type": "dict", "default": {}},
    system={"type": "str", "required": True},
    environment={"type": "str", "required": True},
) + RULES


def run(request: Request) -> Outcome:
    """Build, check, write."""
    made = dashboards(request["dashboards"], catalog=request["catalog"], series=request["series"], system=request["system"],
                      objectives=objectives_of(request.options), environment=request["environment"])
    if made:
        checked(*check_queries(made))
    provisioning = Path(request["provisioning"]) if request["provisioning"] else None
    found = changes(dashboard_files(made, Path(request["path"]), provisioning))
    changed = any(change.needed for change in found)
    if not request.check_mode:
        bring(found, None, request.clock, patience=0)
    rows = [{"name": one.name, "uid": one.document["uid"], "folder": one.folder, "panels": len(one.document["panels"])} for one in made]
    return Outcome(changed=changed, diff=as_diff(found), summary=f"{len(made)} dashboards",
                   values={"files": as_values(found), "dashboards": rows})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
