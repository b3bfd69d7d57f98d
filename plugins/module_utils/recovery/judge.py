# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Did the drill prove the backup? Pure judgements; each gives the findings of one question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.finding import Finding, Status, at_most
from .differences import Difference
from .policy import Assertion, DrillPolicy

# Errors of pg_restore that say something of the server it restored into and nothing of what was restored.
_OTHER_SERVER = re.compile(r'unrecognized configuration parameter "')  # pg_dump of a newer major sets what is unknown here
_OTHER_CLUSTER = re.compile(r'role "[^"]*" does not exist')  # roles are not part of a database's dump
_NAMED = 10
_OBJECTIVES = ("recovery.rto", "recovery.rpo", "recovery.performance")
# What a backup is made of, by the kinds of differences.
_MEMBERS = ("table", "file", "object", "collection", "model", "model file")


@dataclass(frozen=True)
class Comparison:
    """What came of comparing a backup's contents with what was restored: ``compared`` tables (or files) were looked at."""

    compared: int
    differences: tuple[Difference, ...] = ()
    of: str = "tables"

    @property
    def names(self) -> list[str]:
        """The tables, files, collections or models that are not the same."""
        return list(dict.fromkeys(one.name for one in self.differences
                                  if one.verdict == "different" and one.kind in _MEMBERS))

    @property
    def proves(self) -> bool:
        """Whether everything was compared and is the same."""
        return self.compared > 0 and all(one.verdict == "notice" for one in self.differences)


def judge_data(subject: str, comparison: Comparison | None, *, assertions: int = 0) -> list[Finding]:
    """``recovery.data``; None is a backup without a fingerprint, for which at most the operator's assertions can speak."""
    check = "recovery.data"
    if comparison is None and assertions:
        return [Finding(check, subject, Status.WARN, f"the backup has no fingerprint: only {assertions} assertions speak for it",
                        hint="Make backups with fingerprint sampled or full")]
    if comparison is None:
        return [Finding(check, subject, Status.UNKNOWN, "the backup has no fingerprint: what was restored was compared with nothing",
                        hint="Make backups with fingerprint sampled or full, or say what must hold in assertions")]
    different = [one for one in comparison.differences if one.verdict == "different"]
    unknown = [one for one in comparison.differences if one.verdict == "unknown"]
    if different:
        return [Finding(check, subject, Status.FAIL, _listed(different), len(different), 0, "differences",
                        "Do not count on this backup: restore from another, and find out why (see docs/recovery.md)")]
    if unknown:
        return [Finding(check, subject, Status.UNKNOWN, _listed(unknown), len(unknown), 0, "not compared",
                        "Make a new backup with this version and drill that")]
    if comparison.compared == 0:
        return [Finding(check, subject, Status.PASS, f"the backup holds no {comparison.of}, and neither does the restored copy", 0)]
    notices = f"; {_listed(comparison.differences)}" if comparison.differences else ""
    return [Finding(check, subject, Status.PASS, f"all {comparison.compared} {comparison.of} are as they were backed up{notices}",
                    0, 0, "differences")]


def judge_restore(subject: str, errors: Sequence[str], error_count: int, comparison: Comparison | None) -> list[Finding]:
    """``recovery.restore``: what pg_restore counted as errors, in the light of what arrived."""
    check, unit = "recovery.restore", "errors"
    if error_count == 0:
        return [Finding(check, subject, Status.PASS, "pg_restore had no errors", 0, 0, unit)]
    said = "; ".join(list(dict.fromkeys(errors))[:3]) or "it did not say which"
    explained = len(errors) == error_count and all(_OTHER_SERVER.search(one) or _OTHER_CLUSTER.search(one) for one in errors)
    if not explained or comparison is None or not comparison.proves:
        return [Finding(check, subject, Status.FAIL, f"pg_restore had {error_count} errors: {said}", error_count, 0, unit,
                        "Something was not made anew: install what the dump needs on this host (extensions, locales), drill again")]
    if any(_OTHER_CLUSTER.search(one) for one in errors):
        return [Finding(check, subject, Status.WARN, f"all rows arrived, but rules for missing roles did not: {said}",
                        error_count, 0, unit, "Keep the roles with the backup (pg_dumpall --roles-only): a restore needs them first")]
    return [Finding(check, subject, Status.PASS,
                    f"all rows arrived; {error_count} times pg_restore set what this server does not know: {said}",
                    error_count, error_count, unit)]


