# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words in which a target is described: the options, the kinds that they are for, and what holds without them."""

from __future__ import annotations

from typing import Any

KINDS = ("http", "https", "tcp", "dns", "postgresql", "redis", "grpc", "prometheus", "websocket", "smtp", "ldap", "ssh", "mysql",
         "rabbitmq", "kubernetes")
# gRPC has no port of its own.
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "redis": 6379, "dns": 53, "smtp": 25, "ldap": 389, "ssh": 22, "mysql": 3306,
         "rabbitmq": 5672}
TLS_PORTS = {"smtp": 465, "ldap": 636, "rabbitmq": 5671}
# Those that need no more than the options which all have; `protocols` knows the others.
PLAIN = frozenset({"http", "https", "tcp", "dns", "postgresql", "mysql", "redis"})
WEB = frozenset({"http", "https"})
PAGES = WEB | {"prometheus"}
BY_URL = PAGES | {"websocket"}
LOGINS = BY_URL | {"postgresql", "redis", "smtp", "ldap", "mysql", "rabbitmq"}
# Which options say something to which kinds; all others are for every kind.
ONLY_FOR = {
    "url": BY_URL, "method": WEB, "headers": BY_URL, "public_headers": BY_URL, "body": WEB, "status": PAGES, "header": WEB,
    "follow_redirects": PAGES, "max_body": BY_URL, "steps": WEB, "secrets": WEB, "json": WEB | {"websocket"},
    "contains": WEB | {"tcp", "websocket", "smtp", "ssh"}, "matches": WEB | {"tcp", "websocket", "smtp", "ssh"},
    "record": {"dns"}, "resolver": {"dns"}, "expected": {"dns", "postgresql", "mysql", "smtp", "ssh"},
    "query": {"postgresql", "mysql"}, "database": {"postgresql", "mysql"}, "ssl_mode": {"postgresql"},
    "tls": {"tcp", "redis", "grpc", "smtp", "ldap", "mysql", "rabbitmq"}, "starttls": {"smtp", "ldap"},
    "user": LOGINS, "password": LOGINS, "addresses": set(KINDS) - {"dns", "kubernetes"},
    "grpc_service": {"grpc"}, "metrics": {"prometheus"}, "max_age": {"prometheus"}, "say": {"websocket"},
    "base": {"ldap"}, "filter": {"ldap"}, "fingerprint": {"ssh"}, "unwanted": {"ssh"},
    "vhost": {"rabbitmq"}, "queue": {"rabbitmq"}, "messages": {"rabbitmq"}, "consumers": {"rabbitmq"},
    "kubeconfig": {"kubernetes"}, "context": {"kubernetes"}, "namespace": {"kubernetes"}, "workload": {"kubernetes"},
    "selector": {"kubernetes"}, "restarts": {"kubernetes"},
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
    "addresses": {"type": "str", "choices": ["any", "all"]},
    "grpc_service": {"type": "str"},
    "metrics": {"type": "dict"},
    "max_age": {"type": "str"},
    "say": {"type": "str"},
    "starttls": {"type": "bool"},
    "base": {"type": "str"},
    "filter": {"type": "str"},
    "fingerprint": {"type": "str"},
    "unwanted": {"type": "list", "elements": "str"},
    "vhost": {"type": "str"},
    "queue": {"type": "str"},
    "messages": {"type": "dict"},
    "consumers": {"type": "dict"},
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "namespace": {"type": "str"},
    "workload": {"type": "str"},
    "selector": {"type": "str"},
    "restarts": {"type": "dict"},
    "timeout": {"type": "str"},
    "retries": {"type": "int"},
    "retry_delay": {"type": "str"},
    "latency_warn": {"type": "str"},
    "latency_fail": {"type": "str"},
    "critical": {"type": "bool"},
    "depends_on": {"type": "list", "elements": "str"},
    "layer": {"type": "str"},
}
# What a step of a critical path says; a target's ``steps``.
STEP_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "url": {"type": "str", "required": True},
    **{option: TARGET_OPTIONS[option] for option in (
        "method", "headers", "public_headers", "body", "status", "contains", "matches", "json", "header", "latency_fail")},
    "take": {"type": "dict"},
}
# What holds where neither a target nor ``defaults`` says anything; the module's documentation repeats it.
BUILT_IN = {
    "timeout": "10s", "retries": 0, "retry_delay": "200ms", "validate_certs": True, "follow_redirects": 0,
    "max_body": "1MiB", "critical": True, "method": "GET", "status": ("200-299",), "record": "A", "query": "SELECT 1",
    "ssl_mode": "prefer", "tls": False, "starttls": False, "addresses": "any", "max_age": "5m", "grpc_service": "", "base": "",
    "filter": "(objectClass=*)", "vhost": "/", "namespace": "default",
}
