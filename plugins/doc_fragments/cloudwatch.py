# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/cloudwatch.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Metrics of Amazon CloudWatch."""

    DOCUMENTATION = r"""
options:
  cloudwatch:
    description: How Amazon CloudWatch is reached. Credentials that are not given are looked for where boto3 looks.
    type: dict
    suboptions:
      region:
        description: Region.
        type: str
        required: true
      profile:
        description: Profile of the AWS configuration.
        type: str
      access_key:
        description: Access key id.
        type: str
      secret_key:
        description: Secret access key.
        type: str
      session_token:
        description: Token of temporary credentials.
        type: str
      endpoint_url:
        description: Another address of the API.
        type: str
      ca_cert:
        description: Certificate authorities to trust there, a PEM file.
        type: path
requirements:
  - boto3 >= 1.34
"""
