# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/dynamic_dns.py."""

from __future__ import annotations


class ModuleDocFragment:
    """A zone that takes dynamic updates."""

    DOCUMENTATION = r"""
options:
  rfc2136:
    description: The servers of a zone that takes dynamic updates (RFC 2136), and the key that signs them.
    type: dict
    suboptions:
      server:
        description: The server that takes the updates, as C(host), C(host:port) or C([address]:port).
        type: str
        required: true
      authorities:
        description:
          - Every server that answers for the zone, written likewise; each is asked directly whether it has the change.
          - By default those that O(rfc2136.server) lists as NS, and itself.
        type: list
        elements: str
        default: []
      key_file:
        description: File with the key, as C(tsig-keygen) writes it, on the host that runs the module.
        type: path
      key_name:
        description: Name of the key, where it is not in a file.
        type: str
      key_secret:
        description: Its secret in base64.
        type: str
      key_algorithm:
        description: Its algorithm; that of a file is in the file.
        type: str
        choices: [hmac-sha256, hmac-sha384, hmac-sha512]
        default: hmac-sha256
requirements:
  - dnspython >= 2.6
"""
