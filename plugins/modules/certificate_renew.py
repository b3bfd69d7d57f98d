#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_renew
short_description: Renew certificates by certbot, install them, and prove that every endpoint shows them
description:
  - Looks at what certbot keeps, at every place where it is installed and at every endpoint that shows it, and does what is due.
    Nothing is due where enough days are left, every place holds it and every endpoint shows it.
  - Renews as C(certbot renew --cert-name) does; a first certificate, or one for other names, as C(certbot certonly).
  - Installs into files (whole at every moment, the old ones kept beside them with C(.previous) in their names) and TLS secrets
    (server-side apply), runs the commands of the entry, and waits until every endpoint shows the new one on every address.
  - Where that does not come about, it puts the old one back, reloads again and fails; the new one stays with certbot.
  - A run that was killed is ended by the next one, which finds what is issued and not installed, or installed and not shown.
  - In check mode it looks at everything, says what is due, and changes nothing.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  renewals:
    description: The certificates.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the certificate with certbot (C(--cert-name)).
        type: str
        required: true
      hosts:
        description: Every name that it is for.
        type: list
        elements: str
        required: true
      places:
        description:
          - Where it is installed besides certbot's own folder. Either C(certificate) and C(key), paths of files, with C(owner),
            C(group) and C(mode) of the key; or C(secret), a TLS secret as C(namespace/name).
          - Where the service reads certbot's own files, leave it empty; there is nothing to put back then.
        type: list
        elements: dict
      served_at:
        description: The endpoints that show it, with keys as in C(served_at) of M(evenkeel.ops.certificate_check).
        type: list
        elements: dict
        required: true
      test:
        description: Command that must succeed before the reload, as a list, such as V([nginx, -t]).
        type: list
        elements: str
      reload:
        description: Command that makes the service read the new one, as a list, such as V([systemctl, reload, nginx]).
        type: list
        elements: str
      ca_cert:
        description: Trusted authorities instead of the system's, a PEM file.
        type: path
      policy:
        description: Keys of O(policy) that differ for this certificate.
        type: dict
  policy:
    description: What certificates must be like, as O(evenkeel.ops.certificate_check#module:policy).
    type: dict
    default: {}
  renew_days:
    description: Days left below which a certificate is renewed, but never before half of its life is over.
    type: float
    required: true
  rotate_after:
    description: Age from which a certificate is renewed however much is left of it, such as V(365d).
    type: str
  force:
    description: Names of certificates to be renewed now, whatever is left of them, as after a key was seen by others.
    type: list
    elements: str
  prove_within:
    description: How long to wait until every endpoint shows the new one.
    type: str
    default: 60s
  command_timeout:
    description: How long one command of O(renewals[].test) or O(renewals[].reload) may take.
    type: str
    default: 60s
  resolver:
    description: Address of the resolver that is asked for CAA records, with a port if need be; by default the system's.
    type: str
  timeout:
    description: How long a look at one endpoint may take, name resolution apart.
    type: str
    default: 10s
requirements:
  - certbot, for what is to be issued
  - cryptography >= 42, pyOpenSSL >= 24.0, service-identity >= 23.1
extends_documentation_fragment:
  - evenkeel.ops.certbot
  - evenkeel.ops.acm
  - evenkeel.ops.kubernetes_certificates
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Renew what is due, into nginx and into the cluster
  evenkeel.ops.certificate_renew:
    renew_days: 30
    rotate_after: 365d
    kubernetes: {kubeconfig: /etc/kubernetes/ops.conf}
    certbot: {authenticator: webroot, webroot: /var/www/html, email: ops@example.com, agree_tos: true}
    renewals:
      - name: shop.example.com
        hosts: [shop.example.com, www.shop.example.com]
        places:
          - {certificate: /etc/nginx/tls/shop.crt, key: /etc/nginx/tls/shop.key, group: www-data, mode: '0640'}
          - secret: production/shop-tls
        test: [nginx, -t]
        reload: [systemctl, reload, nginx]
        served_at:
          - endpoint: shop.example.com:443
          - endpoint: mail.example.com:25
            starttls: smtp
  register: renewed
"""

RETURN = r"""
renewals:
  description: What was found and done, in the order of O(renewals).
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the certificate., type: str, returned: success}
    status: {description: "One of current, planned, renewed, failed, rolled_back.", type: str, returned: success}
    message: {description: What was due or went wrong., type: str, returned: success}
    serial: {description: Serial number of what certbot keeps now., type: str, returned: success}
    previous_serial: {description: That of what it kept before., type: str, returned: success}
    not_after: {description: Last instant of validity of what certbot keeps now., type: str, returned: success}
    days_left: {description: Days until then., type: float, returned: success}
    steps:
      description: What was done or is planned, each with its C(step), C(status), C(seconds) and C(message).
      type: list
      elements: dict
      returned: success
certificates:
  description: All that was seen at the end, as M(evenkeel.ops.certificate_check) lists it.
  returned: success
  type: list
  elements: dict
findings:
  description: C(certificate.renewal) for each certificate, and the findings of M(evenkeel.ops.certificate_check) for what certbot
    keeps, each place and each endpoint.
  returned: always
  type: list
  elements: dict
summary:
  description: How many were renewed, or are due.
  returned: success
  type: str
  sample: "2 certificates: 1 renewed, 1 current"
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import certbot
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly import certificates as assembly
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.renewals import renewal_tools
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.policy import CertificatePolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.renew import as_value, diff_of, judge_renewal, renew, summary_of
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.renewal import RenewalPolicy, read_renewals
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome

OPTIONS = own(
    renewals={"type": "list", "elements": "dict", "required": True, "options": {
        "name": {"type": "str", "required": True},
        "hosts": {"type": "list", "elements": "str", "required": True},
        "places": {"type": "list", "elements": "dict"},
        "served_at": {"type": "list", "elements": "dict", "required": True},
        "test": {"type": "list", "elements": "str"},
        "reload": {"type": "list", "elements": "str"},
        "ca_cert": {"type": "path"},
        "policy": {"type": "dict"},
    }},
    policy={"type": "dict", "default": {}},
    renew_days={"type": "float", "required": True},
    rotate_after={"type": "str"},
    force={"type": "list", "elements": "str"},
    prove_within={"type": "str", "default": "60s"},
    command_timeout={"type": "str", "default": "60s"},
    timeout={"type": "str", "default": "10s"},
) + certbot.OPTIONS + assembly.OPTIONS


def run(request: Request) -> Outcome:
    """Renew one after the other: a certificate that cannot be renewed does not hold up the next."""
    policy = RenewalPolicy.from_options(request.options)
    issuer = certbot.Certbot(request["certbot"])
    renewals = read_renewals(request["renewals"], CertificatePolicy.from_options(request["policy"]), live=issuer.live)
    hand = renewal_tools(request, issuer, policy)
    findings, certificates, rows = [], [], []
    for renewal, tools in [(renewal, hand(renewal)) for renewal in renewals]:
        done = renew(renewal, tools, policy, check=request.check_mode)
        judged, listed = judge_renewal(done, request.clock)
        findings += judged
        certificates += listed
        rows.append(done)
    return Outcome(changed=any(done.changed for done in rows), findings=findings, summary=summary_of(rows), diff=diff_of(rows),
                   values={"renewals": [as_value(done, request.clock) for done in rows], "certificates": certificates})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
