#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_check
short_description: Check certificates in files, folders and TLS endpoints against a policy
description:
  - Looks at many certificates in one task, at endpoints concurrently, and judges their dates, chain, names, keys,
    signatures and protocols.
  - An endpoint that cannot be looked at, a file that cannot be read and a folder without certificates are findings of
    status C(unknown), never gaps.
  - An endpoint is sent at most two handshakes, and a third one where O(policy) asks for C(refuse_older).
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  sources:
    description: What to look at. Each entry has exactly one of C(endpoint), C(file) and C(folder).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What findings call it; by default its endpoint or path.
        type: str
      endpoint:
        description:
          - Host and port, such as V(api.example.com:443) or V([::1]:636).
          - Without a port, 443, or the usual one of O(sources[].starttls).
        type: str
      file:
        description: File of certificates, with or without their key.
        type: path
      folder:
        description: Folder of such files. Files without certificates are passed over.
        type: path
      server_name:
        description: Name sent by SNI; by default the host of the endpoint.
        type: str
      starttls:
        description: Protocol in which TLS is asked for first; by default TLS begins at once.
        type: str
        choices: [smtp, imap, postgres, ldap]
      format:
        description: Format of the files; by default V(auto), which looks at their content.
        type: str
        choices: [auto, pem, der, pkcs12]
      password:
        description: Password of PKCS#12 files and of encrypted keys.
        type: str
      key_file:
        description:
          - Private key that must belong to the certificate, PEM or DER.
          - By default, a key in the same file is compared.
        type: path
      hosts:
        description: Names and addresses that the certificate must be valid for; for an endpoint, by default its name.
        type: list
        elements: str
      ca_cert:
        description: Trusted authorities instead of the system's, a PEM file or a hashed folder.
        type: path
      recursive:
        description: Whether folders inside the folder are looked at; links to folders are not followed.
        type: bool
        default: false
      patterns:
        description: File names to look at in a folder; by default C(*.pem), C(*.crt), C(*.cer), C(*.der), C(*.p12), C(*.pfx).
        type: list
        elements: str
      policy:
        description: Keys of O(policy) that differ for this source.
        type: dict
  policy:
    description:
      - C(warn_days), C(fail_days), days left below which a certificate is a warning or a failure.
      - C(max_age), the longest lifetime of a server certificate from its first to its last day, a duration such as V(365d).
      - C(min_rsa_bits), C(min_ec_bits), the smallest keys.
      - C(signature_hashes), those that are allowed, such as C(sha256).
      - C(min_protocol), the oldest protocol that a server may negotiate, such as V(TLSv1.2), and C(refuse_older), whether it
        must turn down older ones, which costs one more handshake.
      - C(verify_chain) and C(verify_host), true by default.
      - C(allow_self_signed), false by default.
      - What has no limit is not judged; an expired certificate always is.
    type: dict
    default: {}
  timeout:
    description: How long a look at one endpoint may take, name resolution apart, as a duration.
    type: str
    default: 10s
  retries:
    description: Further attempts at an endpoint that does not answer.
    type: int
    default: 0
  concurrency:
    description: Endpoints looked at at a time, 1 to 500.
    type: int
    default: 50
requirements:
  - cryptography >= 42, for files, and for endpoints whose certificates are not trusted or not of the usual forms
  - pyOpenSSL >= 24.0, for chains that are not simply in order, and for files
  - service-identity >= 23.1, for host names that are not simply equal
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Check what the public and internal services show
  evenkeel.ops.certificate_check:
    sources:
      - endpoint: api.example.com:443
      - endpoint: mail.example.com:25
        starttls: smtp
      - endpoint: 10.0.0.5:5432
        name: orders database
        starttls: postgres
        hosts: [db.internal.example.com]
        ca_cert: /etc/ssl/internal-ca.pem
    policy:
      warn_days: 30
      fail_days: 14
      min_protocol: TLSv1.2
  register: certificates

