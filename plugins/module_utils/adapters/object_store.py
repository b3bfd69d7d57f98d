# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bucket of S3: how to reach it, its requests, and its errors in our words. Needs boto3, which is imported when it is used."""

from __future__ import annotations

import base64
import errno
import hashlib
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from ..core.errors import AccessDenied, InvalidOption, LibraryMissing, NotFound, StorageFailed, TimedOut, Unreachable
from ..core.quantities import parse_duration, parse_size

# Of the option s3, which `storage.OPTIONS` holds; see the doc fragment repository.
SUBOPTIONS: dict[str, dict[str, Any]] = {
    "endpoint": {"type": "str"},
    "region": {"type": "str"},
    "access_key": {"type": "str"},
    "secret_key": {"type": "str", "no_log": True},
    "session_token": {"type": "str", "no_log": True},
    "credentials_file": {"type": "path"},
    "profile": {"type": "str"},
    "ca_cert": {"type": "path"},
    "addressing": {"type": "str", "choices": ["auto", "path", "virtual"], "default": "auto"},
    "storage_class": {"type": "str"},
    "lock_mode": {"type": "str", "choices": ["GOVERNANCE", "COMPLIANCE"]},
    "lock_for": {"type": "str"},
    "part_size": {"type": "str", "default": "16MiB"},
    "jobs": {"type": "int", "default": 4},
    "timeout": {"type": "str", "default": "30s"},
    "attempts": {"type": "int", "default": 4},
    "lease": {"type": "str", "default": "60s"},
}
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*", re.ASCII)
_SMALLEST_PART = 5 * 2**20  # Amazon S3 user guide, multipart upload limits
_MOST_PARTS = 10_000
SCHEME = "s3://"
# What the server says when a condition of a request does not hold, or is being decided for another request.
TAKEN = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_MISSING = ("NoSuchKey", "404", "NoSuchVersion")
_DENIED = ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "401",
           "AllAccessDisabled")
_FULL = ("XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage", "507")
_BUSY_SERVER = ("SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "503", "500", "XMinioServerNotInitialized")


@dataclass(frozen=True)
class StoreSettings:
    """How a bucket is reached and written. Durations in seconds, sizes in bytes.

    ``timeout`` is how long the server may be silent before an attempt is given up, ``attempts`` how often a request is made in
    all; ``lease`` for how long a run that says nothing more is believed to be alive.
    """

    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    session_token: str | None = None
    credentials_file: str | None = None
    profile: str | None = None
    ca_cert: str | None = None
    addressing: str = "auto"
    storage_class: str | None = None
    lock_mode: str | None = None
    lock_for: float | None = None
    part_size: int = 16 * 2**20
    jobs: int = 4
    timeout: float = 30.0
    attempts: int = 4
    lease: float = 60.0

    def __post_init__(self) -> None:
        if bool(self.access_key) != bool(self.secret_key):
            raise InvalidOption("s3: access_key and secret_key go together", hint="Give both, or neither for profile or environment")
        if bool(self.lock_mode) != bool(self.lock_for):
            raise InvalidOption("s3: lock_mode and lock_for go together", hint="Give both, or neither")
        if self.endpoint and not re.fullmatch(r"https?://[^\s/?#]+/?", self.endpoint):
            raise InvalidOption(f"s3.endpoint: {self.endpoint!r} is no address", hint="Write it as https://s3.example.com:9000")
        if self.part_size < _SMALLEST_PART:
            raise InvalidOption(f"s3.part_size: {self.part_size} bytes are too few", hint="Give 5MiB or more")
        for name, least in (("jobs", 1), ("attempts", 1), ("timeout", 0.1), ("lease", 3)):
            if getattr(self, name) < least:
                raise InvalidOption(f"s3.{name}: {getattr(self, name):g} is too little", hint=f"Give {least} or more")

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> StoreSettings:
        """Read the option ``s3``.

        :raises InvalidOption: for what is unknown, unreadable, negative, or not whole
        """
        unknown = sorted(set(options) - set(SUBOPTIONS))
        if unknown:
            raise InvalidOption(f"s3: unknown key {unknown[0]!r}", hint=f"Known are {', '.join(SUBOPTIONS)}")
        values = {name: value for name, value in options.items() if value is not None}
        for name in ("lock_for", "timeout", "lease"):
            if name in values:
                values[name] = parse_duration(values[name], option=f"s3.{name}")
        if "part_size" in values:
            values["part_size"] = parse_size(values["part_size"], option="s3.part_size")
        return cls(**values)


def split_url(url: str) -> tuple[str, str]:
    """``s3://bucket/prefix`` as bucket and prefix.

    :raises InvalidOption: for a bucket or prefix that cannot be one
    """
    bucket, _slash, prefix = url.removeprefix(SCHEME).rstrip("/").partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise InvalidOption(f"repository: {bucket!r} is no name of a bucket", hint="Write it as s3://bucket or s3://bucket/prefix")
    if prefix and (not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        raise InvalidOption(f"repository: {prefix!r} cannot be a prefix in a bucket",
                            hint="Use letters, digits and !_.*'()- between single slashes")
    return bucket, prefix


class Taken(Exception):
    """A condition of a request did not hold: there is an object already."""


class Bucket:
    """Requests to one bucket. ``where`` completes messages."""

    def __init__(self, name: str, settings: StoreSettings) -> None:
        self.name = name
        self.settings = settings

    @cached_property
    def client(self) -> Any:
        """Of boto3, made when it is first needed; thread-safe."""
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
            connect_timeout=min(10.0, settings.timeout), read_timeout=settings.timeout, signature_version="s3v4",
            retries={"mode": "standard", "total_max_attempts": settings.attempts}, max_pool_connections=2 * settings.jobs + 4,
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
    def errors(self, key: str) -> Iterator[None]:
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
        client = self.client
        with self.errors(key):
            return getattr(client, operation)(Bucket=self.name, **({"Key": key} if key else {}), **arguments)

    def put(self, key: str, data: bytes, *, once: bool = False, **arguments: Any) -> None:
        """A small object; with ``once`` only where there is none.

        :raises Taken: where there is one, and it is not what a repeated request of ours wrote
        """
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        try:
            self.call("put_object", key, Body=data, ChecksumSHA256=digest, **({"IfNoneMatch": "*"} if once else {}), **arguments)
        except Taken:
            # The answer to the request before may have been lost. What we write once is like nothing that others write.
            if self.get(key)[0] != data:
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
