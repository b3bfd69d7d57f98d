# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/engine_options.py."""

from __future__ import annotations


class ModuleDocFragment:
    """What a model registry is told by."""

    DOCUMENTATION = r"""
options:
  model_registry:
    description: With the engine V(model_registry), which server of MLflow it is.
    type: dict
    suboptions:
      url:
        description: Address of the server, such as V(https://models.example.com).
        type: str
      token:
        description: Token of a server that asks for one.
        type: str
      username:
        description: Account of a server that asks for a name and a password.
        type: str
      password:
        description: Its password.
        type: str
      ca_cert:
        description: Certificate authorities that its certificate is checked against, a PEM file.
        type: path
      request_timeout:
        description: How long one answer of it may take.
        type: str
        default: 60s
      program:
        description: The program V(mlflow), for a scratch server to drill in; looked for on PATH by default.
        type: path
requirements:
  - requests >= 2.31, for model registries
  - mlflow >= 3.4 in an environment of its own, for drills of model registries
"""
