# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/storage.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Where backups are."""

    DOCUMENTATION = r"""
options:
  repository:
    description:
      - Folder that holds the backups of all systems; it is created with mode 0700 where it is missing.
      - Or a place in a bucket, C(s3://bucket/prefix), see O(s3).
    type: path
    required: true
  system:
    description: Name of the system; names a folder in the repository.
    type: str
    default: unnamed
  environment:
    description: Name of the environment; names a folder in the repository.
    type: str
    default: unnamed
  require_mount:
    description: Refuse to work unless a file system is mounted on the repository or on a folder above it, V(/) aside.
    type: bool
    default: false
  s3:
    description:
      - How a O(repository) in a bucket is reached and written.
      - Without credentials here, those of the environment, of a profile or of the machine's role are used, as boto3 finds them.
      - Needs boto3, and a server that honours conditional writes (C(If-None-Match)), as Amazon S3 and MinIO do.
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
        description: Object lock of payload and manifest, where the bucket has it; with O(s3.lock_for).
        type: str
        choices: [GOVERNANCE, COMPLIANCE]
      lock_for:
        description: How long they are locked, as a duration such as V(30d).
        type: str
      part_size:
        description: Size of the parts that larger files are sent in. As many as O(s3.jobs) and one are in memory.
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
