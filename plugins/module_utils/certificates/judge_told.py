# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others say of a certificate, judged: the place that keeps it, its authority, its names' zones, and who shows it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..core.finding import Finding, Status
from .facts import Certificate, Observation, Problem, Told

_STATUS = {"good": Status.PASS, "bad": Status.FAIL, "unknown": Status.UNKNOWN}


def judge_record(observation: Observation) -> Iterator[Finding]:
    """``certificate.record``: what the place that keeps it says of it, such as that its renewal fails."""
    if observation.record:
        yield _finding("certificate.record", observation, observation.record, "good")


def judge_told(observation: Observation) -> Iterator[Finding]:
    """``certificate.revocation``, ``certificate.stapling`` and ``certificate.caa``, each where it was asked."""
    amiss = [told for told in observation.revocation if told.word != "good"]
    for told in amiss or observation.revocation[:1]:
        yield _finding("certificate.revocation", observation, told, "not revoked")
    if observation.stapling:
        yield _finding("certificate.stapling", observation, observation.stapling, "good")
    for name, issuers in observation.caa:
        yield _caa(observation, name, issuers)


def judge_served(observations: Sequence[Observation]) -> Iterator[Finding]:
    """``certificate.served``: whether each endpoint shows the very certificate of the place that it belongs to.

    An endpoint that could not be looked at has said so already; a place that could not be read makes it unknown.
    """
    for shown in observations:
        place = shown.source.place
        if place is None or shown.problem or not shown.certificates:
            continue
        held = next((one for one in observations if one.source is place), None)
        if held is None or held.problem or not held.certificates:
            yield Finding("certificate.served", shown.subject, Status.UNKNOWN, f"what {place.subject} holds could not be read: what "
                          "is shown cannot be compared", hint="See the finding of that place")
            continue
        yield _served(shown, held)


def _served(shown: Observation, held: Observation) -> Finding:
    check, subject = "certificate.served", shown.subject
    seen = shown.certificates[shown.leaves[0] if shown.leaves else 0]
    kept = [held.certificates[leaf] for leaf in held.leaves]
    if any(seen.fingerprint == one.fingerprint for one in kept):
        return Finding(check, subject, Status.PASS, f"it shows the certificate of {held.subject}", seen.serial, seen.serial)
    wanted = max(kept or held.certificates[:1], key=lambda one: one.not_before)
    if wanted.not_before >= seen.not_before:
        return Finding(check, subject, Status.FAIL, f"renewed but not served: it shows {_told(seen)}; {held.subject} has {_told(wanted)}",
                       seen.serial, wanted.serial, hint="Reload the service, on every node; see that it reads that very place")
    return Finding(check, subject, Status.FAIL, f"it shows {_told(seen)}, newer than what {held.subject} has, {_told(wanted)}",
                   seen.serial, wanted.serial, hint="Install the served one there too: the next restart may bring the older one back")


def _told(certificate: Certificate) -> str:
    return f"serial {certificate.serial}, valid from {certificate.not_before:%Y-%m-%d %H:%M} to {certificate.not_after:%Y-%m-%d %H:%M} UTC"


def _caa(observation: Observation, name: str, issuers: frozenset[str] | Problem | None) -> Finding:
    check, subject, wanted = "certificate.caa", observation.subject, observation.source.policy.caa_issuers or frozenset()
    if isinstance(issuers, Problem):
        return Finding(check, subject, Status.UNKNOWN, f"the CAA records of {name} could not be asked for: {issuers.message}",
                       limit=sorted(wanted), hint=issuers.hint)
    if issuers is None:
        return Finding(check, subject, Status.FAIL, f"{name} has no CAA record: every authority may issue for it", [], sorted(wanted),
                       hint=f"Add CAA records with issue {', '.join(sorted(wanted))}, to the name or to the zone above it")
    seen, missing, others = sorted(issuers), sorted(wanted - issuers), sorted(issuers - wanted)
    if missing:
        return Finding(check, subject, Status.FAIL, f"the CAA records of {name} do not let {', '.join(missing)} issue for it", seen,
                       sorted(wanted), hint="Add it to the records before the next renewal, which would be refused")
    if others:
        return Finding(check, subject, Status.FAIL, f"the CAA records of {name} let {', '.join(others)} issue for it too", seen,
                       sorted(wanted), hint="Take it out of the records, or name it in caa_issuers")
    return Finding(check, subject, Status.PASS, f"only {', '.join(seen)} may issue for {name}", seen, sorted(wanted))


def _finding(check: str, observation: Observation, told: Told, limit: str) -> Finding:
    return Finding(check, observation.subject, _STATUS[told.word], told.message, told.observed or told.word, limit, hint=told.hint)
