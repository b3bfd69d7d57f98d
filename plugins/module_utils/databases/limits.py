# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of a database check: a pair of limits for each thing that is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import InvalidOption
from ..core.policy import Limits, duration, number, pair, pair_of, percentage, read_policy, size, status_word
from .clients import Expected

# Every key that takes {warn: …, fail: …}: how its values are written, and whether more is worse.
_PAIRS = {
    "connections_percent": (percentage, True), "connections": (number, True), "cache_hit_percent": (percentage, False),
    "transaction_age": (duration, True), "idle_in_transaction": (duration, True), "lock_wait": (duration, True),
    "query_mean": (duration, True), "query_p95": (duration, True), "statement_mean": (duration, True),
    "xid_age": (number, True), "multixact_age": (number, True), "replicas": (number, False),
    "replication_lag": (duration, True), "replication_lag_size": (size, True), "slot_retained": (size, True),
    "inactive_slot_retained": (size, True), "archive_backlog": (number, True), "archive_age": (duration, True),
    "invalid_indexes": (number, True), "deadlocks_per_day": (number, True), "checksum_failures": (number, True),
    "database_size": (size, True), "user_connections_percent": (percentage, True), "application_connections_percent": (percentage, True),
    "address_connections_percent": (percentage, True), "idle_session": (duration, True), "unencrypted_sessions": (number, True),
}
_SINGLES = {"cache_hit_sample": number, "statement_calls": number}


@dataclass(frozen=True)
class DatabaseLimits:
    """What ``postgresql_check`` judges by; what has no limits is read and reported, not judged.

    ``cache_hit_sample``: blocks that must have been asked for before the hit ratio means anything; ``statement_calls``: calls
    from which on a statement's mean time is judged; ``without_statements``: the status where pg_stat_statements is not to be
    had; ``settings``: for the status warn and fail the values that settings must have; ``clients``: for both who is expected.
    """

    pairs: Mapping[str, Limits] = field(default_factory=dict)
    cache_hit_sample: float = 0
    statement_calls: float = 1
    without_statements: str = "ignore"
    settings: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    clients: Mapping[str, Expected] = field(default_factory=dict)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> DatabaseLimits:
        """Read ``{key: {warn: …, fail: …}, cache_hit_sample: …, settings: {fail: {fsync: "on"}}, …}``.

        :raises InvalidOption: for an unknown key, a limit of the wrong kind, or warn beyond fail
        """
        readers = {key: pair(read, rising=rising) for key, (read, rising) in _PAIRS.items()}
        read = read_policy(options, {**readers, **_SINGLES, "without_statements": status_word, "settings": read_settings,
                                     "clients": pair_of(Expected.from_options)}, option="limits")
        pairs = {key: limits for key, limits in read.items() if key in _PAIRS}
        return cls(pairs, **{key: value for key, value in read.items() if key not in _PAIRS})

    def of(self, key: str) -> Limits:
        """The limits of a key; none where the policy is silent."""
        return self.pairs.get(key, Limits())

    def wants(self, key: str) -> bool:
        """Whether the policy says anything of a key."""
        return bool({"settings": self.settings, "clients": self.clients}.get(key, self.of(key)))

    def setting_names(self) -> list[str]:
        """The settings that have to be looked at."""
        return sorted({name for expected in self.settings.values() for name in expected})


def read_settings(value: Any, option: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """For the status warn and fail the values that settings must have.

    :raises InvalidOption: for what is no ``{fail: {fsync: "on"}}``
    """
    return pair_of(_expected)(value, option)


def _expected(value: Any, option: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise InvalidOption(f"{option}: {value!r} is not a dictionary", hint='Write it as {fsync: "on"}')
    return {name: tuple(_spelled(one) for one in (wanted if isinstance(wanted, (list, tuple)) else [wanted]))
            for name, wanted in value.items()}


def _spelled(value: Any) -> str:
    # YAML reads a bare on or off as a boolean.
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
