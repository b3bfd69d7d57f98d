# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/certbot.py."""

from __future__ import annotations


class ModuleDocFragment:
    """certbot, its folders, and how it proves names."""

    DOCUMENTATION = r"""
options:
  certbot:
    description:
      - certbot, its folders, and how it proves names.
      - What certbot remembers of a certificate (authority, how names are proved) holds for its renewal; the options for it
        are needed for the first one, and for one with other names.
    type: dict
    suboptions:
      config_dir:
        description: Its folder of certificates.
        type: path
        default: /etc/letsencrypt
      work_dir:
        description: Its working folder.
        type: path
        default: /var/lib/letsencrypt
      logs_dir:
        description: Its folder of logs.
        type: path
        default: /var/log/letsencrypt
      server:
        description: Directory URL of the ACME server; by default certbot's own, Let's Encrypt.
        type: str
      server_ca_cert:
        description: Authorities to trust at the ACME server itself, a PEM file.
        type: path
      email:
        description: Address for the account; without it the account has none.
        type: str
      agree_tos:
        description: Whether you agree to the terms of the authority.
        type: bool
        default: false
      authenticator:
        description: How the names are proved.
        type: str
        choices: [webroot, standalone, dns-rfc2136]
      webroot:
        description: Folder that the web server of the names shows on port 80, for V(webroot).
        type: path
      http_port:
        description: Port that V(standalone) listens on, where port 80 is forwarded to it.
        type: int
      credentials:
        description: File with the key for dynamic updates, for V(dns-rfc2136).
        type: path
      propagation:
        description: How long to wait until all name servers have the record, for V(dns-rfc2136).
        type: str
        default: 60s
      key_type:
        description: Kind of the key, for a first certificate.
        type: str
        choices: [ecdsa, rsa]
        default: ecdsa
      timeout:
        description: How long one run of certbot may take.
        type: str
        default: 10m
"""
