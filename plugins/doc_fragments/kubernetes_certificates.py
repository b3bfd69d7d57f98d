# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/kubernetes_certificates.py."""

from __future__ import annotations


class ModuleDocFragment:
    """The cluster whose secrets and Certificate objects are looked at."""

    DOCUMENTATION = r"""
options:
  kubernetes:
    description: The cluster whose TLS secrets, and cert-manager's Certificate objects, are read or written.
    type: dict
    suboptions:
      kubeconfig:
        description: Kubeconfig file, on the host that runs this.
        type: path
        required: true
      context:
        description: Context of it; by default its current one.
        type: str
      request_timeout:
        description: How long one request may take.
        type: str
        default: 30s
requirements:
  - kubernetes >= 28 (Python), for secrets and certificates in a cluster
"""
