# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/engine_options.py."""

from __future__ import annotations


class ModuleDocFragment:
    """What the engine kubernetes is told."""

    DOCUMENTATION = r"""
options:
  kubernetes:
    description:
      - What the engine V(kubernetes) is told. Backups remember kubeconfig and context by their names.
    type: dict
    suboptions:
      kubeconfig:
        description: File with the address of the API server and what logs in to it.
        type: path
      context:
        description: One of its contexts; its current one by default.
        type: str
      namespace:
        description: The namespace whose objects are exported.
        type: str
      include_secrets:
        description: Export secrets too; the backup has to be encrypted then.
        type: bool
        default: false
      exclude_kinds:
        description: Kinds that are not exported, such as V(PodMetrics).
        type: list
        elements: str
        default: []
      request_timeout:
        description: How long one answer of the API server may take.
        type: str
        default: 30s
      scratch_kubeconfig:
        description:
          - API server to drill in. There everything is applied for good, and removed after.
          - Without it a drill uses a scratch namespace of the source's cluster; what would start work there, or take addresses or
            volumes, is then applied as a dry run.
        type: path
      scratch_context:
        description: One of its contexts.
        type: str
"""
