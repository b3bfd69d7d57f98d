# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A log's counts judged by limits, each as a number per day of what was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status
from ..core.policy import Limits, number, pair, percentage, read_policy, size, status_word
from .figures import most, most_bytes, shortened
from .log_review import Tally

_PAIRS = {
    **dict.fromkeys(("errors_per_day", "fatal_per_day", "crashes", "failed_logins_per_day", "failed_logins_per_source",
                     "frequent_checkpoints_per_day", "temporary_files_per_day", "deadlocks_per_day", "lock_waits_per_day",
                     "slow_statements_per_day"), number), "temporary_size_per_day": size, "unread_percent": percentage}


@dataclass(frozen=True)
class LogLimits:
    """What ``postgresql_log_review`` judges by. ``classes``: pairs by the beginning of a SQLSTATE; ``unfinished``: the status
    where the read limit left something for the next run.
    """

    pairs: Mapping[str, Limits] = field(default_factory=dict)
    classes: Mapping[str, Limits] = field(default_factory=dict)
    unfinished: str = "warn"

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> LogLimits:
        """Read ``{errors_per_day: {warn: 100}, classes: {"53": {fail: 0}}, …}``.

        :raises InvalidOption: for an unknown key or a value of the wrong kind
        """
        read = read_policy(options, {**{key: pair(reader) for key, reader in _PAIRS.items()}, "classes": _classes,
                                     "unfinished": status_word}, option="limits")
        return cls({key: value for key, value in read.items() if key in _PAIRS}, read.get("classes", {}), read.get("unfinished", "warn"))

    def of(self, key: str) -> Limits:
        """The limits of a key; none where the policy is silent."""
        return self.pairs.get(key, Limits())


def _classes(value: Any, option: str) -> dict[str, Limits]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) and 2 <= len(key) <= 5 and key.isalnum() for key in value):
        raise InvalidOption(f"{option}: {value!r} has no SQLSTATEs",
                            hint='Write a class or a code in quotes: {"53": {fail: 0}, "40P01": …}')
    return {key: pair(number)(limits, f"{option}.{key}") for key, limits in value.items()}


def judge_log(tally: Tally, limits: LogLimits, name: str, *, lines: int, unread: int, left: int) -> list[Finding]:
    """Findings ``database.log_…`` of one log, called ``name``; ``left`` are bytes that the read limit left for the next run."""
    share = round(100 * unread / lines, 2) if lines else 0.0
    allowed = limits.of("unread_percent")
    bound = allowed.fail if allowed.fail is not None else allowed.warn
    if bound is not None and share > bound:
        return [Finding("database.log", name, Status.UNKNOWN, f"{share:g}% of {lines} lines could not be understood", share, bound, "%",
                        hint="Give the format, and for stderr the line_prefix that the server has: SHOW log_line_prefix;")]
    findings = [Finding("database.log", name, Status.PASS, f"{tally.events} messages in {lines} lines", tally.events)]
    if left and limits.unfinished != "ignore":
        findings = [Finding("database.log", name, Status(limits.unfinished), f"{left} bytes are left for the next run", left, 0, "bytes",
                            hint="Run it more often, or raise read_limit")]
    days = tally.days

    def a_day(check: str, count: float, key: str, what: str, hint: str) -> list[Finding]:
        return most(f"log_{check}", name, round(count / days, 2), limits.of(key), unit="per day", what=what, hint=hint)

    messages = [f"{number:.0f}× {state} {message}" for (state, message), number in tally.messages.largest(3)]
    findings += a_day("errors", tally.severities["ERROR"], "errors_per_day", "the number of errors",
                      f"Most frequent: {'; '.join(messages)}")
    findings += a_day("fatal", tally.severities["FATAL"], "fatal_per_day", "the number of sessions that ended with FATAL",
                      f"Most frequent: {'; '.join(messages)}")
    findings += most("log_crashes", name, tally.crashes + tally.severities["PANIC"], limits.of("crashes"),
                     what="the number of crashes and panics",
                     hint="Read the log around it; see the kernel's log for the out-of-memory killer")
    findings += _by_class(tally, limits, name, days)
    findings += a_day("failed_logins", sum(count for _who, count in tally.logins.largest(1 << 20)), "failed_logins_per_day",
                      "the number of failed logins", "See who: the evidence names users and addresses")
    findings += _by_source(tally, limits, name, days)
    findings += a_day("checkpoints", tally.too_frequent, "frequent_checkpoints_per_day", "the number of checkpoints that came too soon",
                      "Raise max_wal_size: ALTER SYSTEM SET max_wal_size = …; SELECT pg_reload_conf();")
    findings += a_day("temporary_files", tally.temporary_files, "temporary_files_per_day", "the number of temporary files",
                      "Sorts and hashes do not fit: raise work_mem for those users, or add an index")
    findings += most_bytes("log_temporary_size", name, round(tally.temporary_bytes / days), limits.of("temporary_size_per_day"),
                           what="the size of temporary files in a day", hint="Raise work_mem for those users, or add an index")
    findings += a_day("deadlocks", tally.states["40P01"], "deadlocks_per_day", "the number of deadlocks",
                      "The log names the statements of each: let them lock in one order")
    findings += a_day("lock_waits", tally.lock_waits, "lock_waits_per_day", "the number of waits beyond deadlock_timeout",
                      f"The longest took {tally.longest_lock_wait:g}s: the log names who waited for whom")
    slow = [f"{statement!r} ({seconds:.3g}s)" for statement, seconds in tally.slow_seconds.largest(2)]
    return findings + a_day("slow_statements", tally.slow, "slow_statements_per_day", "the number of logged slow statements",
                            f"Most time: {'; '.join(slow)}; then EXPLAIN (ANALYZE, BUFFERS) them")


def _by_class(tally: Tally, limits: LogLimits, name: str, days: float) -> list[Finding]:
    findings = []
    for beginning, bounds in limits.classes.items():
        of_class = [(state, count) for state, count in tally.states.largest(1 << 20) if state.startswith(beginning)]
        message = next((message for (state, message), _count in tally.messages.largest(1 << 20) if state.startswith(beginning)), "")
        findings += most("log_class", f"{name}: {beginning}", round(sum(count for _state, count in of_class) / days, 2), bounds,
                         unit="per day", what=f"the number of errors of class {beginning}" + (f" ({message})" if message else ""),
                         hint="PostgreSQL's documentation, appendix A, says what the class means; the log has the statements")
    return findings


def _by_source(tally: Tally, limits: LogLimits, name: str, days: float) -> list[Finding]:
    bounds = limits.of("failed_logins_per_source")
    if not bounds:
        return []
    found = [finding for (user, address), count in tally.logins.largest(100) for finding in most(
        "log_failed_logins", f"{name}: {user} from {address or 'an unknown address'}", round(count / days, 2), bounds, unit="per day",
        what="the number of failed logins", hint="A client with an old password, or somebody who tries: ask, or refuse the address in "
        "pg_hba.conf") if finding.status is not Status.PASS]
    return shortened("log_failed_logins", name, found)
