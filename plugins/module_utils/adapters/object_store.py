# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bucket of S3: its requests, and its errors in our words. Needs boto3, which is imported when it is used."""

from __future__ import annotations

import base64
import errno
import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from threading import BoundedSemaphore
from typing import Any

from ..core.errors import AccessDenied, InvalidOption, LibraryMissing, NotFound, StorageFailed, TimedOut, Unreachable
from .object_settings import SCHEME, StoreSettings

_MOST_PARTS = 10_000  # Amazon S3 user guide, multipart upload limits
_BRIEFLY = 3.0
# What the server says when a condition of a request does not hold, or is being decided for another request.
TAKEN = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_MISSING = ("NoSuchKey", "404", "NoSuchVersion")
_DENIED = ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "401",
           "AllAccessDisabled")
_FULL = ("XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage", "507")
_BUSY_SERVER = ("SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "503", "500", "XMinioServerNotInitialized")


class Taken(Exception):
    """A condition of a request did not hold: there is an object already."""


class Bucket:
    """Requests to one bucket. ``where`` completes messages."""

    def __init__(self, name: str, settings: StoreSettings) -> None:
        self.name = name
        self.settings = settings
        self._lost = False
        # Parts in memory, of however many files at once.
        self.room = BoundedSemaphore(settings.jobs + 1)

    @cached_property
    def client(self) -> Any:
        """Of boto3, made when it is first needed; thread-safe."""
        return self._connect(self.settings.timeout, self.settings.attempts)

    @cached_property
    def _hasty_client(self) -> Any:
        """For a server that was given up just now: what is left to do then (to throw parts away, to give a lease back) is tried once
        and briefly, for the next run does it too.
        """
        return self._connect(min(self.settings.timeout, _BRIEFLY), 1)

    def _connect(self, timeout: float, attempts: int) -> Any:
        try:
            import boto3
            import botocore.session
            from botocore.config import Config
            from botocore.exceptions import ProfileNotFound
        except ImportError as error:
            raise LibraryMissing("boto3") from error
        settings, core = self.settings, botocore.session.Session()
        if settings.credentials_file:
            core.set_config_variable("credentials_file", settings.credentials_file)
        config = Config(
            connect_timeout=min(10.0, timeout), read_timeout=timeout, signature_version="s3v4",
            retries={"mode": "standard", "total_max_attempts": attempts}, max_pool_connections=2 * settings.jobs + 4,
            # Every body that we send has its SHA-256 in a signed header, so it need not be hashed a second time to be signed.
            s3={"addressing_style": settings.addressing, "payload_signing_enabled": False},
            request_checksum_calculation="when_required", response_checksum_validation="when_required")
        try:
            session = boto3.session.Session(
                settings.access_key, settings.secret_key, settings.session_token, profile_name=settings.profile, botocore_session=core,
                region_name=settings.region or (None if not settings.endpoint else core.get_config_variable("region") or "us-east-1"))
            return session.client("s3", endpoint_url=settings.endpoint, config=config, verify=settings.ca_cert or None)
        except ProfileNotFound as error:
            raise InvalidOption(f"s3.profile: {error}", hint="Correct profile or credentials_file") from error

    @cached_property
    def pool(self) -> ThreadPoolExecutor:
        """For the parts of large files."""
        return ThreadPoolExecutor(self.settings.jobs, thread_name_prefix="s3")

    @contextmanager
    def errors(self, key: str = "") -> Iterator[None]:
        """Errors of boto3 in our words.

        :raises FileNotFoundError: for an object that is not there
        :raises Taken: for a condition that did not hold
        :raises OpsError: for everything else
        """
        from botocore import exceptions as boto
        where = f"{SCHEME}{self.name}/{key}"
        told = {"path": where, "endpoint": self.settings.endpoint or "AWS"}
        try:
            yield
        except boto.ClientError as error:
            raise _refused(error, where, self.name, told) from error
        except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError) as error:
            raise AccessDenied(f"{where}: {error}", evidence=told,
                               hint="Give s3.access_key and secret_key, or a profile, or set them in the environment") from error
        except (boto.ReadTimeoutError, boto.ConnectTimeoutError) as error:
            raise TimedOut(f"{where}: no answer within {self.settings.timeout:g} s, {self.settings.attempts} times", evidence=told,
                           hint="See whether the server is up and the network whole; the next run repairs what was begun") from error
        except boto.SSLError as error:
            raise Unreachable(f"{where}: {error}", evidence=told, hint="Name the authority of the server in s3.ca_cert") from error
        except (boto.HTTPClientError, boto.ConnectionError) as error:
            raise Unreachable(f"{where}: {error}", evidence=told,
                              hint="See whether the server is up and the network whole; the next run repairs what was begun") from error
        except boto.NoRegionError as error:
            raise InvalidOption("s3.region is not given", hint="Name the bucket's region, such as eu-central-1") from error
        except boto.BotoCoreError as error:
            raise StorageFailed(f"{where}: {error}", evidence=told, hint="See the message; correct the option s3") from error

    def call(self, operation: str, key: str = "", **arguments: Any) -> dict[str, Any]:
        """One request, named as boto3 does (``put_object``); ``key`` is its object, where it has one."""
        client = self._hasty_client if self._lost else self.client
        lost = False
        try:
            with self.errors(key):
                return getattr(client, operation)(Bucket=self.name, **({"Key": key} if key else {}), **arguments)
        except (TimedOut, Unreachable):
            lost = True
            raise
        finally:
            self._lost = lost

    def put(self, key: str, data: bytes, *, once: bool = False, **arguments: Any) -> None:
        """A small object; with ``once`` only where there is none.

        :raises Taken: where there is one, and it is not what a repeated request of ours wrote
        """
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        try:
            self.call("put_object", key, Body=data, ChecksumAlgorithm="SHA256", ChecksumSHA256=digest,
                      **({"IfNoneMatch": "*"} if once else {}), **arguments)
        except Taken:
            # The answer to the request before may have been lost. What we write once is like nothing that others write.
            try:
                ours = self.get(key)[0] == data
            except FileNotFoundError:  # it is being written by another just now
                ours = False
            if not ours:
                raise

    def get(self, key: str) -> tuple[bytes, dict[str, Any]]:
        """A small object, and the answer's other fields."""
        answer = self.call("get_object", key)
        with self.errors(key):
            return answer["Body"].read(), answer

    def objects(self, prefix: str) -> tuple[list[dict[str, Any]], datetime]:
        """Every object below a prefix (``Key``, ``Size``, ``LastModified``), and the instant by the server's clock."""
        found, token, now = [], None, None
        while True:
            answer = self.call("list_objects_v2", Prefix=prefix, **({"ContinuationToken": token} if token else {}))
            now = now or server_time(answer)
            found += answer.get("Contents", [])
            token = answer.get("NextContinuationToken")
            if not token:
                return found, now

    def level(self, prefix: str) -> tuple[list[str], list[str]]:
        """The names of folders and of objects directly below a prefix that ends with a slash."""
        folders, names, token = [], [], None
        while True:
            answer = self.call("list_objects_v2", Prefix=prefix, Delimiter="/", **({"ContinuationToken": token} if token else {}))
            folders += [one["Prefix"][len(prefix):-1] for one in answer.get("CommonPrefixes", [])]
            names += [one["Key"][len(prefix):] for one in answer.get("Contents", []) if one["Key"] != prefix]
            token = answer.get("NextContinuationToken")
            if not token:
                return sorted(folders), sorted(names)

    def delete(self, keys: list[str]) -> None:
        """Delete objects; what is not there is no error."""
        for first in range(0, len(keys), 1000):
            answer = self.call("delete_objects", Delete={"Objects": [{"Key": key} for key in keys[first:first + 1000]], "Quiet": True})
            for trouble in answer.get("Errors", []):
                raise StorageFailed(f"{SCHEME}{self.name}/{trouble.get('Key')} cannot be deleted: {trouble.get('Message')}",
                                    hint="Give this account the right to delete there; the next run deletes the rest")

    def lock(self, now: datetime) -> dict[str, Any]:
        """What a request says for an object that is to be locked."""
        if not self.settings.lock_mode or not self.settings.lock_for:
            return {}
        return {"ObjectLockMode": self.settings.lock_mode, "ObjectLockRetainUntilDate": now + timedelta(seconds=self.settings.lock_for)}

    def part_size(self, size: int) -> int:
        """That suits a file."""
        return max(self.settings.part_size, -(-size // _MOST_PARTS))


def server_time(answer: Mapping[str, Any]) -> datetime:
    """The instant of an answer, by the server's clock."""
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(said) if said else datetime.now(timezone.utc)


def _refused(error: Any, where: str, bucket: str, told: dict[str, Any]) -> Exception:
    code, message = str(error.response.get("Error", {}).get("Code", "")), str(error.response.get("Error", {}).get("Message", ""))
    told = {**told, "code": code}
    if code in TAKEN:
        return Taken(where)
    if code in _MISSING:
        return FileNotFoundError(errno.ENOENT, "No such object", where)
    if code == "NoSuchBucket":
        return NotFound(f"There is no bucket {bucket}", hint="Create it, or correct repository, s3.endpoint or s3.region", evidence=told)
    if code in _DENIED:
        return AccessDenied(f"{where}: {message or code}", hint="Correct the credentials, or give this account the right", evidence=told)
    if code in _FULL:
        return StorageFailed(f"{where}: {message or code}", hint="Free space there or raise the quota, then run again", evidence=told)
    if code == "RequestTimeTooSkewed":
        return StorageFailed(f"{where}: {message}", hint="Set the clock of this host (chronyc tracking)", evidence=told)
    if code == "InvalidObjectState":
        return StorageFailed(f"{where} is in an archive storage class", evidence=told,
                             hint="Have it brought back first (aws s3api restore-object), which takes hours, then run again")
    if code in _BUSY_SERVER:
        return Unreachable(f"{where}: {message or code}", hint="The server cannot serve now: see its state, run again", evidence=told)
    return StorageFailed(f"{where}: {code}: {message}", hint="See what the server says; correct the option s3 or the bucket", evidence=told)
