# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a bucket of S3 is named and reached: the option ``s3`` as a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption
from ..core.quantities import parse_duration, parse_size

# Of the option s3, which `storage.OPTIONS` holds; see the doc fragment repository.
SUBOPTIONS: dict[str, dict[str, Any]] = {
    "endpoint": {"type": "str"},
    "region": {"type": "str"},
    "access_key": {"type": "str", "no_log": False},
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
SCHEME = "s3://"


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
