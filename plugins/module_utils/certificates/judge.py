# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a certificate good, and for how long? A pure judgement of what was seen, by a policy, at an instant."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..core.clock import format_instant
from ..core.finding import Finding, Status, at_least, at_most, worst
from .facts import Certificate, Observation
from .judge_told import judge_record, judge_served, judge_told
from .policy import PROTOCOLS

_CHAIN = {
    "incomplete chain": ("its issuer, {issuer}, was not sent along and is not trusted",
                         "Add the intermediate certificates to the file that the server sends, its own first; if the issuer is "
                         "a root of your own, name it in ca_cert"),
    "unknown authority": ("no trusted authority stands behind it; the path ends at {at}",
                          "Name the authority in ca_cert if it is yours; else get a certificate from one that clients trust, "
                          "or send the intermediate that is missing above"),
    "expired": ("the authority {at} in its path has expired", "Replace the intermediate certificate with its current issue"),
    "not yet valid": ("the authority {at} in its path is not valid yet", "Compare the clock of this host (timedatectl)"),
    "bad signature": ("the signature on {at} was not made by its issuer", "Install the intermediate that belongs to this "
                      "certificate; if it does, the certificate was altered: have it issued again"),
    "not an authority": ("{at} is used as an authority and is none", "Send the intermediate that really issued the certificate"),
}


@dataclass(frozen=True)
class _Judged:
    """A finding and the position of the certificate that it is about; None is all leaves."""

    finding: Finding
    position: int | None = None


def judge(observations: Iterable[Observation], now: datetime) -> tuple[list[Finding], list[dict[str, Any]]]:
    """Findings, and the certificates by days left, each in the shape that docs/architecture.md gives.

    A check that every certificate of a file or endpoint passes is one finding; a certificate that does not pass has
    its own. Listed are the leaves, authorities that something is wrong with, and all of a file without leaves.
    ``days_left`` is in days, rounded down to a tenth; below zero since the expiry.
    """
    findings: list[Finding] = []
    listed: list[dict[str, Any]] = []
    observations = list(observations)
    for observation in observations:
        findings.extend(judge_record(observation))
        if observation.problem:
            findings.append(Finding("certificate.reachable", observation.subject, Status.UNKNOWN, observation.problem.message,
                                    hint=observation.problem.hint))
            continue
        if not observation.certificates:
            continue  # there is a record of one, and none yet
        judged = [*_each(observation, now), *_whole(observation), *(_Judged(finding) for finding in judge_told(observation))]
        findings.extend(one.finding for one in judged)
        listed.extend(_listed(observation, judged, now))
    findings.extend(judge_served(observations))
    return findings, sorted(listed, key=lambda one: (one["days_left"], one["source"], one["subject"]))


def days_left(certificate: Certificate, now: datetime) -> float:
    """Days until it expires, rounded down to a tenth."""
    return math.floor((certificate.not_after - now) / timedelta(days=0.1)) / 10


def _each(observation: Observation, now: datetime) -> list[_Judged]:
    """Checks that every certificate has to pass, folded to one finding where all do."""
    kept: list[_Judged] = []
    for check in (_expiry, _lifetime, _key, _signature):
        judged = [_Judged(finding, position) for position in range(len(observation.certificates))
                  if (finding := check(observation, position, now)) is not None]
        amiss = [one for one in judged if one.finding.status is not Status.PASS]
        # Of passes the leaf's own speaks for all, but of days left the fewest.
        spoken = sorted(judged, key=lambda one: (one.position not in observation.leaves) if check is not _expiry
                        else one.finding.observed)
        kept.extend(amiss or spoken[:1])
    return kept


