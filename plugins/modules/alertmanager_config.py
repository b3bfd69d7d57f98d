#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: alertmanager_config
short_description: Write routes and receivers of Alertmanager from policy, and have them read
description:
  - Writes the configuration of an Alertmanager whole, from policy. Each severity has its receiver, and what escalates has the next one.
  - It is checked by C(amtool) before anything is written. Where the server will not read it, the file is put back as it was, and the
    task fails.
  - Secrets in it are refused. Alertmanager reads them from files of their own, such as C(api_url_file).
  - In check mode everything is built and checked, and nothing is written.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  path:
    description: The configuration file of the server.
    type: path
    required: true
  receivers:
    description: Receivers in the words of Alertmanager, each with C(name) and such lists as C(webhook_configs).
    type: list
    elements: dict
    required: true
  routes:
    description:
      - Each has C(severity), C(receiver), and where wanted C(escalate_after) with C(escalate_to), the receiver that is told next,
        C(repeat), and C(silent) where nobody is told on purpose, so that M(evenkeel.ops.monitoring_verify) sends no canary.
    type: list
    elements: dict
    required: true
  default_receiver:
    description: Who is told of what no route is for.
    type: str
    required: true
  grouping:
    description: How alerts are put together, with C(by), C(wait), C(interval) and C(repeat).
    type: dict
    default: {}
  settings:
    description: The part C(global) of the configuration, such as the mail server.
    type: dict
    default: {}
requirements:
  - PyYAML >= 6
extends_documentation_fragment:
  - evenkeel.ops.alertmanager
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Critical alerts go to the channel and by mail, and to the manager after a quarter of an hour
  evenkeel.ops.alertmanager_config:
    path: /etc/prometheus/alertmanager.yml
    alertmanager: {url: "http://127.0.0.1:9093"}
    default_receiver: channel
    receivers:
      - name: channel
        slack_configs:
          - {channel: "#alerts", api_url_file: /etc/prometheus/slack-url}
      - name: manager
        email_configs:
          - {to: manager@example.com, from: alerts@example.com, smarthost: "mail.example.com:587"}
    routes:
      - {severity: critical, receiver: channel, escalate_after: 15m, escalate_to: manager}
      - {severity: warning, receiver: channel}
    grouping: {by: [alertname, service], wait: 30s, interval: 5m, repeat: 4h}
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
summary:
  description: What was done.
  returned: success
  type: str
"""

from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import alertmanager
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.promtool import ConfigurationCheck
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.yaml_files import to_yaml
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.monitoring import alertmanager_server
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.files import as_diff, as_values, bring, changes, checked
from ansible_collections.evenkeel.ops.plugins.module_utils.monitoring.routing import configuration

OPTIONS = own(
    path={"type": "path", "required": True},
    receivers={"type": "list", "elements": "dict", "required": True},
    routes={"type": "list", "elements": "dict", "required": True},
    default_receiver={"type": "str", "required": True},
    grouping={"type": "dict", "default": {}},
    settings={"type": "dict", "default": {}},
) + alertmanager.OPTIONS
_PATIENCE = 30.0  # a reload answers when it is done


def run(request: Request) -> Outcome:
    """Build, check, write, have it read."""
    text = to_yaml(configuration(request["receivers"], request["routes"], default=request["default_receiver"],
                                 grouping=request["grouping"], settings=request["settings"]))
    checked(lambda folder: [(folder / "alertmanager.yml", text)],
            lambda folder: ConfigurationCheck().alertmanager(folder / "alertmanager.yml"))
    found = changes([(Path(request["path"]), text)])
    changed = any(change.needed for change in found)
    if not request.check_mode:
        changed = bring(found, alertmanager_server(request["alertmanager"]), request.clock, patience=_PATIENCE)
    summary = f"{len(request['routes'])} routes to {len(request['receivers'])} receivers"
    return Outcome(changed=changed, diff=as_diff(found), summary=summary, values={"files": as_values(found)})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
