# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lifecycle rules of a bucket for the backups below one prefix; the rules of others in the bucket are left as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption, StorageFailed
from ..core.quantities import parse_duration
from .object_place import TAG
from .object_store import Bucket

_DAY = 86400.0
_OWN = "evenkeel"
_NONE_YET = "NoSuchLifecycleConfiguration"


@dataclass(frozen=True)
class LifecyclePolicy:
    """Whole days; None where there is to be no such rule."""

    archive_after: int | None = None
    archive_class: str = "GLACIER"
    abort_uploads_after: int | None = None
    forget_versions_after: int | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> LifecyclePolicy:
        """Read ``archive_after``, ``abort_uploads_after``, ``forget_versions_after`` (durations) and ``archive_class``.

        :raises InvalidOption: for a duration that is not of whole days, one or more
        """
        days: dict[str, Any] = {}
        for name in ("archive_after", "abort_uploads_after", "forget_versions_after"):
            if options.get(name) is None:
                continue
            seconds = parse_duration(options[name], option=name)
            if seconds < _DAY or seconds % _DAY:
                raise InvalidOption(f"{name}: {options[name]} is not of whole days", hint="S3 counts in days: write 30d")
            days[name] = int(seconds // _DAY)
        return cls(archive_class=options["archive_class"], **days)


def rules_for(prefix: str, policy: LifecyclePolicy) -> list[dict[str, Any]]:
    """In the words of S3. Payload bears a tag and is archived; manifests and verifications can be read at any time."""
    rules: list[dict[str, Any]] = []

    def rule(name: str, within: Mapping[str, Any], **acts: Any) -> None:
        rules.append({"ID": f"{_OWN}:{prefix}:{name}", "Status": "Enabled", "Filter": dict(within), **acts})

    if policy.archive_after is not None:
        rule("archive", {"And": {"Prefix": prefix, "Tags": [{"Key": TAG[0], "Value": TAG[1]}]}},
             Transitions=[{"Days": policy.archive_after, "StorageClass": policy.archive_class}])
    if policy.abort_uploads_after is not None:
        rule("uploads", {"Prefix": prefix}, AbortIncompleteMultipartUpload={"DaysAfterInitiation": policy.abort_uploads_after})
    if policy.forget_versions_after is not None:
        rule("versions", {"Prefix": prefix}, NoncurrentVersionExpiration={"NoncurrentDays": policy.forget_versions_after})
    return rules


def merged(present: Sequence[Mapping[str, Any]], prefix: str, policy: LifecyclePolicy) -> list[dict[str, Any]]:
    """All rules as they are to be: ours for this prefix anew, all others as they are and before."""
    others = [dict(rule) for rule in present if not str(rule.get("ID", "")).startswith(f"{_OWN}:{prefix}:")]
    return others + rules_for(prefix, policy)


def read_rules(bucket: Bucket) -> list[dict[str, Any]]:
    """The rules of the bucket; none where it has none.

    :raises OpsError: when they cannot be read
    """
    try:
        return list(bucket.call("get_bucket_lifecycle_configuration").get("Rules", []))
    except StorageFailed as error:
        if error.evidence.get("code") == _NONE_YET:
            return []
        raise


def write_rules(bucket: Bucket, rules: Sequence[Mapping[str, Any]]) -> None:
    """Put them in place of all that are there.

    :raises OpsError: when the server does not take them
    """
    if rules:
        bucket.call("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": list(rules)})
    else:
        bucket.call("delete_bucket_lifecycle")


def same(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> bool:
    """Whether two lists of rules say the same, in whatever order; servers add empty fields of their own."""
    return sorted(map(_plain, one)) == sorted(map(_plain, other))


def _plain(rule: Any) -> str:
    if isinstance(rule, Mapping):
        return repr(sorted((str(key), _plain(value)) for key, value in rule.items() if value not in (None, "", [], {})))
    if isinstance(rule, list | tuple):
        return repr(sorted(map(_plain, rule)))
    return str(rule)
