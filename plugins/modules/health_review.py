#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION. The work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: health_review
short_description: Tell from the ledger how the targets of health.check did over time
description:
  - Reads what C(health.check) recorded for this host and tells, per target, since when it is probed, when it failed last, whether it
    flaps, how availability and latency of the last days compare with the weeks before, what is new, and what is not probed any more.
  - A target flaps as Nagios reckons it, by the weighted share of changes among its last looks, between two limits.
  - A look that was C(unknown) counts neither as good nor as bad. A target that failed because of another one was down.
  - Works on the controller. Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  policy:
    description:
      - C(period), how far back to look, and C(recent), the part of it that is compared with what is before.
      - C(news), within which a change is news; C(max_age) of the last run.
      - C(fewest) looks that each side of a comparison must have; C(looks) that are looked at for flapping, and its limits in percent,
        C(high), from which it flaps, and C(low), below which it does not any more.
      - C(availability), C(warn) and C(fail) in percentage points lost; C(p95), in percent by which the latency grows, growth below
        C(p95_floor) set aside.
      - C(retired), names of targets that may be gone.
    type: dict
    required: true
requirements:
  - SQLAlchemy >= 2.0 on the controller
seealso:
  - module: evenkeel.ops.health_probe
  - module: evenkeel.ops.outage_review
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: How did the targets do?
  evenkeel.ops.health_review:
    policy:
      period: 35d
      recent: 7d
      news: 24h
      max_age: 26h
      fewest: 5
      looks: 21
      low: 5
      high: 20
      availability: {warn: 0.1, fail: 0.5}
      p95: {warn: 50, fail: 100}
      p95_floor: 20ms
      retired: [old shop]
  register: health_reviewed
"""

RETURN = r"""
histories:
  description: One for each target that was probed within the period.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Its name., type: str, returned: always}
    first_seen: {description: First look within the period., type: str, returned: always}
    last_seen: {description: Last look., type: str, returned: always}
    last_failure: {description: "Last look that found it down; null without one.", type: str, returned: always}
    down: {description: "Whether the last look that could look found it down; null without one.", type: bool, returned: always}
    looks: {description: Looks that could look., type: int, returned: always}
    failures: {description: Those that found it down., type: int, returned: always}
    changes: {description: How often it changed., type: int, returned: always}
    change_percent: {description: How much its last looks change., type: float, returned: always}
    flapping: {description: Whether it flaps., type: bool, returned: always}
    news: {description: "C(new), C(fails), C(well again) or nothing.", type: str, returned: always}
    looks_recent: {description: Looks of the recent part., type: int, returned: always}
    availability: {description: Percent of its samples in the recent part that were answered well., type: float, returned: always}
    p95_ms: {description: Median of the P95 of the runs of the recent part., type: float, returned: always}
    looks_before: {description: Likewise before it., type: int, returned: always}
    availability_before: {description: Likewise before it., type: float, returned: always}
    p95_ms_before: {description: Likewise before it., type: float, returned: always}
    gone: {description: Whether the last run did not probe it any more., type: bool, returned: always}
findings:
  description:
    - C(health.history) says whether there is enough to tell. C(health.flapping) and C(health.trend) for each target of which there is,
      C(health.gone) for each that is not probed any more.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""
