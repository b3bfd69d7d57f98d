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
  - Asks targets concurrently, in HTTP, TCP, DNS, gRPC, WebSocket, SMTP, LDAP, SSH, AMQP, and the protocols of PostgreSQL, MySQL,
    Redis and Kubernetes, each attempt with a deadline of its own that covers name resolution, connecting, TLS, redirects and the
    whole answer, so that a server that drips bytes or never answers is told.
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
        choices: [http, https, tcp, dns, postgresql, redis, grpc, prometheus, websocket, smtp, ldap, ssh, mysql, rabbitmq, kubernetes]
      host:
        description: Host name or numeric address; for C(dns) the name that is asked for.
        type: str
      port:
        description: Port; by default the usual one of the kind, with O(targets[].tls) that for TLS. C(tcp) and C(grpc) have none.
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
        description: Account, for servers that want one, and for HTTP's basic authentication. For LDAP the distinguished name.
        type: str
      password:
        description: Its password.
        type: str
      status:
        description: HTTP statuses that are good, each as V(200), V(200-299) or V(2xx); C(200-299).
        type: list
        elements: str
      contains:
        description: Text that the HTTP body, the message, or the banner has.
        type: str
      matches:
        description: Regular expression that is found in the HTTP body, the message, or the banner.
        type: str
      json:
        description:
          - Values in the JSON of the HTTP body or the message, by path. A path is C(checks[0].name), or a JSON pointer C(/checks/0/name).
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
        description: SQL that is run in a read-only transaction, for PostgreSQL and MySQL; C(SELECT 1).
        type: str
      expected:
        description:
          - DNS records that must all be among the answers.
          - For PostgreSQL and MySQL, texts one of which the first column of the first row must be.
          - For C(smtp), extensions that EHLO must list; for C(ssh), algorithms that must be offered.
        type: list
        elements: str
      database:
        description: Database, for PostgreSQL C(postgres), for MySQL none.
        type: str
      ssl_mode:
        description: How TLS is used with PostgreSQL, as libpq's C(sslmode); C(prefer).
        type: str
        choices: [disable, allow, prefer, require, verify-ca, verify-full]
      tls:
        description: Whether TLS is spoken from the first byte, where no URL says so; C(false). For MySQL, whether it is demanded.
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
      addresses:
        description:
          - Whether it is enough that V(any) address of the name answers, or V(all) must; C(any).
          - With V(all), each address is probed in each attempt, and those that are not well are named with their reasons.
        type: str
        choices: [any, all]
      grpc_service:
        description: Service whose status is asked for (C(grpc.health.v1)); the empty one, which is the server as a whole.
        type: str
      metrics:
        description:
          - Metrics that the page of a C(prometheus) target has, by name and labels such as C(up{job="shop"}), compared as values of
            O(targets[].json) are. Every series that has these labels must meet the comparison; NaN never does.
        type: dict
      max_age:
        description: How old a value may be, where the page of metrics dates it; C(5m), as Prometheus has it.
        type: str
      say:
        description: What is said to a C(websocket) once it is open. It is not treated as a secret.
        type: str
      starttls:
        description: Whether TLS is begun in the course of a C(smtp) or C(ldap) session; C(false). A server that offers none fails.
        type: bool
      base:
        description: Distinguished name of the LDAP entry that must be there; the empty one, the root.
        type: str
      filter:
        description: Filter that the LDAP entry must pass, as RFC 4515 has it; C((objectClass=*\)).
        type: str
      fingerprint:
        description: SHA-256 fingerprint of one of the SSH server's host keys, as C(ssh-keygen -l) shows it.
        type: str
      unwanted:
        description: Algorithms that an SSH server must not offer.
        type: list
        elements: str
      vhost:
        description: Virtual host of RabbitMQ; C(/).
        type: str
      queue:
        description: Queue that must be there; nothing is made or read.
        type: str
      messages:
        description: How many messages are ready in the queue, compared as values of O(targets[].json) are.
        type: dict
      consumers:
        description: How many consumers the queue has, compared likewise.
        type: dict
      kubeconfig:
        description: File that says how the API server of Kubernetes is reached.
        type: path
      context:
        description: One of its contexts; the current one.
        type: str
      namespace:
        description: Namespace of the workload or the pods; C(default).
        type: str
      workload:
        description: Deployment, StatefulSet or DaemonSet that must be ready, such as C(deployment/shop).
        type: str
      selector:
        description: Label selector of pods that must be ready, instead of O(targets[].workload).
        type: str
      restarts:
        description: How often each container of the pods may have been restarted, compared as values of O(targets[].json) are.
        type: dict
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
        description: Address, instead of O(targets[].host) and O(targets[].port); C(http), C(https), C(ws) or C(wss).
        type: str
      secrets:
        description: Names and values that O(targets[].steps) use as C(${name}); they are blanked out of all results.
        type: dict
      steps:
        description:
          - A critical path, requests one after the other under the target's one deadline, beginning at O(targets[].url).
          - What a step takes out of its answer, later steps write as C(${name}) into path, query, headers or body. It is a secret.
          - Headers, user and password of the target go along with the steps to the same origin.
          - Values of O(targets[].secrets) are used in the same way; a password in a body belongs there.
        type: list
        elements: dict
        suboptions:
          name:
            description: What the step is called when it fails.
            type: str
            required: true
          url:
            description: Path at O(targets[].url), or a whole URL.
            type: str
            required: true
          method:
            description: As for a target, like the options below.
            type: str
          headers:
            description: Headers to send; their values are secrets.
            type: dict
          public_headers:
            description: Headers to send whose values are no secrets.
            type: dict
          body:
            description: Body; what is taken is escaped in JSON and in forms.
            type: jsonarg
          status:
            description: HTTP statuses that are good; C(200-299).
            type: list
            elements: str
          contains:
            description: Text that the body has.
            type: str
          matches:
            description: Regular expression that is found in the body.
            type: str
          json:
            description: Values in the JSON of the body.
            type: dict
          header:
            description: Values of headers in the answer.
            type: dict
          latency_fail:
            description: Latency above which the step is a failure.
            type: str
          take:
            description:
              - Names, each with one of C(json) (a path), C(header), C(cookie) (their names) and C(matches) (a pattern with one group).
              - An answer that does not have it is a failure.
            type: dict
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
      - Lowered with a warning where this process may not open that many files.
    type: int
    default: 50
  watch:
    description:
      - Probe for a while instead of once, O(samples) times in each round, and judge the samples of all rounds.
      - Ends early as soon as a target or service has more bad samples than a pass allows.
      - A run that is told to end judges and returns what was seen, and is C(unknown).
      - In check mode the targets are probed once.
    type: dict
    suboptions:
      for:
        description: How long, such as V(15m).
        type: str
        required: true
      every:
        description: From the beginning of a round to that of the next, such as V(30s).
        type: str
        required: true
      allowed_bad:
        description: Percentage of a target's samples that may be bad; it is then a warning.
        type: float
        default: 0
      pass_after:
        description: When to end early with a pass, where until then everything passed; by default never.
        type: str
      drift:
        description: Limits in percent, C(warn) and C(fail), of the growth of a target's median latency from the first third to the last.
        type: dict
        default: {}
      drift_floor:
        description: Growth that is none.
        type: str
        default: 0s
      burst:
        description: Limits, C(warn) and C(fail), of a target's bad samples in a row.
        type: dict
        default: {}
