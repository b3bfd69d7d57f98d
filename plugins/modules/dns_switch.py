#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_switch
short_description: Point names at another site, all or none, and see it arrive at every authoritative server
description:
  - Replaces record sets of one zone in one step, by dynamic update (RFC 2136, signed by TSIG) or through Amazon Route 53.
  - The change carries the condition that the records are still what was seen, so that nobody else's change is written over.
  - Waits until every authoritative server, asked directly, gives the new answer; at Route 53 until the change is C(INSYNC).
    A server that does not is a finding, a silent one is C(unknown).
  - Tells how long resolvers may hold on to the old answer, and gives back what was there, in the form of O(records), so that
    the same module puts it back.
  - In check mode it asks every server and changes nothing.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  zone:
    description: The zone that holds the records.
    type: str
    required: true
  records:
    description: Record sets that are to be there. Each replaces all records of its name and type.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name, within the zone or ending with it.
        type: str
        required: true
      type:
        description: Type.
        type: str
        required: true
        choices: [A, AAAA, CNAME, MX, SRV, TXT]
      values:
        description: Values as in a zone file. An empty list removes the record set.
        type: list
        elements: str
        required: true
      ttl:
        description: Time to live, such as V(60s), up to V(1d). By default it stays as it is; a new record set needs one.
        type: str
      expected:
        description: Values of which the record set must have just these now, unless it has the new ones. Anything else refuses the switch.
        type: list
        elements: str
  max_ttl:
    description: Longest time that clients may take to follow; longer is a finding, also in check mode. None is no limit.
    type: str
  timeout:
    description: How long to wait for all servers.
    type: str
    default: 2m
seealso:
  - module: evenkeel.ops.postgresql_promote
extends_documentation_fragment:
  - evenkeel.ops.dynamic_dns
  - evenkeel.ops.route53
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Point the API at the standby site, if it still points at the first one
  evenkeel.ops.dns_switch:
    zone: example.com
    rfc2136:
      server: ns1.example.com
      key_file: /etc/evenkeel/switch.key
    records:
      - name: api
        type: A
        values: [198.51.100.10]
        expected: [192.0.2.10]
    max_ttl: 5m
  register: switched

- name: Point it back
  evenkeel.ops.dns_switch:
    zone: example.com
    rfc2136:
      server: ns1.example.com
      key_file: /etc/evenkeel/switch.key
    records: "{{ switched.previous }}"

- name: The same in Route 53
  evenkeel.ops.dns_switch:
    zone: example.com
    route53: {profile: operations}
    records:
      - {name: api.example.com, type: A, values: [198.51.100.10]}
"""

RETURN = r"""
switch:
  description: What was done.
  returned: success
  type: dict
  contains:
    zone: {description: The zone., type: str, returned: success}
    status: {description: 'V(pass) where every server has it, V(fail) where not, V(planned) in check mode.', type: str, returned: success}
    seconds: {description: Time until every server had it., type: float, returned: success}
    clients_follow_seconds: {description: Longest that a resolver may hold on to the old answer., type: float, returned: success}
    records:
      description: Each with name, type, before, after, ttl_before, ttl_after, changed.
      type: list
      elements: dict
      returned: success
    servers: {description: 'Each with server, agrees and problem.', type: list, elements: dict, returned: success}
previous:
  description: What was there, as O(records) takes it.
  returned: success
  type: list
  elements: dict
findings:
  description: C(recovery.dns) for each authoritative server, C(recovery.dns_ttl).
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import dynamic_dns, route53
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.zones import open_zone, read_records
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import OptionGroup, own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.dns_switch import judge_switch, summary_of, switch

OPTIONS = own(
    zone={"type": "str", "required": True},
    records={"type": "list", "elements": "dict", "required": True, "options": {
        "name": {"type": "str", "required": True},
        "type": {"type": "str", "required": True, "choices": ["A", "AAAA", "CNAME", "MX", "SRV", "TXT"]},
        "values": {"type": "list", "elements": "str", "required": True},
        "ttl": {"type": "str"},
        "expected": {"type": "list", "elements": "str"},
    }},
    max_ttl={"type": "str"},
    timeout={"type": "str", "default": "2m"},
) + dynamic_dns.OPTIONS + route53.OPTIONS + OptionGroup(
    mutually_exclusive=[("rfc2136", "route53")], required_one_of=[("rfc2136", "route53")])


def run(request: Request) -> Outcome:
    """Open the zone, switch, judge what every server says."""
    timeout = parse_duration(request["timeout"], option="timeout")
    max_ttl = parse_duration(request["max_ttl"], option="max_ttl") if request["max_ttl"] else None
    wanted = read_records(request["zone"], request["records"])
    zone = open_zone(request["zone"], request.options, timeout=timeout)
    done = switch(zone, wanted, clock=request.clock, timeout=timeout, check=request.check_mode)
    return Outcome(
        changed=done.changed, findings=judge_switch(zone.name, done, max_ttl=max_ttl), summary=summary_of(zone.name, done),
        values={"switch": done.as_value(zone.name), "previous": [record.as_option() for record in done.before]}, diff=done.diff())


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
