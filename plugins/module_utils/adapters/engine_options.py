# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each engine of backups is told by, apart from its adapter: every module of backups takes all of them, and runs one."""

from __future__ import annotations

from ..core.options import OptionGroup

RESTIC = OptionGroup(
    fragment="restic",
    options={
        "restic": {"type": "dict", "apply_defaults": True, "options": {
            "repository": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
            "credentials_file": {"type": "path"},
            "ca_cert": {"type": "path"},
            "cache": {"type": "path"},
            "initialize": {"type": "bool", "default": False},
            "verify_parts": {"type": "int", "default": 10},
            "lock_timeout": {"type": "str", "default": "2m"},
        }},
    },
)
PGBACKREST = OptionGroup(
    fragment="pgbackrest",
    options={
        "pgbackrest": {"type": "dict", "apply_defaults": True, "options": {
            "stanza": {"type": "str"},
            "config": {"type": "path", "default": "/etc/pgbackrest/pgbackrest.conf"},
            "account": {"type": "str"},
            "type": {"type": "str", "choices": ["full", "diff", "incr"], "default": "incr"},
            "full_every": {"type": "str"},
            "archive_age": {"type": "str", "default": "15m"},
        }},
    },
)
PG_BASEBACKUP = OptionGroup(
    fragment="pg_basebackup",
    options={
        "pg_basebackup": {"type": "dict", "apply_defaults": True, "options": {
            "type": {"type": "str", "choices": ["full", "incr"], "default": "full"},
            "full_every": {"type": "str"},
            "level": {"type": "int", "default": 3},
            "wal_dir": {"type": "path"},
        }},
    },
)
CONFIGURATION = OptionGroup(
    fragment="configuration",
    options={
        "configuration": {"type": "dict", "apply_defaults": True, "options": {
            "history": {"type": "path"},
            "largest": {"type": "str", "default": "1MiB"},
            "secrets": {"type": "str", "choices": ["leave_out", "archive"], "default": "leave_out", "no_log": False},
            "secret_names": {"type": "list", "elements": "str", "no_log": False, "default": [
                "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*_key", "id_rsa", "id_ecdsa", "id_ed25519", "shadow*",
                "gshadow*", "ssl/private", "*.env", ".env*", ".pgpass", ".netrc", ".my.cnf", "*htpasswd*", "*vault*", "*secret*",
                "*credential*", "*password*", "*token*"]},
        }},
    },
)
MODEL_REGISTRY = OptionGroup(
    fragment="model_registry",
    options={
        "model_registry": {"type": "dict", "apply_defaults": True, "options": {
            "url": {"type": "str"},
            "token": {"type": "str", "no_log": True},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "ca_cert": {"type": "path"},
            "request_timeout": {"type": "str", "default": "60s"},
            "program": {"type": "path"},
        }},
    },
)
KUBERNETES = OptionGroup(
    fragment="kubernetes",
    options={
        "kubernetes": {"type": "dict", "apply_defaults": True, "options": {
            "kubeconfig": {"type": "path"},
            "context": {"type": "str"},
            "namespace": {"type": "str"},
            "include_secrets": {"type": "bool", "default": False, "no_log": False},
            "exclude_kinds": {"type": "list", "elements": "str", "default": []},
            "request_timeout": {"type": "str", "default": "30s"},
            "scratch_kubeconfig": {"type": "path"},
            "scratch_context": {"type": "str"},
        }},
    },
)
