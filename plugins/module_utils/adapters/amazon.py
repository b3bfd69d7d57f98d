# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose account of Amazon is used, and a client of one of its services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..core.errors import AccessDenied, CommandFailed, LibraryMissing, OpsError, Unreachable

# How its services call credentials that are unknown, expired, wrongly signed or without the right ("Common error types" of their API
# references; the names differ between the query and the JSON protocol).
_REFUSALS = frozenset({
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature",
    "IncompleteSignatureException", "InvalidClientTokenId", "InvalidSignatureException", "MissingAuthenticationToken",
    "MissingAuthenticationTokenException", "NotAuthorized", "OptInRequired", "SignatureDoesNotMatch", "UnrecognizedClientException",
})
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


@contextmanager
def translated(service: str, option: str, *, rights: str, known: Mapping[str, tuple[type[OpsError], str, str]]) -> Iterator[None]:
    """What Amazon or the network says, in our words. ``option`` is what the account is given by, ``rights`` what it needs; ``known``
    is by Amazon's code: which error it is, the sentence that Amazon's own words end, and the hint.

    :raises LibraryMissing: without boto3
    :raises AccessDenied, Unreachable, CommandFailed: and those of ``known``
    """
    try:
        import botocore.exceptions as amazon
    except ImportError as error:
        raise LibraryMissing("boto3") from error
    try:
        yield
    except amazon.ClientError as error:
        code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        evidence = {"code": code, "said": said[:1000]}
        if code in known:
            kind, sentence, hint = known[code]
            raise kind(f"{sentence}: {said}", hint=hint, evidence=evidence) from error
        if code in _REFUSALS:
            raise AccessDenied(f"{service} refuses: {said}", hint=f"See the account's rights: {rights}", evidence=evidence) from error
        raise CommandFailed(f"{service}: {code}: {said}", hint="See the AWS service health page", evidence=evidence) from error
    except (amazon.NoCredentialsError, amazon.PartialCredentialsError, amazon.ProfileNotFound) as error:
        raise AccessDenied(f"{service}: {error}",
                           hint=f"Give {option}.access_key and secret_key, a profile, or a role of the host") from error
    except amazon.NoRegionError as error:
        raise AccessDenied(f"{service}: no region was named", hint=f"Give {option}.region") from error
    except amazon.BotoCoreError as error:
        raise Unreachable(f"{service} cannot be reached: {error}", hint=f"See the network, a proxy, and {option}.endpoint_url") from error
