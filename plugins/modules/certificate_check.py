#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_check
short_description: Check certificates in files, keystores, clusters, clouds, Vault and at TLS endpoints against a policy
description:
  - Looks at many certificates in one task, at endpoints concurrently, and judges their dates, chain, names, keys,
    signatures and protocols; where O(policy) asks for it, also revocation, stapling and CAA.
  - Compares what is kept with what endpoints show (O(sources[].served_at)), so that a certificate which was renewed and is not
    served is a finding of its own.
  - An endpoint that cannot be looked at, a file that cannot be read and a folder without certificates are findings of
    status C(unknown), never gaps.
  - An endpoint is sent at most two handshakes, and a third one where O(policy) asks for C(refuse_older).
  - Changes nothing; in check mode it does the same.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  sources:
    description:
      - What to look at. Each entry has exactly one of C(endpoint), C(file), C(folder), C(secret), C(certificate), C(acm), C(vault).
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
      secret:
        description: TLS secret of Kubernetes, as C(namespace/name), or C(namespace/*) for all of type C(kubernetes.io/tls).
        type: str
      certificate:
        description:
          - Certificate object of cert-manager, as C(namespace/name), or C(namespace/*) for all.
          - Its condition is judged, and what its secret holds, for the names that it asks for.
        type: str
      acm:
        description: Certificate of AWS Certificate Manager, its ARN or domain, or V(*) for all of the region.
        type: str
      vault:
        description:
          - Certificate that a PKI engine of HashiCorp Vault has issued and keeps, as C(mount/name), of which the newest counts,
            or C(mount/serial), such as V(pki/3a:5b:0c:9d).
          - With C(mount/*) the newest of each name; revoked ones are passed over, and those that have expired, unless O(policy)
            says C(include_ended). The issuers of the mount are judged too.
        type: str
      served_at:
        description:
          - Endpoints that must show the certificate of this file, secret, certificate, ARN or name. They are judged too.
          - Keys as here, of those that go with C(endpoint).
        type: list
        elements: dict
      addresses:
        description: Addresses to look at an endpoint on, instead of those that its name has; each is an endpoint of its own.
        type: list
        elements: str
      server_name:
        description: Name sent by SNI; by default the host of the endpoint.
        type: str
      starttls:
        description: Protocol in which TLS is asked for first; by default TLS begins at once.
        type: str
        choices: [smtp, imap, pop3, postgres, mysql, ldap]
      format:
        description: Format of the files; by default V(auto), which looks at their content.
        type: str
        choices: [auto, pem, der, pkcs12, jks]
      password:
        description: Password of PKCS#12 files, Java keystores and encrypted keys.
        type: str
      key_file:
        description:
          - Private key that must belong to the certificate, PEM or DER.
          - By default, a key in the same file is compared.
        type: path
      hosts:
        description: Names and addresses that the certificate must be valid for; for an endpoint, by default its name, for
          C(certificate) and C(acm) those that were asked for.
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
        description:
          - File names to look at in a folder; by default C(*.pem), C(*.crt), C(*.cer), C(*.der), C(*.p12), C(*.pfx), C(*.jks).
          - With C(vault), the names of which certificates count, such as V(*.shop.example.com); by default all.
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
      - C(every_address), whether an endpoint is looked at on every address that its name has, as an endpoint of its own.
      - C(verify_revocation), whether no certificate of a trusted path may be revoked, by the responder (OCSP) or the list (CRL)
        that it names; where neither answers it is C(unknown).
      - C(require_stapling), whether the server must staple a good OCSP answer.
      - C(caa_issuers), the domains of which the CAA records of each name must let just these issue, such as C(letsencrypt.org).
      - C(include_ended), whether of all that a mount of Vault keeps what has expired counts too where nothing newer has its names.
      - What has no limit is not judged; an expired certificate always is.
    type: dict
    default: {}
  resolver:
    description: Address of the resolver that is asked for CAA records, with a port if need be; by default the system's.
    type: str
  timeout:
    description: How long a look at one endpoint, or one question about a certificate, may take, name resolution apart, as a duration.
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
  - keytool of a Java runtime, for keystores of Java's own formats
  - dnspython >= 2.6, for CAA
extends_documentation_fragment:
  - evenkeel.ops.acm
  - evenkeel.ops.kubernetes_certificates
  - evenkeel.ops.vault
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

- name: Check that what the cluster keeps is what every node shows
  evenkeel.ops.certificate_check:
    kubernetes: {kubeconfig: /etc/kubernetes/ops.conf}
    sources:
      - certificate: production/*
      - secret: production/shop-tls
        served_at:
          - endpoint: shop.example.com
            addresses: [192.0.2.10, 192.0.2.11]
    policy: {warn_days: 30, fail_days: 14, verify_revocation: true, caa_issuers: [letsencrypt.org]}

- name: Check what Vault has issued, and that the gateway shows the newest of it
  evenkeel.ops.certificate_check:
    vault:
      url: https://vault.example.com:8200
      ca_cert: /etc/ssl/internal-ca.pem
      auth: approle
      role_id: "{{ vault_role_id }}"
      secret_id: "{{ vault_secret_id }}"
    sources:
      - vault: pki/internal/*
        ca_cert: /etc/ssl/internal-ca.pem
        patterns: ['*.shop.example.com']
      - vault: pki/internal/api.shop.example.com
        ca_cert: /etc/ssl/internal-ca.pem
        served_at:
          - endpoint: api.shop.example.com
    policy: {warn_days: 30, fail_days: 14, max_age: 365d}
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
    serial: {description: Serial number (hexadecimal)., type: str, returned: success}
    chain:
      description: The authorities that came with it, each with its C(subject), C(not_after) and C(days_left).
      type: list
      elements: dict
      returned: success
    status: {description: Worst status of its findings., type: str, returned: success}
findings:
  description: C(certificate.expiry), C(certificate.lifetime), C(certificate.chain), C(certificate.self_signed),
    C(certificate.host_name), C(certificate.key), C(certificate.signature), C(certificate.key_match), C(certificate.protocol),
    C(certificate.record), C(certificate.served), C(certificate.revocation), C(certificate.stapling) and C(certificate.caa) for
    each source, or C(certificate.reachable) where it could not be looked at.
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
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly import certificates as assembly
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.judge import judge
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.observe import Effort, observe
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.policy import CertificatePolicy
from ansible_collections.evenkeel.ops.plugins.module_utils.certificates.sources import KINDS, read_sources
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome

OPTIONS = own(
    sources={"type": "list", "elements": "dict", "required": True, "options": {
        "name": {"type": "str"},
        "endpoint": {"type": "str"},
        "file": {"type": "path"},
        "folder": {"type": "path"},
        "secret": {"type": "str", "no_log": False},
        "certificate": {"type": "str"},
        "acm": {"type": "str"},
        "vault": {"type": "str"},
        "served_at": {"type": "list", "elements": "dict"},
        "addresses": {"type": "list", "elements": "str"},
        "server_name": {"type": "str"},
        "starttls": {"type": "str", "choices": ["smtp", "imap", "pop3", "postgres", "mysql", "ldap"]},
        "format": {"type": "str", "choices": ["auto", "pem", "der", "pkcs12", "jks"]},
        "password": {"type": "str", "no_log": True},
        "key_file": {"type": "path", "no_log": False},
        "hosts": {"type": "list", "elements": "str"},
        "ca_cert": {"type": "path"},
        "recursive": {"type": "bool", "default": False},
        "patterns": {"type": "list", "elements": "str"},
        "policy": {"type": "dict"},
    }, "mutually_exclusive": [KINDS], "required_one_of": [KINDS]},
    policy={"type": "dict", "default": {}},
    timeout={"type": "str", "default": "10s"},
    retries={"type": "int", "default": 0},
    concurrency={"type": "int", "default": 50},
) + assembly.CHECK_OPTIONS


def run(request: Request) -> Outcome:
    """Look at every source, judge what was seen."""
    policy = CertificatePolicy.from_options(request["policy"])
    effort = Effort.from_options(request["timeout"], request["retries"], request["concurrency"])
    reader = X509()
    observations = observe(read_sources(request["sources"], policy), reader, Tls(), request.clock, effort,
                           assembly.elsewhere(request, reader))
    findings, certificates = judge(observations, request.clock.now())
    return Outcome(findings=findings, values={"certificates": certificates})


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
