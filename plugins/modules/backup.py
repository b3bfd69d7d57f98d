#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Make a backup of a database or of files, where one is due
description:
  - The engine V(pg_dump) dumps one PostgreSQL database in parallel into a folder, with the best compression that the client has,
    and takes a fingerprint of every table inside the very snapshot that is dumped.
  - The engine V(archive) streams files and folders through GNU tar and zstd, with owners, modes, links, extended attributes and
    ACLs. Symbolic links are archived as links.
  - The engine V(restic) makes a snapshot of files in a repository of restic's own, deduplicated and encrypted, and a list of their
    digests beside it.
  - The engine V(configuration) archives files, and commits them to a git history, only where something changed; secrets are left out.
  - The engine V(kubernetes) exports the objects of a namespace as they would be applied again.
  - The engine V(pgbackrest) has pgBackRest copy a whole cluster into its own repository, full, differential or incremental; it judges
    whether the log is archived, too. M(evenkeel.ops.pgbackrest_stanza) prepares the server.
  - The engine V(pg_basebackup) copies a whole cluster over a connection for replication, full, or incremental from PostgreSQL 17 on.
  - Where the newest usable backup of the plan is younger than O(max_age), nothing is done.
  - One run at a time writes a plan. What a killed run left behind is cleared away by the next one.
  - The manifest is written last; a folder without one is no backup. A run that fails removes what it wrote and keeps
    earlier backups.
  - With O(recipients) every file is encrypted with age for these public keys. The host that makes backups cannot read them.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.1.0
options:
  plan:
    description: Name of the plan; names a folder in the repository.
    type: str
    required: true
  engine:
    description: What makes the backup.
    type: str
    choices: [pg_dump, pgbackrest, pg_basebackup, archive, restic, configuration, kubernetes, vector_store, model_registry]
    required: true
  max_age:
    description:
      - Age up to which the newest usable backup will do, as a duration such as V(24h).
      - Without it a new backup is made every time.
    type: str
  tags:
    description: Words kept with the backup, to select it by.
    type: list
    elements: str
    default: []
  paths:
    description: With V(archive), V(restic) and V(configuration), the absolute paths.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - With V(archive) and V(configuration), patterns of GNU tar for what is left out; with V(restic) restic's, but for C(**) and C(!).
      - A pattern that begins with V(/) is a path from the root; any other matches names at every depth.
    type: list
    elements: str
    default: []
  recipients:
    description: Public keys to encrypt for, C(age1…), C(ssh-ed25519 …) or C(ssh-rsa …). None is no encryption.
    type: list
    elements: str
    default: []
  fingerprint:
    description: How much of each table is fingerprinted, or with V(restic) of which files the digests are listed.
    type: str
    choices: [full, sampled, 'off']
    default: full
  jobs:
    description: Parallel jobs of the dump, the fingerprint and the compression.
    type: int
    default: 2
  compression:
    description:
      - V(auto) is zstd; by pg_dump where its build has it, by this module where not.
      - V(archive), V(configuration) and V(kubernetes) take V(auto), V(zstd) or V(none), V(restic) V(auto).
    type: str
    choices: [auto, zstd, lz4, gzip, none]
    default: auto
  compression_level:
    description: Level of the compression.
    type: int
    default: 1
  lock_timeout:
    description: With V(pg_dump), how long it waits for a table that is locked.
    type: str
    default: 60s
  timeout:
    description: How long the dump or the archiving may take in all.
    type: str
    default: 4h
  min_free:
    description: What must be left free on the repository's file system, as a size such as V(10GiB).
    type: str
    default: "0"
  scratch:
    description:
      - Folder for what is in clear before it is compressed or encrypted by this module.
      - By default a private folder in the repository. Name a local one where the repository is not to see clear text.
      - A backup that goes into a bucket is gathered here, by default below C(/var/tmp), and has to fit.
    type: path
  bin_dir:
    description: Folder with pg_dump and pg_restore to be used before those that are found.
    type: path
requirements:
  - zstandard >= 0.22
  - pyrage >= 1.2, with O(recipients)
  - pg_dump and pg_restore, of the server's major version or newer, with V(pg_dump)
  - GNU tar, with V(archive) and V(configuration)
  - restic >= 0.14, with V(restic)
  - git >= 2.36, with V(configuration)
  - kubernetes >= 28, with V(kubernetes)
seealso:
  - module: evenkeel.ops.backup_verify
  - module: evenkeel.ops.backup_prune
extends_documentation_fragment:
  - evenkeel.ops.repository
  - evenkeel.ops.pgbackrest
  - evenkeel.ops.pg_basebackup
  - evenkeel.ops.restic
  - evenkeel.ops.configuration
  - evenkeel.ops.kubernetes
  - evenkeel.ops.postgres
  - evenkeel.ops.vector_store
  - evenkeel.ops.model_registry
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Back up the database shop, once a day
  evenkeel.ops.backup:
    repository: /srv/backups
    plan: shop
    engine: pg_dump
    max_age: 24h
    login_host: db.example.com
    login_user: backup
    login_password: "{{ vault_backup_password }}"
    login_db: shop

