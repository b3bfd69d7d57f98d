#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: health_probe
short_description: Probe many endpoints at once and judge availability, errors and latency per service
description:
  - Asks HTTP, TCP, DNS, PostgreSQL and Redis targets concurrently, each attempt with a deadline of its own that covers name
    resolution, connecting, TLS, redirects and the whole answer, so that a server that drips bytes or never answers is told.
  - Compares each answer with what is expected, and figures per service with limits.
  - A name that does not resolve fails its target; what this side cannot look at, for want of a library, is C(unknown).
  - Changes nothing at the targets but by the method that is asked for; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  defaults:
    description:
      - Lies below every target; an option that says nothing to a target's kind is passed over for it.
      - The value that holds where neither says anything is given with each option.
    type: dict
    suboptions: &probing
      service:
        description: What the target belongs to in the figures; by default its own name.
        type: str
      kind:
        description: What is spoken there; by default what the URL says.
        type: str
        choices: [http, https, tcp, dns, postgresql, redis]
      host:
        description: Host name or numeric address; for C(dns) the name that is asked for.
        type: str
      port:
        description: Port; 80, 443, 5432 and 6379 are the usual ones of their kinds, C(tcp) has none.
        type: int
      method:
        description: HTTP method; C(GET).
        type: str
      headers:
        description:
          - HTTP headers to send. Their values are secrets, as that of C(Authorization) is, and are blanked out of all results.
          - They go along with a redirect to the same origin only.
        type: dict
      public_headers:
        description: HTTP headers to send whose values are no secrets, such as C(Accept).
        type: dict
      body:
        description: Body of the request; a dictionary or list is sent as JSON. It is not treated as a secret.
        type: jsonarg
      user:
        description: Account, for PostgreSQL, Redis and HTTP's basic authentication.
        type: str
      password:
        description: Its password.
        type: str
      status:
        description: HTTP statuses that are good, each as V(200), V(200-299) or V(2xx); C(200-299).
        type: list
        elements: str
      contains:
        description: Text that the HTTP body or the TCP banner has.
        type: str
      matches:
        description: Regular expression that is found in the HTTP body or the TCP banner.
        type: str
      json:
        description:
          - Values in the JSON of the HTTP body, by path. A path is C(checks[0].name), or a JSON pointer C(/checks/0/name).
          - A value is compared as it is, with its type, or by a dictionary of C(eq), C(ne), C(lt), C(le), C(gt), C(ge), C(in),
            C(matches) and C(exists), which must all hold.
        type: dict
      header:
        description: Values of headers in the HTTP answer, compared as those of O(targets[].json) are.
        type: dict
      record:
        description: Record type that is asked for of DNS; C(A).
        type: str
      resolver:
        description: DNS server as C(address) or C(address:port); the system's own.
        type: str
      query:
        description: SQL that is run in a read-only transaction; C(SELECT 1).
        type: str
      expected:
        description:
          - DNS records that must all be among the answers.
          - For PostgreSQL, texts one of which the first column of the first row must be.
        type: list
        elements: str
      database:
        description: PostgreSQL database; C(postgres).
        type: str
      ssl_mode:
        description: How TLS is used with PostgreSQL, as libpq's C(sslmode); C(prefer).
        type: str
        choices: [disable, allow, prefer, require, verify-ca, verify-full]
      tls:
        description: Whether TLS is spoken by a C(tcp) or C(redis) target; C(false).
        type: bool
      validate_certs:
        description: Whether the certificate must be valid for the host; C(true).
        type: bool
      ca_cert:
        description: Certificate authorities to trust, a PEM file on the host that runs the module; the system's own.
        type: path
      follow_redirects:
        description:
          - How many redirects are followed; C(0), a redirect is an answer like any other.
          - A redirect is never followed to a link-local or metadata address, by whatever name or spelling, nor from https to http.
        type: int
      max_body:
        description: How much of a body is read; C(1MiB).
        type: str
      timeout:
        description: Deadline of each attempt as a whole; C(10s).
        type: str
      retries:
        description: How often a bad answer is asked for again; C(0).
        type: int
      retry_delay:
        description: Pause before the first retry; it doubles with each, up to 30 seconds; C(200ms).
        type: str
      latency_warn:
        description: Latency above which an answer is a warning.
        type: str
      latency_fail:
        description: Latency above which an answer is a failure.
        type: str
      critical:
        description: Whether a failure is one; where not, it is a warning; C(true).
        type: bool
      depends_on:
        description:
          - Names of targets that this one stands upon, or of services, which stand for all their targets.
          - Where it fails and one of those fails too, it follows, and its finding has the status of O(followers).
        type: list
        elements: str
      layer:
        description: Which of O(layers) it belongs to; it stands upon all targets of the next lower layer that has any.
        type: str
  targets:
    description: What is probed. Options are as in O(defaults).
    type: list
    elements: dict
    required: true
    suboptions:
      <<: *probing
      name:
        description: What the target is called in results; no two are called alike.
        type: str
        required: true
      url:
        description: Address of an HTTP target, instead of O(targets[].host) and O(targets[].port).
        type: str
  limits:
    description:
      - Per service, or for all others under C(*), limits of C(availability) and C(error_rate) in percent and of C(p95) as a
        duration, each a dictionary of C(warn) and C(fail).
      - A service that has limits and no target is found C(unknown).
    type: dict
    default: {}
  layers:
    description: Names of layers from the lowest up, such as V(global), V(regional), V(service).
    type: list
    elements: str
    default: []
  followers:
    description:
      - Status of what fails because something that it stands upon fails, so that one failure is told as one.
      - What it follows, the root, fails in any case, as does what fails while all that it stands upon directly is well.
    type: str
    choices: [warn, unknown]
    default: warn
  samples:
    description: How often each target is probed, in rounds; percentiles want several.
    type: int
    default: 1
  concurrency:
    description:
      - How many targets are probed at once.
      - Answers are read by one process, so many at once add a few milliseconds to each latency that is measured.
    type: int
    default: 50
