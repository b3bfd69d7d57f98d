# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/vault.py."""

from __future__ import annotations


class ModuleDocFragment:
    """HashiCorp Vault, and how one logs in there."""

    DOCUMENTATION = r"""
options:
  vault:
    description: HashiCorp Vault. Neither its environment variables nor the token file of its command line are looked at.
    type: dict
    suboptions:
      url:
        description: Its address, such as V(https://vault.example.com:8200).
        type: str
        required: true
      namespace:
        description: Namespace (Vault Enterprise, HCP).
        type: str
      auth:
        description: How to log in. The token of a login by V(approle) or V(kubernetes) is given back after use.
        type: str
        choices: [token, approle, kubernetes]
        default: token
      auth_mount:
        description: Where this way to log in is mounted; by default at its name.
        type: str
      token:
        description: Token, for O(vault.auth=token).
        type: str
      token_file:
        description: File that holds it on the host that runs this, such as the sink of a Vault Agent, instead of O(vault.token).
        type: path
      role_id:
        description: Role id, for O(vault.auth=approle).
        type: str
      secret_id:
        description: Secret id, for O(vault.auth=approle).
        type: str
      role:
        description: Role, for O(vault.auth=kubernetes).
        type: str
      jwt_file:
        description: File with the service account's token, for O(vault.auth=kubernetes).
        type: path
        default: /var/run/secrets/kubernetes.io/serviceaccount/token
      ca_cert:
        description: Certificate authorities to trust there, a PEM file; by default those that requests trusts.
        type: path
      request_timeout:
        description: How long one answer may take.
        type: str
        default: 30s
      within:
        description: How long all of one mount may take.
        type: str
        default: 2m
requirements:
  - hvac >= 2.3, for certificates of Vault
"""