requirements:
  - dnspython >= 2.6, for targets of kind C(dns)
  - psycopg >= 3.2, for targets of kind C(postgresql)
  - h2 >= 4.1, for targets of kind C(grpc)
  - prometheus-client >= 0.20, for targets of kind C(prometheus)
  - websockets >= 14, for targets of kind C(websocket)
  - aiosmtplib >= 3, for targets of kind C(smtp)
  - ldap3 >= 2.9, for targets of kind C(ldap)
  - asyncssh >= 2.17, for targets of kind C(ssh) with a fingerprint
  - PyMySQL >= 1.1.1, for targets of kind C(mysql)
  - pamqp >= 3.3, for targets of kind C(rabbitmq)
  - kubernetes >= 28, for targets of kind C(kubernetes)
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
        kind: smtp
        host: mail.example.com
        starttls: true
        expected: [SIZE]
      - name: order
        url: https://shop.example.com
        secrets: {password: "{{ probe_password }}"}
        steps:
          - {name: log in, url: /login, method: POST, body: {user: probe, password: "${password}"}, take: {token: {json: token}}}
          - {name: list orders, url: /orders, headers: {Authorization: "Bearer ${token}"}, json: {count: {ge: 1}}}
      - name: engine
        kind: prometheus
        url: https://shop.example.com/metrics
        metrics: {'up{job="engine"}': 1}
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

- name: Watch what was just deployed
  evenkeel.ops.health_probe:
    layers: [regional, service]
    targets:
      - {name: cache, kind: redis, host: cache.example.com, layer: regional}
      - {name: shop, url: "https://shop.example.com/health", layer: service, depends_on: [shop database]}
      - {name: shop database, kind: postgresql, host: db.example.com}
    watch: {for: 15m, every: 30s, drift: {warn: 50, fail: 100}, drift_floor: 20ms}
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
    samples: {description: "Samples, without those that this side could not take.", type: int, returned: always}
    failed: {description: Samples that were not answered well., type: int, returned: always}
    addresses:
      description:
        - Each address of its name, judged as the target is, with C(address), C(status), C(latency_ms), C(samples), C(failed) and
          C(message). Of retried samples the last attempt counts.
      type: list
      elements: dict
      returned: with C(addresses=all)
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
watch:
  description: How the watch went.
  returned: with O(watch)
  type: dict
  contains:
    end: {description: "C(whole), C(failed), C(passed) (early) or C(interrupted).", type: str, returned: always}
    why: {description: What interrupted it., type: str, returned: always}
    seconds: {description: How long it was., type: float, returned: always}
    planned_seconds: {description: How long it was to be., type: float, returned: always}
    every_seconds: {description: From round to round., type: float, returned: always}
    rounds: {description: How many began., type: int, returned: always}
    planned_rounds: {description: How many were to be., type: int, returned: always}
    fell_out: {description: Rounds for which probing took too long., type: int, returned: always}
    samples: {description: Samples of all targets., type: int, returned: always}
    bad: {description: Those not answered well., type: int, returned: always}
    targets:
      description:
        - Per target C(name), C(samples), C(bad), C(allowed), the longest run of bad ones (C(burst), C(burst_began_seconds),
          C(burst_seconds)), the median latency of the first and last third (C(first_ms), C(last_ms)) and C(drift_percent).
      type: list
      elements: dict
      returned: always
