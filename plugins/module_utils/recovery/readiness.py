# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""How ready a plan is to be recovered, as one figure that falls by itself while nobody makes, reads or restores a copy. Pure.

The score is the weighted mean of up to six parts, each from 0 to 1, in percent. What ages counts 2^(-age/half-life), as any decay
with a half-life does; what has an objective counts 1 while it is met, else objective/measured. A part that does not apply to a plan
(the key of a copy in clear, the log of an engine without one) is left out with its weight; one that applies and is not known is 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..backups.repository import FAILED, PASSED, Backup
from ..core.clock import parse_instant
from ..core.errors import InvalidOption
from ..core.finding import Finding, Status, at_least
from ..core.quantities import format_duration, parse_duration

AGEING = ("backup", "verification", "drill")
PARTS = (*AGEING, "rto", "key", "log")
_HINTS = {
    "backup": "Make a backup (backups.create)", "verification": "Verify the copies (backups.verify)",
    "drill": "Drill the recovery (recovery.drill)", "rto": "See which phase of the last drill took the time",
    "key": "See that the private key is where recovery is done (recovery_identity_file), and fits",
    "log": "See why the log is not archived",
}


@dataclass(frozen=True)
class ReadinessPolicy:
    """Weights and half-lives (seconds) by part, and the scores below which a plan is a warning or a failure."""

    weights: Mapping[str, float]
    half_lives: Mapping[str, float]
    warn: float | None = None
    fail: float | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> ReadinessPolicy:
        """Read ``weights`` ({part: number}), ``half_lives`` ({part: duration}), ``warn`` and ``fail`` (0 to 100).

        :raises InvalidOption: for an unknown or missing part, a weight or half-life that is not over 0, a score that is none
        """
        def checked(name: str, parts: Sequence[str]) -> dict[str, float]:
            given = options[name]
            wrong = sorted(set(given) ^ set(parts))
            if wrong:
                word = "unknown" if wrong[0] in given else "missing"
                raise InvalidOption(f"{name}: {wrong[0]!r} is {word}", hint=f"Give {', '.join(parts)}")
            read = {}
            for part, value in given.items():
                read[part] = parse_duration(value, option=f"{name}.{part}") if name == "half_lives" else value
                if isinstance(value, bool) or not isinstance(read[part], int | float) or not 0 < read[part] < math.inf:
                    raise InvalidOption(f"{name}.{part}: {value!r} will not do", hint="Give more than 0")
            return read

        for name in ("warn", "fail"):
            if options[name] is not None and not 0 <= options[name] <= 100:
                raise InvalidOption(f"{name}: {options[name]:g} is no score", hint="Give a number from 0 to 100")
        return cls(checked("weights", PARTS), checked("half_lives", AGEING), options["warn"], options["fail"])


@dataclass(frozen=True)
class Objectives:
    """Seconds; None is no objective."""

    rto: float | None = None
    rpo: float | None = None


def objectives_by_plan(default: Mapping[str, Any], by_plan: Mapping[str, Any]) -> dict[str, Objectives]:
    """Objectives of each plan that has its own, and under ``""`` those of all others. What a plan leaves out is the default's.

    :raises InvalidOption: for an unknown key, for what is no duration, and for an objective of nothing
    """
    def read(where: str, given: Any) -> Objectives:
        if not isinstance(given, Mapping) or set(given) - {"rto", "rpo"}:
            raise InvalidOption(f"{where}: {given!r} are no objectives", hint="Give rto and rpo, each as a duration, or one of them")
        values = {}
        for name, value in given.items():
            if value in (None, ""):
                continue
            values[name] = parse_duration(value, option=f"{where}.{name}")
            if not values[name]:
                raise InvalidOption(f"{where}.{name}: an objective of nothing is never met", hint="Leave it out to set none")
        return Objectives(**values)

    return {"": read("objectives", default),
            **{plan: read(f"objectives.{plan}", {**default, **own} if isinstance(own, Mapping) else own) for plan, own in by_plan.items()}}


@dataclass(frozen=True)
class Evidence:
    """What is known of a plan: ages in seconds, None where there is no such thing. ``rto`` is what the last drill took; ``key``
    whether the newest copy can be decrypted here, None for one in clear; ``log`` the age of the newest archived log, infinite where
    there is none, None for a plan without one.
    """

    backup: float | None = None
    verification: float | None = None
    drill: float | None = None
    rto: float | None = None
    key: bool | None = None
    log: float | None = None


