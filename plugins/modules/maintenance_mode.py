#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_mode
short_description: Switch a site's maintenance page on and off, and prove that it is served
description:
  - Has nginx or HAProxy answer every request with an HTTP 503 page and C(Retry-After), or points a Service of Kubernetes at the pods
    of such a page, and asks a URL whether it is shown.
  - Where the page does not come, what was set before is set again and the module fails.
  - Who switched it on, when and until when is in a file on the host, of Kubernetes in an annotation of the Service, so that it can be
    switched off and told after a crash of the run.
  - What nginx, HAProxy and Kubernetes need for it is in docs/maintenance.md.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  name:
    description: Name of the switch, of letters, digits, V(-) and V(_); one for each site on a host.
    type: str
    default: site
  state:
    description: V(observed) looks and changes nothing.
    type: str
    choices: [enabled, disabled, observed]
    required: true
  url:
    description: What is asked for proof, from the host, such as V(http://127.0.0.1/).
    type: str
    required: true
  host:
    description: C(Host) header of the question, where the URL has an address in place of the site's name.
    type: str
    default: ""
  validate_certs:
    description: Whether the certificate of an V(https) URL is verified.
    type: bool
    default: true
  ca_cert:
    description: Certificate authorities that it is verified against, a PEM file.
    type: path
  timeout:
    description: How long one answer, or one command of the web server, may take.
    type: str
    default: 10s
  patience:
    description: How long the page may take to come or to go.
    type: str
    default: 15s
  retry_after:
    description: What clients are told to wait before they ask again, as a duration.
    type: str
    default: 15m
  text:
    description: What the page says. HAProxy has its page in its own configuration, Kubernetes in the page's pods.
    type: str
    default: We are working on this service. It will be back soon.
  until:
    description: Until when the maintenance is announced, such as V(2026-03-01T06:00:00Z). Longer is a failure.
    type: str
  ends_itself:
    description:
      - Whether the host itself switches it off at O(until), when whoever switched it on is gone; a process is left behind for that.
      - It ends with the host, so that after a restart the mode stays on until it is switched off.
      - Of Kubernetes nobody switches it off; C(maintenance.end) says so.
    type: bool
    default: false
  by:
    description: Who switches it on. Needed for V(enabled).
    type: str
  change:
    description: Id of the change that it is for.
    type: str
    default: ""
  state_dir:
    description: Folder of what is on record, and of nginx's page and flag; nginx's workers must be able to enter it.
    type: path
    default: /var/lib/evenkeel/maintenance
  nginx:
    description: How nginx is switched.
    type: dict
    suboptions:
      include: {description: File that the C(server) block includes., type: path, required: true}
      config: {description: Main configuration; by default the program's own., type: path}
      program: {description: The program; by default looked for., type: path}
  haproxy:
    description: How HAProxy is switched.
    type: dict
    suboptions:
      socket: {description: Socket of the runtime API., type: path, required: true}
      map: {description: "Map file, by the path that the configuration has.", type: path, required: true}
  kubernetes:
    description: How a Service of Kubernetes is switched; the host needs the Python library kubernetes.
    type: dict
    suboptions:
      kubeconfig: {description: The kubeconfig file., type: path, required: true}
      context: {description: One of its contexts; by default its current one., type: str}
      namespace: {description: Namespace of the Service and of the page's pods., type: str, required: true}
      service: {description: Name of the Service., type: str, required: true}
      page: {description: "Labels of the page's pods, such as V({app: maintenance-page}).", type: dict, required: true}
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Show the maintenance page until six
  evenkeel.ops.maintenance_mode:
    name: shop
    state: enabled
    url: http://127.0.0.1/
    host: shop.example.com
    until: "2026-03-01T06:00:00Z"
    by: A. Hopper
    change: CHG-1042
    nginx: {include: /etc/nginx/evenkeel/maintenance.conf}
  register: maintenance_on

- name: Point the shop's Service at the maintenance page
  evenkeel.ops.maintenance_mode:
    name: shop
    state: enabled
    url: https://shop.example.com/
    by: A. Hopper
    kubernetes: {kubeconfig: /etc/evenkeel/kubeconfig, namespace: production, service: shop, page: {app: maintenance-page}}

- name: Serve again
  evenkeel.ops.maintenance_mode:
    name: shop
    state: disabled
    url: http://127.0.0.1/
    haproxy: {socket: /run/haproxy/admin.sock, map: /etc/haproxy/maintenance.map}
"""

RETURN = r"""
mode:
  description: What holds now; in check mode what holds before.
  returned: success
  type: dict
  contains:
    "on": {description: Whether the server is told to show the page., type: bool, returned: success}
    url: {description: What was asked., type: str, returned: success}
    status_code: {description: What it answered; null where it did not., type: int, returned: success}
    retry_after: {description: The header of that name., type: str, returned: success}
    since: {description: "When it was switched on, as recorded.", type: str, returned: success}
    by: {description: By whom., type: str, returned: success}
    change: {description: For which change., type: str, returned: success}
    until: {description: Until when it was announced., type: str, returned: success}
    ends_itself: {description: "Whether the host keeps the announced end; null where nobody can tell.", type: bool, returned: success}
findings:
  description:
    - "C(maintenance.mode): on no longer than announced, and on record. C(maintenance.page): what the URL shows fits it.
      C(maintenance.end): a warning where nobody would switch it off at the announced end but the next run."
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
  sample: "on since 2026-03-01T02:00:12.000Z by A. Hopper for CHG-1042, announced until 2026-03-01T06:00:00.000Z"
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.background import leave_behind
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.maintenance import page_of, policy_of, switch_of
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import OptionGroup, own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.maintenance.mode import (
    disable,
    enable,
    end_when_over,
    judge,
    judge_end,
    observe,
    planned,
)

OPTIONS = own(
    name={"type": "str", "default": "site"},
    state={"type": "str", "choices": ["enabled", "disabled", "observed"], "required": True},
    url={"type": "str", "required": True},
    host={"type": "str", "default": ""},
    validate_certs={"type": "bool", "default": True},
    ca_cert={"type": "path"},
    timeout={"type": "str", "default": "10s"},
    patience={"type": "str", "default": "15s"},
    retry_after={"type": "str", "default": "15m"},
    text={"type": "str", "default": "We are working on this service. It will be back soon."},
    until={"type": "str"},
    ends_itself={"type": "bool", "default": False},
    by={"type": "str"},
    change={"type": "str", "default": ""},
    state_dir={"type": "path", "default": "/var/lib/evenkeel/maintenance"},
    nginx={"type": "dict", "options": {"include": {"type": "path", "required": True}, "config": {"type": "path"},
                                       "program": {"type": "path"}}},
    haproxy={"type": "dict", "options": {"socket": {"type": "path", "required": True}, "map": {"type": "path", "required": True}}},
    kubernetes={"type": "dict", "options": {
        "kubeconfig": {"type": "path", "required": True}, "context": {"type": "str"}, "namespace": {"type": "str", "required": True},
        "service": {"type": "str", "required": True}, "page": {"type": "dict", "required": True}}},
) + OptionGroup(mutually_exclusive=[["nginx", "haproxy", "kubernetes"]], required_one_of=[["nginx", "haproxy", "kubernetes"]],
                required_if=[["state", "enabled", ["by"]]])


def run(request: Request) -> Outcome:
    """Look; where something is to change, change and prove it."""
    policy, (switch, store) = policy_of(request.options, request.clock.now()), switch_of(request.options)
    url, ask = request["url"], page_of(request.options)
    ends_itself = None if request["kubernetes"] else request["ends_itself"]
    if request["state"] == "observed" or request.check_mode:
        mode = observe(switch, store, ask)
        after, changed = (mode.before, False) if request["state"] == "observed" \
            else planned(switch, mode, on=request["state"] == "enabled", record=policy.record)
    elif request["state"] == "enabled":
        mode = enable(switch, store, ask, request.clock, record=policy.record, patience=policy.patience, url=url)
        after, changed = mode.after, mode.changed
        if ends_itself and mode.record.until:
            leave_behind(policy.lock, lambda: end_when_over(switch, store, ask, request.clock, patience=policy.patience, url=url))
    else:
        mode = disable(switch, store, ask, request.clock, patience=policy.patience, url=url)
        after, changed = mode.after, mode.changed
    findings = judge(mode, url, request["name"], request.clock.now())
    findings += judge_end(mode, request["name"], ends_itself=ends_itself)
    return Outcome(changed=changed, findings=findings, summary=findings[0].message,
                   values={"mode": mode.as_value(url, ends_itself=ends_itself)},
                   diff={"before": _shown(mode.before), "after": _shown(after)} if changed else None)


def _shown(state) -> str:
    return "".join(f"{name}: {'absent' if value is None else value}\n" for name, value in sorted(state.items()))


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
