#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_promote
short_description: Make a PostgreSQL standby the primary, when the old one is out of the way and the loss is acceptable
description:
  - Refuses unless the old primary is out of the way. It is when it is a standby itself, or its host answers and nothing listens at
    its port. Where its host is silent, a statement of who knows that it is gone is needed, since it may be writing on the other
    side of a cut network. A standby that hears from its primary is not promoted whatever was stated.
  - Refuses unless the work that would be lost is within the objective, or within what is accepted.
  - Then promotes, waits until the server takes writes, and tells the timeline.
  - A server that is a primary already is left as it is; that the old one is out of the way is judged all the same.
  - In check mode it observes and judges, and promotes nothing. A primary that still has to be fenced is a warning then.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  primary:
    description: The old primary, as it was reached.
    type: dict
    required: true
    suboptions:
      login_host: {description: Host of the server., type: str, default: ""}
      login_port: {description: Port of the server., type: int, default: 5432}
      login_user: {description: Role to log in as., type: str, default: postgres}
      login_password: {description: Its password., type: str}
      login_db: {description: Database to connect to., type: str, default: postgres}
      ssl_mode:
        description: How TLS is used.
        type: str
        choices: [disable, allow, prefer, require, verify-ca, verify-full]
        default: prefer
      ca_cert: {description: Certificate authorities to trust., type: path}
      connect_timeout: {description: Seconds until it is given up., type: int, default: 10}
  primary_end:
    description: Where the WAL of the old primary ended when it was shut down, as M(evenkeel.ops.postgresql_fence) returns it.
    type: int
  primary_lost_at:
    description: When the old primary was lost, an instant such as V(2026-01-15T11:58:00Z); the loss is counted up to it. By default now.
    type: str
  primary_gone:
    description: Who states that a silent primary is gone, and how they know. It is kept in the result.
    type: str
  heard_within:
    description: A standby that heard from its primary within this time has a primary that lives.
    type: str
    default: 15s
  rpo:
    description: Longest work that may be lost. None judges nothing, and what is lost is only told.
    type: str
  accept_loss:
    description: Work that may be lost this time, in place of O(rpo).
    type: str
  timeout:
    description: How long the promotion may take.
    type: str
    default: 2m
seealso:
  - module: evenkeel.ops.postgresql_fence
  - module: evenkeel.ops.dns_switch
extends_documentation_fragment:
  - evenkeel.ops.postgres
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Take over from a primary that was fenced
  evenkeel.ops.postgresql_promote:
    login_host: db-2.example.com
    login_password: "{{ password }}"
    primary: {login_host: db-1.example.com, login_password: "{{ password }}"}
    primary_end: "{{ fenced.fence.end }}"
    rpo: 15m

- name: Take over from a primary whose site is gone
  evenkeel.ops.postgresql_promote:
    login_host: db-2.example.com
    primary: {login_host: db-1.example.com}
    primary_lost_at: "2026-01-15T11:58:00Z"
    primary_gone: A. Hopper, by phone with the data centre, power is off
    rpo: 15m
"""

RETURN = r"""
promotion:
  description: What was done.
  returned: success
  type: dict
  contains:
    server: {description: The promoted server., type: str, returned: success}
    status: {description: 'V(pass), or V(planned) in check mode.', type: str, returned: success}
    timeline_before: {description: Its timeline before., type: int, returned: success}
    timeline: {description: Its timeline now., type: int, returned: success}
    loss_seconds:
      description: Work that was lost at the most, null where it is unknown or nothing was promoted.
      type: float
      returned: success
    loss_told: {description: How that is known., type: str, returned: success}
    primary: {description: What the old primary was seen to be., type: str, returned: success}
    primary_gone: {description: The statement., type: str, returned: success}
    seconds: {description: How long it took., type: float, returned: success}
findings:
  description: C(recovery.split_brain), C(recovery.rpo), C(recovery.promotion).
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres_cluster import seen_from_here
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.failover import Guard
from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.promotion import PromotionPolicy, take_over

_PRIMARY = {name: {key: value for key, value in option.items() if key != "aliases"} for name, option in postgres.OPTIONS.options.items()}
OPTIONS = own(
    primary={"type": "dict", "required": True, "options": _PRIMARY},
    primary_end={"type": "int"},
    primary_lost_at={"type": "str"},
    primary_gone={"type": "str"},
    heard_within={"type": "str", "default": "15s"},
    rpo={"type": "str"},
    accept_loss={"type": "str"},
    timeout={"type": "str", "default": "2m"},
) + postgres.OPTIONS


def run(request: Request) -> Outcome:
    """Look at both servers, judge, promote, look again."""
    policy = PromotionPolicy.from_options(request.options)
    standby = postgres.PostgresTarget.from_options(request.options)
    old = postgres.PostgresTarget.from_options(request["primary"])
    if (old.host, old.port) == (standby.host, standby.port):  # else the standby would vouch for a primary that it is not
        raise InvalidOption(f"primary: {old.name} is the server that is to be promoted", hint="Give the address of the old primary")
    role, said = seen_from_here(old)
    with postgres.connect(standby, statement_timeout=policy.timeout) as session:
        done = take_over(session, Guard(role, said, (request["primary_gone"] or "").strip()), policy, server=standby.name,
                         clock=request.clock, check=request.check_mode)
    return Outcome(changed=done.changed, findings=done.findings, summary=done.summary, values={"promotion": done.promotion})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