findings:
  description:
    - C(health.probe) per target; C(health.availability), C(health.error_rate) and C(health.latency) per service that has
      such limits.
    - With O(watch) C(health.watch), and C(health.burst) and C(health.drift) for targets that break such a limit.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
  sample: "6 checks: 5 pass, 1 fail"
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.descriptors import room
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.network import AsyncNetwork
from ansible_collections.evenkeel.ops.plugins.module_utils.core import progress
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.health.judge import ServiceLimits, judge_services, judge_targets
from ansible_collections.evenkeel.ops.plugins.module_utils.health.layers import FOLLOWERS, read_foundations, tell_followers
from ansible_collections.evenkeel.ops.plugins.module_utils.health.options import STEP_OPTIONS, TARGET_OPTIONS
from ansible_collections.evenkeel.ops.plugins.module_utils.health.probe import Pace, probe_all, to_its_end
from ansible_collections.evenkeel.ops.plugins.module_utils.health.targets import read_targets

OPTIONS = own(
    defaults={"type": "dict", "options": TARGET_OPTIONS},
    targets={"type": "list", "elements": "dict", "required": True,
             "options": {**TARGET_OPTIONS, "name": {"type": "str", "required": True}, "url": {"type": "str"},
                         "secrets": {"type": "dict", "no_log": True},
                         "steps": {"type": "list", "elements": "dict", "options": STEP_OPTIONS}}},
    limits={"type": "dict", "default": {}},
    layers={"type": "list", "elements": "str", "default": []},
    followers={"type": "str", "choices": list(FOLLOWERS), "default": "warn"},
    samples={"type": "int", "default": 1},
    concurrency={"type": "int", "default": 50},
    watch={"type": "dict", "options": {
        "for": {"type": "str", "required": True}, "every": {"type": "str", "required": True},
        "allowed_bad": {"type": "float", "default": 0}, "pass_after": {"type": "str", "no_log": False},
        "drift": {"type": "dict", "default": {}}, "drift_floor": {"type": "str", "default": "0s"}, "burst": {"type": "dict", "default": {}},
    }},
)


def run(request: Request) -> Outcome:
    """Observe all targets, once or for a while; judge each, then the services, then what follows from what."""
    for given in request["targets"]:  # Ansible sends options back with the result: those not given are most of its bytes
        for option in [option for option, value in given.items() if value is None]:
            del given[option]
    targets = read_targets(request["targets"], request["defaults"])
    foundations = read_foundations(targets, request["layers"])
    limits = ServiceLimits.from_options(request["limits"])
    wanted, warnings = Pace(samples=request["samples"], concurrency=request["concurrency"]), []
    pace, seen = wanted.within(room()), None
    if pace.concurrency < min(wanted.concurrency, len(targets) * pace.samples):
        warnings.append(f"Only {pace.concurrency} targets are probed at once: this process may open no more files (ulimit -n)")
    network = AsyncNetwork()
    network.prepare({target.kind for target in targets})
    if request["watch"]:
        # Imported late, as every line is compiled on each run: Ansible ships sources.
        from ansible_collections.evenkeel.ops.plugins.module_utils.health.judge_watch import judge_watch
        from ansible_collections.evenkeel.ops.plugins.module_utils.health.watch import WatchPolicy, watch

        policy = WatchPolicy.from_options(request["watch"])
        if request.check_mode:
            warnings.append("In check mode the targets are probed once and not watched")
        else:
            seen = watch(targets, network, clock=request.clock, pace=pace, policy=policy, limits=limits, tell=progress.describe)
    taken = seen.taken if seen else to_its_end(probe_all(targets, network, clock=request.clock, pace=pace))
    rows, probed = judge_targets(targets, taken, allowed=seen.allowed if seen else 0)
    services, figures = judge_services(targets, taken, probed, limits)
    rows, probed, services, figures = tell_followers(targets, rows, probed, services, figures, foundations, request["followers"])
    findings, values = [*probed, *figures], {"targets": rows, "services": services}
    if seen:
        values["watch"], over_time = judge_watch(seen, targets, pace.samples, foundations)
        findings += over_time
    return Outcome(findings=findings, values=values, warnings=warnings)


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
