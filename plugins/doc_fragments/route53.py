# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/route53.py."""

from __future__ import annotations


class ModuleDocFragment:
    """A hosted zone of Amazon Route 53."""

    DOCUMENTATION = r"""
options:
  route53:
    description: A hosted zone of Amazon Route 53. Credentials that are not given are looked for where boto3 looks.
    type: dict
    suboptions:
      zone_id:
        description: Id of the hosted zone; needed where two have one name, as a public and a private one may.
        type: str
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
  - dnspython >= 2.6
"""
