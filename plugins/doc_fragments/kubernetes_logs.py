# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/kubernetes_logs.py."""

from __future__ import annotations


class ModuleDocFragment:
    """The pods whose logs are read."""

    DOCUMENTATION = r"""
options:
  kubernetes:
    description: Pods of Kubernetes; the logs of their containers are read from the API server, that before a restart too.
    type: dict
    suboptions:
      kubeconfig:
        description: Kubeconfig file, on the host that runs this. Its account must get and list pods, and get C(pods/log).
        type: path
        required: true
      context:
        description: Context of it; by default its current one.
        type: str
      namespace:
        description: The namespace of the pods.
        type: str
        required: true
      selector:
        description: Label selector, such as V(app=shop); by default every pod.
        type: str
        default: ""
      containers:
        description: Only containers of these names; by default all, those that initialize a pod among them.
        type: list
        elements: str
        default: []
      request_timeout:
        description: How long one answer, or the next part of a log, may take.
        type: str
        default: 30s
      timeout:
        description: How long it may take to read all logs; what was not read has its turn first in the next run.
        type: str
        default: 10m
requirements:
  - kubernetes >= 28 (Python), for the logs of pods
"""
