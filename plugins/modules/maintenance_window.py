# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION. The work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_window
short_description: Say whether a maintenance window is open, until when, and whether notice was given in time
description:
  - Windows and freezes are policy; freezes win. Notices are those that C(evenkeel.ops.maintenance.announce) recorded in the ledger.
  - Where a change of the clocks leaves out a time or has it twice, a window is as short and a freeze as long as any reading of it.
  - Works on the controller. Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  windows:
    description:
      - "The windows, each with C(name) and either C(when) or C(icalendar), the path of a file on the controller."
      - C(when) is such as V(first Sunday 02:00-06:00), V(Tuesday/Thursday 10:00-14:00), V(Monday-Friday 09:00-17:00),
        V(daily 01:00-03:00), V(2026-12-24 18:00-22:00), V(2026-12-20 18:00 to 2027-01-04 06:00) or V(always).
      - C(time_zone) is a name of the IANA data base, by default V(UTC); C(notice) a duration, by default none.
    type: list
    elements: dict
    required: true
  freezes:
    description: Times at which no window is open, likewise; they have no notice and are not V(always).
    type: list
    elements: dict
    default: []
  only:
    description: Name of the one window to look at.
    type: str
  required:
    description: Whether a window that is closed or too short is a failure.
    type: bool
    default: false
  duration:
    description: How long it has to be open still, as a duration.
    type: str
    default: 0s
  reserve:
    description: What RV(work_ends_at) leaves of the window, to verify and to serve again.
    type: str
    default: 0s
  at:
    description: Judge as of this instant, such as V(2026-03-01T02:00:00Z). By default now.
    type: str
requirements:
  - python-dateutil on the controller
  - recurring-ical-events on the controller, for iCalendar files
  - SQLAlchemy >= 2.0 on the controller
seealso:
  - module: evenkeel.ops.maintenance_notice
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Is there an hour left?
  evenkeel.ops.maintenance_window:
    windows:
      - {name: production, when: "first Sunday 02:00-06:00", time_zone: Europe/Berlin, notice: 7d}
    freezes:
      - {name: holidays, when: 2026-12-18 to 2027-01-04}
      - {name: releases, icalendar: /etc/evenkeel/freezes.ics}
    required: true
    duration: 1h
  register: maintenance_open
"""

RETURN = r"""
open:
  description: Whether a window is open.
  returned: success
  type: bool
window:
  description: Its name; null where none is.
  returned: success
  type: str
begins_at:
  description: When it opened.
  returned: success
  type: str
ends_at:
  description: When it, or what a freeze leaves of it, ends; null where it does not end.
  returned: success
  type: str
work_ends_at:
  description: That, less the reserve.
  returned: success
  type: str
remaining_seconds:
  description: How long it is open still; 0 where none is, null where it does not end.
  returned: success
  type: float
next:
  description: The one that opens next, with C(window), C(begins_at), C(ends_at), C(announced_begin) (of the whole window, where a
    freeze cuts its beginning) and C(notice_by), the last moment for its notice.
  returned: success
  type: dict
freeze:
  description: The freeze that holds or comes next, with C(name), C(begins_at), C(ends_at) and C(active).
  returned: success
  type: dict
notice:
  description:
    - Of the open window, or else of the next, C(window), C(begins_at), C(required_seconds), C(latest_at), C(announced_at), C(told).
    - C(status) is V(not_required), V(given), V(due) (still in time), V(late) or V(missing).
  returned: success
  type: dict
next_notice:
  description: The same of the window that opens next.
  returned: success
  type: dict
findings:
  description: C(maintenance.window), C(maintenance.freeze), C(maintenance.notice).
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""
