#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION. The work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: outage_review
short_description: Tell MTTR and MTBF of services from the runs of health.check in the ledger
description:
  - An outage begins with the first run that found a service failing and ends with the first later run that found it well.
  - Time in which no run looked for longer than O(gap) is neither up nor down.
  - Works on the controller. Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  period:
    description: How far back to look.
    type: str
    default: 91d
  gap:
    description: Longest time between two runs for which the first one speaks.
    type: str
    required: true
requirements:
  - SQLAlchemy >= 2.0 on the controller
seealso:
  - module: evenkeel.ops.health_probe
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: How often does it fail, and for how long?
  evenkeel.ops.outage_review:
    period: 91d
    gap: 2h
  register: service_levels_outages
"""

RETURN = r"""
reliability:
  description: One for each service that was looked at.
  returned: success
  type: list
  elements: dict
  contains:
    service: {description: Service., type: str, returned: success}
    outages: {description: How many began., type: int, returned: success}
    mttr_seconds: {description: "Mean time to recovery of those that ended, null without one.", type: int, returned: success}
    mtbf_seconds: {description: "Time seen up for each outage, null without one or without such time.", type: int, returned: success}
    up_seconds: {description: Time seen up., type: int, returned: success}
    down_seconds: {description: Time seen down., type: int, returned: success}
    unseen_seconds: {description: Time in which nobody looked., type: int, returned: success}
    last_began: {description: When the last outage began., type: str, returned: success}
    down_now: {description: Whether it goes on., type: bool, returned: success}
findings:
  description: C(service_levels.outages) for each service; C(unknown) where nobody looked.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""