@dataclass(frozen=True)
class Readiness:
    """The score of a plan, 0 to 100, and what it is made of: the parts that apply, each from 0 to 1."""

    plan: str
    score: float
    parts: Mapping[str, float]
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def weakest(self) -> str:
        """The part that takes most from the score."""
        return min(self.parts, key=lambda part: (self.parts[part], PARTS.index(part)))

    def as_dict(self) -> dict[str, Any]:
        """The shape of ``readiness`` in docs/architecture.md."""
        def rounded(value: float | None) -> float | None:
            return None if value is None or math.isinf(value) else round(value, 3)

        seen = self.evidence
        return {"plan": self.plan, "score": self.score, "parts": {part: round(value, 4) for part, value in self.parts.items()},
                "weakest": self.weakest, "backup_age_seconds": rounded(seen.backup),
                "verification_age_seconds": rounded(seen.verification), "drill_age_seconds": rounded(seen.drill),
                "rto_seconds": rounded(seen.rto), "key": seen.key, "log_age_seconds": rounded(seen.log)}


def evidence_of(backups: Sequence[Backup], now: datetime, *, key: bool | None, log: float | None) -> Evidence:
    """What the records beside a plan's backups say. A drill that failed after the last one that passed leaves none.

    An age is never below 0: evidence from the future says that a clock is wrong, and counts as of now at the most.
    """
    def age(instants: list[datetime]) -> float | None:
        return max(0.0, (now - max(instants)).total_seconds()) if instants else None

    usable = [backup for backup in backups if backup.usable]
    drills = sorted((record for backup in backups for record in backup.verifications
                     if record["kind"] == "drill" and record["status"] in (PASSED, FAILED)), key=lambda record: record["at"])
    last = drills[-1] if drills and drills[-1]["status"] == PASSED else None
    drill = last.get("drill") if last else None
    rto = drill.get("rto_seconds") if isinstance(drill, Mapping) else None
    return Evidence(
        backup=age([backup.manifest.data_at for backup in usable]),
        verification=age([backup.verified_at for backup in usable if backup.verified_at]),
        drill=age([parse_instant(last["at"])]) if last else None,
        rto=float(rto) if isinstance(rto, int | float) else None, key=key, log=log)


def score(plan: str, evidence: Evidence, objectives: Objectives, policy: ReadinessPolicy) -> Readiness:
    """The readiness of a plan. It never rises as evidence ages, and is below 100 without a drill, whatever the weights."""
    parts: dict[str, float] = {}
    for part in AGEING:
        age = getattr(evidence, part)
        parts[part] = 0.0 if age is None else 2.0 ** (-age / policy.half_lives[part])
    if objectives.rto is not None:
        parts["rto"] = 0.0 if evidence.rto is None else min(1.0, objectives.rto / evidence.rto) if evidence.rto > 0 else 1.0
    if evidence.key is not None:
        parts["key"] = float(evidence.key)
    if evidence.log is not None and objectives.rpo is not None:
        parts["log"] = min(1.0, objectives.rpo / evidence.log) if evidence.log > 0 else 1.0
    if evidence.backup is None:  # there is nothing to recover
        parts = dict.fromkeys(parts, 0.0)
    whole = sum(policy.weights[part] for part in parts)
    reached = sum(policy.weights[part] * value for part, value in parts.items()) / whole
    shown = math.floor(1000 * reached + 1e-9) / 10
    return Readiness(plan, min(shown, 99.9) if evidence.drill is None else shown, parts, evidence)


def judge_readiness(readiness: Readiness, policy: ReadinessPolicy) -> Finding:
    """``recovery.readiness``: the score against the policy, and what to do about its weakest part."""
    weakest, seen = readiness.weakest, readiness.evidence
    hint = _HINTS[weakest]
    finding = at_least("recovery.readiness", readiness.plan, readiness.score, warn=policy.warn, fail=policy.fail, unit="%",
                       what="readiness to recover", hint=hint)
    if seen.backup is None:
        return Finding(finding.check, readiness.plan, Status.FAIL, "there is no usable backup", 0.0, policy.fail, "%", _HINTS["backup"])
    ages = ", ".join(f"{part} {'never' if getattr(seen, part) is None else format_duration(round(getattr(seen, part))) + ' ago'}"
                     for part in AGEING)
    return Finding(finding.check, finding.subject, finding.status, f"{finding.message} ({ages}; weakest: {weakest})", finding.observed,
                   finding.limit, "%", finding.hint)