requirements:
  - dnspython >= 2.6, for targets of kind C(dns)
  - psycopg >= 3.2, for targets of kind C(postgresql)
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Probe the services of a shop
  evenkeel.ops.health_probe:
    defaults: {timeout: 5s, retries: 1, latency_warn: 200ms, latency_fail: 500ms}
    samples: 5
    targets:
      - name: shop
        url: https://shop.example.com/health
        json: {status: UP, "checks[0].lag": {lt: 10}}
      - name: shop database
        service: shop
        kind: postgresql
        host: db.example.com
        user: monitor
        password: "{{ monitor_password }}"
        database: shop
        query: SELECT count(*) > 0 FROM orders
        expected: ["True"]
      - name: mail
        kind: tcp
        host: mail.example.com
        port: 25
        matches: ^220
      - name: zone
        kind: dns
        host: shop.example.com
        expected: [192.0.2.10]
        resolver: 192.0.2.53
    limits:
      "*":
        availability: {warn: 99.9, fail: 99.5}
        error_rate: {warn: 1, fail: 2}
        p95: {warn: 200ms, fail: 500ms}
  register: health
"""

RETURN = r"""
targets:
  description: One entry per target, in the order given.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Its name., type: str, returned: always}
    service: {description: What it belongs to., type: str, returned: always}
    kind: {description: What was spoken., type: str, returned: always}
    address: {description: "Where; a URL without its query.", type: str, returned: always}
    status: {description: "C(pass), C(warn), C(fail) or C(unknown).", type: str, returned: always}
    latency_ms: {description: "Nearest-rank P95 of the good samples, connecting included; null without one.", type: float, returned: always}
    attempts: {description: "Attempts of all samples, retries included.", type: int, returned: always}
    message: {description: What was seen., type: str, returned: always}
    samples: {description: How often it was probed., type: int, returned: always}
    failed: {description: Samples that were not answered well., type: int, returned: always}
    follows: {description: The failing targets because of which it fails., type: list, elements: str, returned: for followers}
services:
  description: One entry per service.
  returned: success
  type: list
  elements: dict
  contains:
    service: {description: Its name., type: str, returned: always}
    total: {description: Samples of its targets., type: int, returned: always}
    failed: {description: Samples that were not answered well., type: int, returned: always}
    availability: {description: Share of samples that were answered well in percent., type: float, returned: always}
    error_rate: {description: "Share of attempts that were not, retried ones too, in percent.", type: float, returned: always}
    p50_ms: {description: Nearest-rank percentile of the latency of good samples., type: float, returned: always}
    p95_ms: {description: Likewise., type: float, returned: always}
    p99_ms: {description: Likewise., type: float, returned: always}
    status: {description: "The worst of its findings, whatever they follow.", type: str, returned: always}
    follows: {description: "The failing targets because of which it fails, where nothing of its own does.", type: list, elements: str,
              returned: for followers}
findings:
  description:
    - C(health.probe) per target; C(health.availability), C(health.error_rate) and C(health.latency) per service that has
      such limits.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
  sample: "6 checks: 5 pass, 1 fail"
"""

import asyncio

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.network import AsyncNetwork
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.health.judge import ServiceLimits, judge_services, judge_targets
from ansible_collections.evenkeel.ops.plugins.module_utils.health.layers import FOLLOWERS, read_foundations, tell_followers
from ansible_collections.evenkeel.ops.plugins.module_utils.health.options import TARGET_OPTIONS
from ansible_collections.evenkeel.ops.plugins.module_utils.health.probe import Pace, probe_all
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets

OPTIONS = own(
    defaults={"type": "dict", "options": TARGET_OPTIONS},
    targets={"type": "list", "elements": "dict", "required": True,
             "options": {**TARGET_OPTIONS, "name": {"type": "str", "required": True}, "url": {"type": "str"}}},
    limits={"type": "dict", "default": {}},
    layers={"type": "list", "elements": "str", "default": []},
    followers={"type": "str", "choices": list(FOLLOWERS), "default": "warn"},
    samples={"type": "int", "default": 1},
    concurrency={"type": "int", "default": 50},
)


def run(request: Request) -> Outcome:
    """Observe all targets, judge each, then judge the services."""
    for given in request["targets"]:  # Ansible sends options back with the result: those not given are most of its bytes
        for option in [option for option, value in given.items() if value is None]:
            del given[option]
    targets = read_targets(request["targets"], request["defaults"])
    limits = ServiceLimits.from_options(request["limits"])
    pace = Pace(samples=request["samples"], concurrency=request["concurrency"])
    foundations = read_foundations(targets, request["layers"])
    network = AsyncNetwork()
    network.prepare({target.kind for target in targets})
    taken = asyncio.run(probe_all(targets, network, clock=request.clock, pace=pace))
    rows, probed = judge_targets(targets, taken)
    services, figures = judge_services(targets, taken, probed, limits)
    rows, probed, services, figures = tell_followers(targets, rows, probed, services, figures, foundations, request["followers"])
    return Outcome(findings=[*probed, *figures], values={"targets": rows, "services": services})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
