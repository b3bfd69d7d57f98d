# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/prometheus.py."""

from __future__ import annotations


class ModuleDocFragment:
    """A server of Prometheus."""

    DOCUMENTATION = r"""
options:
  prometheus:
    description: A server of Prometheus, or of what speaks its HTTP API.
    type: dict
    suboptions:
      url:
        description: Its address, such as V(https://prometheus.example.com); with its path where it has one.
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
requirements:
  - requests >= 2.31
"""