def _expiry(observation: Observation, position: int, now: datetime) -> Finding | None:
    certificate, policy = observation.certificates[position], observation.source.policy
    check, subject, who = "certificate.expiry", observation.subject, _who(observation, position)
    left = days_left(certificate, now)
    hint = "Renew it, install it and reload the service" if position in observation.leaves else \
        "Ask the authority for its current certificate, and replace it in the chain"
    limit = policy.fail_days if policy.fail_days is not None else policy.warn_days
    if now > certificate.not_after:  # the last second still counts (RFC 5280, 4.1.2.5)
        return Finding(check, subject, Status.FAIL, f"{who} expired {-left:g} days ago, at {_instant(certificate.not_after)}",
                       left, limit or 0, "days", hint)
    if now < certificate.not_before:
        return Finding(check, subject, Status.FAIL, f"{who} is not valid before {_instant(certificate.not_before)}", left, limit or 0,
                       "days", "Compare the clock of this host (timedatectl); if it is right, install the certificate that is valid now")
    return at_least(check, subject, left, warn=policy.warn_days, fail=policy.fail_days, unit="days",
                    what=f"time left of {who}", hint=hint)


def _lifetime(observation: Observation, position: int, now: datetime) -> Finding | None:
    certificate, limit = observation.certificates[position], observation.source.policy.max_age_days
    if limit is None or (certificate.authority and not (certificate.self_signed and position in observation.leaves)):
        return None  # authorities live for years; a server certificate that calls itself one does not get away with it
    days = round((certificate.not_after - certificate.not_before) / timedelta(days=1), 1)
    return at_most("certificate.lifetime", observation.subject, days, fail=limit, unit="days",
                   what=f"lifetime of {_who(observation, position)}",
                   hint="Have it issued for a shorter time, and renew it by a timer")


def _key(observation: Observation, position: int, now: datetime) -> Finding | None:
    certificate, policy = observation.certificates[position], observation.source.policy
    limit = policy.min_rsa_bits if certificate.key_kind in ("RSA", "DSA") else policy.min_ec_bits
    if limit is None:
        return None
    return at_least("certificate.key", observation.subject, certificate.key_bits, fail=limit, unit="bits",
                    what=f"size of the {certificate.key_kind} key of {_who(observation, position)}",
                    hint="Make a new key and have the certificate issued for it")


def _signature(observation: Observation, position: int, now: datetime) -> Finding | None:
    certificate, allowed = observation.certificates[position], observation.source.policy.signature_hashes
    if allowed is None or certificate.root:
        return None
    good, who = certificate.signature in allowed, _who(observation, position)
    return Finding("certificate.signature", observation.subject, Status.PASS if good else Status.FAIL,
                   f"{who} is signed with {certificate.signature}" + ("" if good else ", which the policy does not allow"),
                   certificate.signature, sorted(allowed), hint="" if good else "Have it issued again with SHA-256 or better")


def _whole(observation: Observation) -> Iterable[_Judged]:
    """Checks of the source as such."""
    source, subject = observation.source, observation.subject
    for position, word, at in observation.chain_faults:
        if word != "self-signed":  # which is the next finding
            yield _Judged(_chain(observation, position, word, at), position)
    for position in observation.leaves:
        if observation.certificates[position].self_signed:
            yield _Judged(_self_signed(observation, position), position)
    hosts = source.hosts or observation.hosts
    if hosts and source.policy.verify_host:
        names = sorted({name for leaf in observation.leaves for name in observation.certificates[leaf].names})
        if observation.uncovered:
            yield _Judged(Finding(
                "certificate.host_name", subject, Status.FAIL,
                f"the certificate is not valid for {', '.join(observation.uncovered)}, only for {', '.join(names[:10]) or 'no name'}",
                names, list(hosts), hint="Have it issued with these names in subjectAltName; for an endpoint, "
                "see also whether the server chose another certificate (server_name)"))
        else:
            yield _Judged(Finding("certificate.host_name", subject, Status.PASS,
                                  f"the certificate is valid for {', '.join(hosts)}", names, list(hosts)))
    if observation.key_problem:
        yield _Judged(Finding("certificate.key_match", subject, Status.UNKNOWN, observation.key_problem.message,
                              hint=observation.key_problem.hint))
    elif observation.key_matches is not None:
        yield _Judged(Finding("certificate.key_match", subject, Status.PASS, "the private key belongs to the certificate", True, True)
                      if observation.key_matches else
                      Finding("certificate.key_match", subject, Status.FAIL, "the private key does not belong to the certificate",
                              False, True, hint="Install the key that the certificate was requested with, or request a new one"))
    if observation.protocol is not None and source.policy.min_protocol is not None:
        yield _Judged(_protocol(observation, source.policy.min_protocol))


