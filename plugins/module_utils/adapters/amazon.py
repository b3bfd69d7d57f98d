# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose account of Amazon is used, and a client of one of its services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.errors import LibraryMissing

# Suboptions of every option that names a service.
ACCOUNT: dict[str, dict[str, Any]] = {
    "profile": {"type": "str"},
    "access_key": {"type": "str", "no_log": False},
    "secret_key": {"type": "str", "no_log": True},
    "session_token": {"type": "str", "no_log": True},
    "endpoint_url": {"type": "str"},
    "ca_cert": {"type": "path"},
}


def client_of(service: str, options: Mapping[str, Any], *, region: str | None, timeout: float = 30) -> Any:
    """A client of boto3 for a service; ``options`` are those of `ACCOUNT`, ``timeout`` seconds are for one answer.

    :raises LibraryMissing: without boto3
    :raises botocore.exceptions.BotoCoreError, ValueError: where region, profile or address make no sense
    """
    try:
        import boto3
        import botocore.config
    except ImportError as error:
        raise LibraryMissing("boto3") from error
    session = boto3.session.Session(
        profile_name=options.get("profile") or None, region_name=region or None,
        aws_access_key_id=options.get("access_key") or None, aws_secret_access_key=options.get("secret_key") or None,
        aws_session_token=options.get("session_token") or None)
    return session.client(
        service, endpoint_url=options.get("endpoint_url") or None, verify=options.get("ca_cert") or None,
        config=botocore.config.Config(connect_timeout=min(10, timeout), read_timeout=min(30, timeout), retries={"mode": "standard"}))
