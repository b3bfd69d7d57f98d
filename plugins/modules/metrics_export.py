#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION. The work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: metrics_export
short_description: Export findings, ages of backups, certificates and maintenance debt as metrics of Prometheus
description:
  - Takes the newest record of each host's procedure from the ledger, and writes it for the textfile collector of node_exporter, or pushes
    it to a Pushgateway, or both.
  - Gives instants instead of ages, so that a file which nobody writes any more grows old.
  - Works on the controller. In check mode nothing is written and nothing pushed.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  textfile:
    description: File on the controller, whose name ends with C(.prom). Its folder must be there.
    type: path
  pushgateway:
    description: Address of a Pushgateway.
    type: str
  job:
    description: Job of what is pushed.
    type: str
    default: evenkeel
  timeout:
    description: How long the Pushgateway may take.
    type: str
    default: 10s
requirements:
  - SQLAlchemy >= 2.0 on the controller
  - prometheus-client >= 0.20 on the controller
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Let Prometheus know what we know
  evenkeel.ops.metrics_export:
    textfile: /var/lib/prometheus/node-exporter/evenkeel.prom
    pushgateway: http://127.0.0.1:9091
"""

RETURN = r"""
metrics:
  description: How many samples there are of each metric.
  returned: success
  type: dict
  sample: {evenkeel_findings: 44}
summary:
  description: What was exported.
  returned: success
  type: str
"""