def _chain(observation: Observation, position: int, word: str, at: str) -> Finding:
    check, subject, limit = "certificate.chain", observation.subject, "trusted"
    certificate = observation.certificates[position]
    if not word:
        return Finding(check, subject, Status.PASS, "a trusted authority stands behind it", "trusted", limit)
    message, hint = _CHAIN.get(word, (f"OpenSSL does not accept it: {word}", "Look at it with openssl verify, and have it issued again"))
    return Finding(check, subject, Status.FAIL, f"{word}: {message.format(issuer=certificate.issuer, at=at)}"
                   if word in _CHAIN else message, word, limit, hint=hint)


def _self_signed(observation: Observation, position: int) -> Finding:
    check, subject = "certificate.self_signed", observation.subject
    trusted = any(leaf == position and not word for leaf, word, _at in observation.chain_faults)
    if trusted or observation.source.policy.allow_self_signed:
        why = "ca_cert or the system trusts it" if trusted else "the policy allows that"
        return Finding(check, subject, Status.PASS, f"{_who(observation, position)} is self-signed; {why}", True, True)
    return Finding(check, subject, Status.FAIL, f"{_who(observation, position)} is self-signed", True, False,
                   hint="Get one from an authority, name it in ca_cert, or set allow_self_signed for this source")


def _protocol(observation: Observation, limit: str) -> Finding:
    check, subject, seen = "certificate.protocol", observation.subject, observation.protocol or ""
    hint = f"Set the oldest protocol of the server to {limit} and reload it"
    if seen in PROTOCOLS and PROTOCOLS.index(seen) < PROTOCOLS.index(limit):
        return Finding(check, subject, Status.FAIL, f"the server's newest protocol is {seen}, older than {limit}", seen, limit, hint=hint)
    if observation.older_protocol:
        older = observation.older_protocol
        return Finding(check, subject, Status.FAIL, f"the server still accepts {older}, older than {limit}", older, limit, hint=hint)
    if observation.older_problem:
        return Finding(check, subject, Status.UNKNOWN, f"whether it accepts what is older than {limit} could not be asked: "
                       f"{observation.older_problem.message}", seen, limit, hint=observation.older_problem.hint)
    return Finding(check, subject, Status.PASS, f"the server speaks {seen}"
                   + (f" and refuses what is older than {limit}" if observation.older_protocol is not None else ""), seen, limit)


def _who(observation: Observation, position: int) -> str:
    if observation.leaves == (position,):
        return "the certificate"
    word = "certificate" if position in observation.leaves else "authority"
    return f"the {word} {observation.certificates[position].subject or 'without a subject'}"


def _instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _listed(observation: Observation, judged: list[_Judged], now: datetime) -> Iterable[dict[str, Any]]:
    for position, certificate in enumerate(observation.certificates):
        leaf = position in observation.leaves
        own = [one.finding for one in judged if one.position == position or (leaf and one.position is None)]
        amiss = any(finding.status is not Status.PASS for finding in own)
        if observation.leaves and not leaf and not amiss:
            continue
        yield {
            "source": observation.subject, "subject": certificate.subject, "issuer": certificate.issuer,
            "not_before": format_instant(certificate.not_before), "not_after": format_instant(certificate.not_after),
            "days_left": days_left(certificate, now),
            "key": f"{certificate.key_kind} {certificate.key_bits}" if certificate.key_bits else certificate.key_kind,
            "signature": certificate.signature, "names": list(certificate.names), "serial": certificate.serial,
            "chain": [{"subject": one.subject, "not_after": format_instant(one.not_after), "days_left": days_left(one, now)}
                      for above, one in enumerate(observation.certificates) if leaf and above not in observation.leaves],
            "status": worst(own).value if own else Status.PASS.value,
        }