def judge_amcheck(subject: str, checked: int, corrupt: Mapping[str, str], not_checked: str) -> list[Finding]:
    """``recovery.amcheck``: ``corrupt`` is relation to what amcheck says, ``not_checked`` why it could not look."""
    check = "recovery.amcheck"
    if corrupt:
        named = "; ".join(f"{name}: {said}" for name, said in list(corrupt.items())[:_NAMED])
        return [Finding(check, subject, Status.FAIL, f"amcheck found {len(corrupt)} corrupt relations: {named}", len(corrupt), 0,
                        "relations", "If another drill of this backup finds the same, suspect collations or operator classes; "
                        "if not, suspect this host's memory and disks")]
    if not_checked:
        return [Finding(check, subject, Status.UNKNOWN, f"heap and indexes were not checked: {not_checked}", None, 0, "relations",
                        "Install PostgreSQL's contrib modules on this host (package postgresql-contrib), or set amcheck to false")]
    return [Finding(check, subject, Status.PASS, f"amcheck found nothing in {checked} tables and indexes", 0, 0, "relations")]


def judge_assertion(subject: str, assertion: Assertion, value: Any, error: str = "", *, seconds: float | None = None) -> list[Finding]:
    """``recovery.assertion``, or ``recovery.security`` for one that speaks for security, and ``recovery.performance`` where the
    answer is to come within a time; it took ``seconds``. ``error`` is why there was none.
    """
    check = "recovery.security" if assertion.of == "security" else "recovery.assertion"
    name = f"{subject}: {assertion.name}"
    expected, observed = _plain(assertion.expected), _plain(value)
    if error:
        finding = Finding(check, name, Status.UNKNOWN, f"the query gave no answer: {error}", None, expected,
                          hint="Run it by hand on the source; correct it in the policy")
    elif assertion.holds(value):
        finding = Finding(check, name, Status.PASS, f"it is {observed}, as expected", observed, expected)
    else:
        finding = Finding(check, name, Status.FAIL, f"it is {observed}, expected was {expected}", observed, expected,
                          hint="Ask the source the same: if it answers as expected, do not count on this backup")
    if assertion.within is None:
        return [finding]
    return [finding, at_most("recovery.performance", name, None if error else seconds, fail=assertion.within, unit="s",
                             what="time to answer", hint="Explain the query here and on the source: an index or statistics may be missing")]


def judge_objectives(subject: str, policy: DrillPolicy, *, rto: float | None, rpo: float | None) -> list[Finding]:
    """``recovery.rto`` and ``recovery.rpo``, in seconds, each where there is an objective."""
    findings = []
    if policy.rto is not None:
        findings.append(at_most("recovery.rto", subject, rto, fail=policy.rto, unit="s", what="time to recover",
                                hint="See which phase takes it; more jobs, faster disks, or a physical backup are shorter"))
    if policy.rpo is not None:
        findings.append(at_most("recovery.rpo", subject, rpo, fail=policy.rpo, unit="s", what="age of the newest data",
                                hint="Back up more often, or archive the WAL: what is younger would be lost"))
    return findings


def proof(findings: Iterable[Finding]) -> Status:
    """Whether the drill proved the backup. Objectives are the plan's affair: a slow restore is a good backup all the same."""
    decisive = [finding.status for finding in findings if finding.check not in _OBJECTIVES]
    for status in (Status.FAIL, Status.UNKNOWN):
        if status in decisive:
            return status
    return Status.PASS if decisive else Status.UNKNOWN


def _listed(differences: Sequence[Difference]) -> str:
    more = f" and {len(differences) - _NAMED} more" if len(differences) > _NAMED else ""
    return "; ".join(one.message for one in differences[:_NAMED]) + more


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
