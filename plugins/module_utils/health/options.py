# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words in which a target is described: the options, the kinds that they are for, and what holds without them."""

from __future__ import annotations

from typing import Any

KINDS = ("http", "https", "tcp", "dns", "postgresql", "redis")
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "redis": 6379, "dns": 53}
WEB = frozenset({"http", "https"})
# Which options say something to which kinds; all others are for every kind.
ONLY_FOR = {
    "url": WEB, "method": WEB, "headers": WEB, "public_headers": WEB, "body": WEB, "status": WEB, "json": WEB,
    "header": WEB, "follow_redirects": WEB, "max_body": WEB, "contains": WEB | {"tcp"}, "matches": WEB | {"tcp"},
    "record": {"dns"}, "resolver": {"dns"}, "expected": {"dns", "postgresql"}, "query": {"postgresql"},
    "database": {"postgresql"}, "ssl_mode": {"postgresql"}, "tls": {"tcp", "redis"},
    "user": WEB | {"postgresql", "redis"}, "password": WEB | {"postgresql", "redis"},
}
# In the words of AnsibleModule. None is "not given", so that ``defaults`` can be laid below; hence no defaults here.
TARGET_OPTIONS: dict[str, dict[str, Any]] = {
    "service": {"type": "str"},
    "kind": {"type": "str", "choices": list(KINDS)},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "method": {"type": "str"},
    "headers": {"type": "dict", "no_log": True},
    "public_headers": {"type": "dict"},
    "body": {"type": "jsonarg"},
    "user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "status": {"type": "list", "elements": "str"},
    "contains": {"type": "str"},
    "matches": {"type": "str"},
    "json": {"type": "dict"},
    "header": {"type": "dict"},
    "record": {"type": "str"},
    "resolver": {"type": "str"},
    "query": {"type": "str"},
    "expected": {"type": "list", "elements": "str"},
    "database": {"type": "str"},
    "ssl_mode": {"type": "str", "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]},
    "tls": {"type": "bool"},
    "validate_certs": {"type": "bool"},
    "ca_cert": {"type": "path"},
    "follow_redirects": {"type": "int"},
    "max_body": {"type": "str"},
    "timeout": {"type": "str"},
    "retries": {"type": "int"},
    "retry_delay": {"type": "str"},
    "latency_warn": {"type": "str"},
    "latency_fail": {"type": "str"},
    "critical": {"type": "bool"},
    "depends_on": {"type": "list", "elements": "str"},
    "layer": {"type": "str"},
}
# What holds where neither a target nor ``defaults`` says anything; the module's documentation repeats it.
BUILT_IN = {
    "timeout": "10s", "retries": 0, "retry_delay": "200ms", "validate_certs": True, "follow_redirects": 0,
    "max_body": "1MiB", "critical": True, "method": "GET", "status": ("200-299",), "record": "A", "query": "SELECT 1",
    "database": "postgres", "ssl_mode": "prefer", "tls": False,
}
