# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""HashiCorp Vault: where it is, and how one logs in. What is read there is in a file of its own, loaded when it is asked for."""

from __future__ import annotations

from ..core.options import OptionGroup

OPTIONS = OptionGroup(
    fragment="vault",
    options={
        "vault": {"type": "dict", "options": {
            "url": {"type": "str", "required": True},
            "namespace": {"type": "str"},
            "auth": {"type": "str", "choices": ["token", "approle", "kubernetes"], "default": "token"},
            "auth_mount": {"type": "str"},
            "token": {"type": "str", "no_log": True},
            "token_file": {"type": "path", "no_log": False},
            "role_id": {"type": "str", "no_log": False},
            "secret_id": {"type": "str", "no_log": True},
            "role": {"type": "str"},
            "jwt_file": {"type": "path", "default": "/var/run/secrets/kubernetes.io/serviceaccount/token"},
            "ca_cert": {"type": "path"},
            "request_timeout": {"type": "str", "default": "30s"},
            "within": {"type": "str", "default": "2m"},
        }, "mutually_exclusive": [("token", "token_file")],
            "required_if": [("auth", "approle", ("role_id", "secret_id")), ("auth", "kubernetes", ("role",))]},
    },
)