- name: Check the certificates on this host, and that the key belongs to the one that is served
  evenkeel.ops.certificate_check:
    sources:
      - folder: /etc/letsencrypt/live
        recursive: true
        patterns: [fullchain.pem]
      - file: /etc/app/client.p12
        password: "{{ app_client_password }}"
        policy: {verify_chain: false}
      - file: /etc/ssl/app.crt
        key_file: /etc/ssl/private/app.key
        hosts: [app.example.com, www.example.com]
    policy: {warn_days: 30, fail_days: 14, max_age: 365d, min_rsa_bits: 2048, min_ec_bits: 256}
"""

RETURN = r"""
certificates:
  description: The certificates that were seen, those with the fewest days left first. Authorities are listed where
    something is wrong with them, or where a file has nothing else.
  returned: success
  type: list
  elements: dict
  contains:
    source: {description: "Name, endpoint or path.", type: str, returned: success}
    subject: {description: Subject (RFC 4514)., type: str, returned: success}
    issuer: {description: Issuer (RFC 4514)., type: str, returned: success}
    not_before: {description: First instant of validity., type: str, returned: success}
    not_after: {description: Last instant of validity., type: str, returned: success}
    days_left: {description: "Days until then, rounded down to a tenth; negative after it.", type: float, returned: success}
    key: {description: Kind and bits of its key., type: str, returned: success, sample: EC 256}
    signature: {description: Hash of its signature., type: str, returned: success, sample: sha256}
    names: {description: DNS names and addresses that it is valid for., type: list, elements: str, returned: success}
    status: {description: Worst status of its findings., type: str, returned: success}
findings:
  description: C(certificate.expiry), C(certificate.lifetime), C(certificate.chain), C(certificate.self_signed),
    C(certificate.host_name), C(certificate.key), C(certificate.signature), C(certificate.key_match) and
    C(certificate.protocol) for each source, or C(certificate.reachable) where it could not be looked at.
  returned: always
  type: list
  elements: dict
summary:
  description: The counts of the findings.
  returned: success
  type: str
  sample: "12 checks: 10 pass, 2 fail"
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.tls import Tls
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.x509 import X509
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.judge import judge
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.observe import Effort, observe
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.policy import CertificatePolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.sources import read_sources
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome

OPTIONS = own(
    sources={"type": "list", "elements": "dict", "required": True, "options": {
        "name": {"type": "str"},
        "endpoint": {"type": "str"},
        "file": {"type": "path"},
        "folder": {"type": "path"},
        "server_name": {"type": "str"},
        "starttls": {"type": "str", "choices": ["smtp", "imap", "postgres", "ldap"]},
        "format": {"type": "str", "choices": ["auto", "pem", "der", "pkcs12"]},
        "password": {"type": "str", "no_log": True},
        "key_file": {"type": "path", "no_log": False},
        "hosts": {"type": "list", "elements": "str"},
        "ca_cert": {"type": "path"},
        "recursive": {"type": "bool", "default": False},
        "patterns": {"type": "list", "elements": "str"},
        "policy": {"type": "dict"},
    }, "mutually_exclusive": [["endpoint", "file", "folder"]], "required_one_of": [["endpoint", "file", "folder"]]},
    policy={"type": "dict", "default": {}},
    timeout={"type": "str", "default": "10s"},
    retries={"type": "int", "default": 0},
    concurrency={"type": "int", "default": 50},
)


def run(request: Request) -> Outcome:
    """Look at every source, judge what was seen."""
    policy = CertificatePolicy.from_options(request["policy"])
    effort = Effort.from_options(request["timeout"], request["retries"], request["concurrency"])
    observations = observe(read_sources(request["sources"], policy), X509(), Tls(), request.clock, effort)
    findings, certificates = judge(observations, request.clock.now())
    return Outcome(findings=findings, values={"certificates": certificates})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
