# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/engine_options.py."""

from __future__ import annotations


class ModuleDocFragment:
    """What the engine restic is told."""

    DOCUMENTATION = r"""
options:
  restic:
    description:
      - What the engine V(restic) is told. Backups remember the repository and the paths of these files, so that verifying,
        drilling and pruning need none of it where the files are at the same place.
      - Secrets are in files only; none comes into a command line, an environment or a manifest.
    type: dict
    suboptions:
      repository:
        description: Folder of the repository, or its address such as V(s3:https://s3.example.com/bucket/path).
        type: str
      password_file:
        description: File with the password of the repository.
        type: path
      credentials_file:
        description: File with the keys of S3, as AWS writes it (section C(default), C(aws_access_key_id), C(aws_secret_access_key)).
        type: path
      ca_cert:
        description: Certificate authority of the server of the repository.
        type: path
      cache:
        description: Folder for restic's cache; its own choice by default. A drill has one of its own, in its scratch folder.
        type: path
      initialize:
        description: Make the repository where there is none, and the plan has no backups in it.
        type: bool
        default: false
      verify_parts:
        description: A verification reads one of so many parts of the repository's data, each time the next; V(1) reads all of it.
        type: int
        default: 10
      lock_timeout:
        description: How long to wait while another process has the repository locked. Locks of dead processes are removed.
        type: str
        default: 2m
"""
