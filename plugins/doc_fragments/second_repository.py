# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group SECOND in plugins/module_utils/adapters/storage.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Where the copies of backups are."""

    DOCUMENTATION = r"""
options:
  copy_repository:
    description: The second repository, a folder or C(s3://bucket/prefix); in another place, better in another region.
    type: path
  copy_s3:
    description: How a O(copy_repository) in a bucket is reached and written; the same keys as O(s3).
    type: dict
    suboptions:
      endpoint:
        description: Address of the server, as C(https://s3.example.com:9000). By default Amazon's for the region.
        type: str
      region:
        description: Region of the bucket.
        type: str
      access_key:
        description: Id of the access key.
        type: str
      secret_key:
        description: The secret access key.
        type: str
      session_token:
        description: Token of temporary credentials.
        type: str
      credentials_file:
        description: File with credentials in the format of the AWS command line, in place of its usual one.
        type: path
      profile:
        description: Profile of the credentials file.
        type: str
      ca_cert:
        description: File with the certificate authorities of the server. The certificate is always verified.
        type: path
      addressing:
        description: Whether the bucket is named in the path or in the host of requests.
        type: str
        choices: [auto, path, virtual]
        default: auto
      storage_class:
        description: Storage class of the payload, such as V(STANDARD_IA). Manifests and verifications stay in the standard one.
        type: str
      lock_mode:
        description: Object lock of payload and manifest, where the bucket has it; with O(copy_s3.lock_for).
        type: str
        choices: [GOVERNANCE, COMPLIANCE]
      lock_for:
        description: How long they are locked, as a duration such as V(30d).
        type: str
      part_size:
        description: Size of the parts that larger files are sent in. As many as O(copy_s3.jobs) and one are in memory.
        type: str
        default: 16MiB
      jobs:
        description: Requests side by side.
        type: int
        default: 4
      timeout:
        description: How long the server may be silent before an attempt is given up.
        type: str
        default: 30s
      attempts:
        description: How often a request is made in all.
        type: int
        default: 4
      lease:
        description: For how long a run that says nothing more is believed to be alive. A plan whose run was killed is free again then.
        type: str
        default: 60s
"""