- name: Back up the configuration, encrypted
  evenkeel.ops.backup:
    repository: /srv/backups
    plan: configuration
    engine: archive
    paths: [/etc]
    exclude: ["*.swp", /etc/ssl/private]
    recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]

- name: Keep the artefacts of this deployment
  evenkeel.ops.backup:
    repository: /srv/backups
    plan: application
    engine: archive
    paths: [/srv/app/current]
    tags: ["version:1.4.2", "commit:3f7f5cd"]

- name: Back up files every hour with restic
  evenkeel.ops.backup:
    repository: /srv/backups
    plan: files
    engine: restic
    max_age: 55m
    paths: [/srv/app]
    restic:
      repository: /srv/restic
      password_file: /root/restic.password

- name: Keep every version of the configuration
  evenkeel.ops.backup:
    repository: /srv/backups
    plan: etc
    engine: configuration
    paths: [/etc]
    configuration:
      history: /var/lib/evenkeel/configuration.git
"""

RETURN = r"""
backup:
  description: The backup that was made, or the newest one where that will do; empty in check mode where one would be made.
  returned: success
  type: dict
  contains:
    id: {description: Its id; ids sort by time., type: str, returned: success}
    plan: {description: The plan it was made by., type: str, returned: success}
    engine: {description: What made it., type: str, returned: success}
    path: {description: Its folder., type: str, returned: success}
    created_at: {description: When the run that made it began., type: str, returned: success}
    data_at: {description: The instant that the data is of., type: str, returned: success}
    bytes: {description: What is stored., type: int, returned: success}
    source_bytes: {description: Size of the source., type: int, returned: success}
    seconds: {description: How long it took to make., type: float, returned: success}
    status: {description: 'V(created), V(verified), V(proven) or V(failed).', type: str, returned: success}
    encrypted: {description: Whether reading it takes a private key., type: bool, returned: success}
    compression: {description: How it is compressed., type: str, returned: success}
    age_seconds: {description: Its age., type: float, returned: success}
    tags: {description: Its tags., type: list, elements: str, returned: success}
    verified_at: {description: When it was last seen to be whole., type: str, returned: success}
    proven_at: {description: When it was last restored with success., type: str, returned: success}
    fingerprint: {description: How the data was fingerprinted., type: str, returned: success}
reason:
  description: Why a backup was made, or why not.
  returned: success
  type: str
findings:
  description: Whether there is a backup, and what was remarkable about it.
  returned: always
  type: list
  elements: dict
summary:
  description: One line for a person.
  returned: success
  type: str
"""

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import postgres, storage
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly import engines
from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import open_repository, scratch_for, writing_codecs
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.create import CreationPolicy, create_backup, describe
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request, run_module
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import own
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration, parse_size

OPTIONS = own(
    plan={"type": "str", "required": True},
    engine={"type": "str", "choices": list(engines.KITS), "required": True},
    max_age={"type": "str"},
    tags={"type": "list", "elements": "str", "default": []},
    paths={"type": "list", "elements": "str", "default": []},
    exclude={"type": "list", "elements": "str", "default": []},
    recipients={"type": "list", "elements": "str", "default": []},
    fingerprint={"type": "str", "choices": ["full", "sampled", "off"], "default": "full"},
    jobs={"type": "int", "default": 2},
    compression={"type": "str", "choices": ["auto", "zstd", "lz4", "gzip", "none"], "default": "auto"},
    compression_level={"type": "int", "default": 1},
    lock_timeout={"type": "str", "default": "60s"},
    timeout={"type": "str", "default": "4h"},
    min_free={"type": "str", "default": "0"},
    scratch={"type": "path"},
    bin_dir={"type": "path"},
) + storage.OPTIONS + engines.OPTIONS + postgres.OPTIONS


def run(request: Request) -> Outcome:
    """Look whether a backup is due, and make it."""
    repository = open_repository(request)
    policy = CreationPolicy(
        max_age=None if request["max_age"] is None else parse_duration(request["max_age"], option="max_age"),
        min_free=parse_size(request["min_free"], option="min_free"), tags=tuple(request["tags"]),
        scratch=scratch_for(request, repository))
    codecs = writing_codecs(request["recipients"], level=request["compression_level"], threads=request.count("jobs"))
    engine = engines.kit_for(request["engine"]).engine(request, repository)
    creation = create_backup(repository, request["plan"], engine, codecs, policy, request.clock,
                             free_bytes=storage.free_bytes, check_mode=request.check_mode)
    backup = describe(creation.backup, request.clock.now()) if creation.backup else {}
    word = "would make a backup" if creation.backup is None else f"made {backup['id']}" if creation.made else f"kept {backup['id']}"
    return Outcome(changed=creation.made, findings=creation.findings, summary=f"{request['plan']}: {word}: {creation.reason}",
                   values={"backup": backup, "reason": creation.reason}, diff=dict(creation.diff) if creation.diff else None)


def main() -> None:
    """Entry point of the module."""
    run_module(OPTIONS, run)


if __name__ == "__main__":
    main()
