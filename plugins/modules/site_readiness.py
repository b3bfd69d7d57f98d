#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site_readiness
short_description: Judge whether a standby site may be activated, and whether it is there
description:
  - A site is activated for a declared reason only, which may ask for an outage of some length and for an old site that does not
    answer; both are looked at. And only when its name is given as a confirmation.
  - Changes nothing. In check mode, and with O(rehearse), what stands against the activation is a warning, so that a plan can be made.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  site:
    description: Name of the standby site.
    type: str
    required: true
  triggers:
    description:
      - Declared reasons by name. Each is a dictionary, which may be empty, of C(outage), how long the outage must have lasted, and
        C(primary_gone), whether none of O(primary_endpoints) may accept connections.
    type: dict
    required: true
  trigger:
    description: The reason, one of O(triggers).
    type: str
  outage_since:
    description: Since when the old site is out, an instant such as V(2026-01-15T11:58:00Z).
    type: str
  confirm:
    description: Name of the site once more, as a confirmation.
    type: str
  primary_endpoints:
    description: Endpoints of the old site, each as C(host:port).
    type: list
    elements: str
    default: []
  endpoints:
    description: Endpoints of the standby site that have to accept connections before it is activated.
    type: list
    elements: str
    default: []
  endpoint_timeout:
    description: How long each may take to accept a connection.
    type: str
    default: 5s
  rehearse:
    description: Whether this is a rehearsal.
    type: bool
    default: false
seealso:
  - module: evenkeel.ops.site_activation
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: May the standby site take over?
  evenkeel.ops.site_readiness:
    site: west
    triggers:
      region_outage: {outage: 15m, primary_gone: true}
      security_breach: {}
    trigger: region_outage
    outage_since: "2026-01-15T11:40:00Z"
    confirm: west
    primary_endpoints: ["db-1.example.com:5432", "api.example.com:443"]
    endpoints: ["db-1.west.example.com:5432"]
"""

RETURN = r"""
readiness:
  description: What was seen.
  returned: success
  type: dict
  contains:
    site: {description: Name of the site., type: str, returned: success}
    trigger: {description: The reason., type: str, returned: success}
    at: {description: When it was looked at., type: str, returned: success}
    primary_answering: {description: Endpoints of the old site that accept connections., type: list, elements: str, returned: success}
    unreached: {description: Endpoints of the standby site that do not., type: list, elements: str, returned: success}
findings:
  description: C(recovery.trigger), C(recovery.confirmation), C(recovery.primary), C(recovery.endpoint).
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.reach import unreached
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import format_instant, parse_instant
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.site import Case, judge_case, judge_endpoints, read_triggers

OPTIONS = own(
    site={"type": "str", "required": True},
    triggers={"type": "dict", "required": True},
    trigger={"type": "str"},
    outage_since={"type": "str"},
    confirm={"type": "str"},
    primary_endpoints={"type": "list", "elements": "str", "default": []},
    endpoints={"type": "list", "elements": "str", "default": []},
    endpoint_timeout={"type": "str", "default": "5s"},
    rehearse={"type": "bool", "default": False},
)


def run(request: Request) -> Outcome:
    """Look at both sites, judge."""
    if not request["site"].strip():
        raise InvalidOption("site: it has no name", hint="Name the standby site; its name is the confirmation")
    triggers = read_triggers(request["triggers"])
    since, now = request["outage_since"], request.clock.now()
    timeout = parse_duration(request["endpoint_timeout"], option="endpoint_timeout")
    case = Case(request["site"], request["trigger"] or "", parse_instant(since) if since else None, request["confirm"] or "",
                planned=request.check_mode or request["rehearse"])
    old, new = unreached(request["primary_endpoints"], timeout=timeout), unreached(request["endpoints"], timeout=timeout)
    answering = [endpoint for endpoint, problem in old.items() if not problem]
    findings = judge_case(case, triggers, answering=answering, asked=len(old), now=now) + judge_endpoints(case.site, new)
    return Outcome(findings=findings, values={"readiness": {
        "site": case.site, "trigger": case.trigger, "at": format_instant(now), "primary_answering": answering,
        "unreached": [endpoint for endpoint, problem in new.items() if problem]}})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
