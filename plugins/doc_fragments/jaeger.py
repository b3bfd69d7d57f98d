# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/jaeger.py."""

from __future__ import annotations


class ModuleDocFragment:
    """A server of Jaeger."""

    DOCUMENTATION = r"""
options:
  jaeger:
    description: A server of Jaeger.
    type: dict
    suboptions:
      url:
        description: Address of its query service, such as V(https://jaeger.example.com); with its path where it has one.
        type: str
        required: true
      token:
        description: Bearer token.
        type: str
      ca_cert:
        description: Certificate authorities to trust there, a PEM file.
        type: path
      timeout:
        description: How long an answer may take to begin, and each pause within it.
        type: str
        default: 30s
      otlp_url:
        description: Address at which its collector takes spans by OTLP over HTTP, for a canary.
        type: str
requirements:
  - requests >= 2.31
"""
