# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renews a certificate and sees it through: issued, installed, reloaded, and shown everywhere; else the old one is put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..core.clock import Clock, format_instant
from ..core.errors import CommandFailed, Interrupted, OpsError, StorageFailed, TimedOut
from ..core.finding import Finding, Status
from ..core.quantities import format_duration
from ..core.waiting import Deadline, wait_until
from .facts import Certificate, Observation
from .judge import days_left, judge
from .renewal import Plan, Renewal, RenewalPolicy, leaf_of, plan_renewal, unfit

_ASK_EVERY = 0.5
# A server that reloads gracefully takes connections with its old and its new processes for a moment: one look may meet either.
_IN_A_ROW = 3


class Content(Protocol):
    """A certificate with its intermediates, and its key; never shown."""


class Store(Protocol):
    """One place. ``in_order`` is whether modes and owners are as told. ``write`` keeps what was there where it can; ``restore``
    puts back what `read` gave, None being nothing.
    """

    def in_order(self) -> bool: ...
    def read(self) -> Content | None: ...
    def write(self, content: Content) -> None: ...
    def restore(self, content: Content | None) -> None: ...


class Issuer(Protocol):
    """certbot."""

    def keeps(self, name: str) -> bool: ...
    def content(self, name: str) -> Content: ...
    def issue(self, name: str, hosts: Sequence[str], *, same_names: bool) -> None: ...


@dataclass(frozen=True)
class Tools:
    """What this is handed: ``stores`` in the order of the renewal's places, ``look`` observes its sources, ``run`` a command."""

    issuer: Issuer
    stores: Sequence[Store]
    look: Callable[[], list[Observation]]
    run: Callable[[Sequence[str]], Any]
    clock: Clock


@dataclass
class Done:
    """How it went. ``status`` is current, planned, renewed, failed or rolled_back."""

    name: str
    status: str = "current"
    changed: bool = False
    message: str = ""
    hint: str = ""
    steps: list[dict[str, Any]] = field(default_factory=list)
    before: Certificate | None = None
    after: Certificate | None = None
    seen: list[Observation] = field(default_factory=list)


def renew(renewal: Renewal, tools: Tools, policy: RenewalPolicy, *, check: bool) -> Done:
    """Look, plan, and do what is due; in check mode nothing is done.

    :raises Interrupted: when the run is told to stop; what it installed and did not prove is put back first
    """
    done = Done(renewal.name)
    done.seen = tools.look()
    done.before = done.after = leaf_of(done.seen[0])
    try:
        plan = plan_renewal(renewal, done.seen, policy, tools.clock.now(), exists=tools.issuer.keeps(renewal.name),
                            untidy=[position for position, store in enumerate(tools.stores) if not store.in_order()])
    except StorageFailed as error:
        plan = Plan(blocked=error.message, hint=error.hint)
    if plan.blocked:
        done.status, done.message, done.hint = "failed", plan.blocked, plan.hint
    elif plan.nothing:
        done.message = f"nothing is due: {days_left(done.before, tools.clock.now()):g} days are left" if done.before else "nothing is due"
    elif check:
        done.status, done.changed, done.message = "planned", True, f"due: {_sentence(renewal, plan)}"
        done.steps = [{"step": step, "status": "planned", "seconds": 0.0, "message": what} for step, what in _steps(renewal, plan)]
    else:
        _carry_out(renewal, plan, tools, policy, done)
        done.seen = tools.look()
        done.after = leaf_of(done.seen[0])
    return done


def judge_renewal(done: Done, clock: Clock) -> tuple[list[Finding], list[dict[str, Any]]]:
    """``certificate.renewal``, and whatever `judge` says of all that was seen last; the certificates as `judge` lists them."""
    status = {"current": Status.PASS, "renewed": Status.PASS, "planned": Status.WARN}.get(done.status, Status.FAIL)
    hint = done.hint or ("Run it without check mode" if done.status == "planned" else "")
    findings, certificates = judge(done.seen, clock.now())
    return [Finding("certificate.renewal", done.name, status, done.message, done.status, "current", hint=hint), *findings], certificates


def as_value(done: Done, clock: Clock) -> dict[str, Any]:
    """The row that the module returns."""
    after = done.after
    return {
        "name": done.name, "status": done.status, "message": done.message, "steps": done.steps,
        "serial": after.serial if after else "", "previous_serial": done.before.serial if done.before else "",
        "not_after": format_instant(after.not_after) if after else "", "days_left": days_left(after, clock.now()) if after else None,
    }


def _carry_out(renewal: Renewal, plan: Plan, tools: Tools, policy: RenewalPolicy, done: Done) -> None:
    if plan.reason:
        try:
            with _step(done, "issue", plan.reason, tools.clock):
                tools.issuer.issue(renewal.name, renewal.hosts, same_names=done.before is not None and not done.seen[0].uncovered)
                done.changed = True
                kept = tools.look()[0]
                fault, leaf = unfit(renewal, kept), leaf_of(kept)
                if not fault and done.before and leaf and leaf.fingerprint == done.before.fingerprint:
                    fault = "it is the one that was there before"
                if fault:
                    raise CommandFailed(f"certbot says yes, and what it keeps is not fit to be installed: {fault}",
                                        hint="See certbot's log (letsencrypt.log), ca_cert and hosts; what is installed was left alone")
        except OpsError as error:
            done.status, done.message = "failed", f"it was not renewed: {error.message}"
            done.hint = error.hint or "See certbot's log; what is installed was left alone"
            return
    _install(renewal, plan, tools, policy, done)


def _install(renewal: Renewal, plan: Plan, tools: Tools, policy: RenewalPolicy, done: Done) -> None:
    previous: list[tuple[int, Content | None]] = []
    try:
        content = tools.issuer.content(renewal.name)
        for position in plan.install:
            with _step(done, "install", _label(renewal, position), tools.clock):
                old = tools.stores[position].read()
                previous.append((position, old))
                tools.stores[position].write(content)
                done.changed = True
        _reload(renewal, tools, done)
        with _step(done, "prove", "every endpoint shows it", tools.clock):
            _prove(renewal, tools, policy, done.seen)
    except (OpsError, Interrupted) as error:
        _put_back(renewal, previous, tools, policy, done, error)
        if isinstance(error, Interrupted):
            raise
        return
    done.status = "renewed"
    done.message = f"{_sentence(renewal, plan)}; every endpoint shows it"


def _put_back(renewal: Renewal, previous: Sequence[tuple[int, Content | None]], tools: Tools, policy: RenewalPolicy, done: Done,
              cause: OpsError | Interrupted) -> None:
    """What was installed and not proved goes; the reason stays the message."""
    done.status, done.message, done.hint = "failed", cause.message, cause.hint or "See the service's log"
    if not previous:
        done.message += "; nothing had been installed by this run, so nothing was put back"
        return
    reloaded = any(row["step"] == "reload" for row in done.steps)
    troubles: list[OpsError] = []
    for position, old in reversed(previous):
        with _collected(troubles), _step(done, "restore", _label(renewal, position), tools.clock):
            tools.stores[position].restore(old)
    with _collected(troubles):
        if reloaded:
            _reload(renewal, tools, done)
    if troubles:
        done.message += f"; putting the old one back failed too: {'; '.join(error.message for error in troubles)}"
        done.hint = f"{troubles[0].hint or 'Put it back by hand'}; old files are beside the new ones, with .previous in their names"
        return
    done.status = "rolled_back"
    done.message += "; the old one was put back, the new one stays with certbot"
    before = _shown(renewal, done.seen)
    try:
        wait_until(_steadily(lambda: _shown(renewal, tools.look()) == before), deadline=Deadline(tools.clock, policy.prove_within),
                   what="the old certificate to be shown again", interval=_ASK_EVERY)
    except TimedOut:
        done.message += ", and is not shown everywhere again yet"


def _reload(renewal: Renewal, tools: Tools, done: Done) -> None:
    for step, command in (("test", renewal.test), ("reload", renewal.reload)):
        if command:
            with _step(done, step, " ".join(command), tools.clock):
                tools.run(command)
                done.changed = done.changed or step == "reload"


def _prove(renewal: Renewal, tools: Tools, policy: RenewalPolicy, before: Sequence[Observation]) -> None:
    """Wait until every endpoint shows what certbot keeps. One that could not be looked at before does not hold the others back.

    :raises TimedOut: where one does not show it in time; its message says which and what it shows
    """
    awake = {subject for subject, shown in _shown(renewal, before).items() if shown}
    amiss: list[str] = []

    def everywhere() -> bool:
        seen = tools.look()
        wanted = leaf_of(seen[0])
        amiss[:] = [f"{one.subject} shows {f'serial {leaf.serial}' if leaf else one.problem.message if one.problem else 'nothing'}"
                    for one in seen[1 + len(renewal.places):] if (one.subject in awake or not awake)
                    and ((leaf := leaf_of(one)) is None or not wanted or leaf.fingerprint != wanted.fingerprint)]
        return not amiss

    try:
        wait_until(_steadily(everywhere), deadline=Deadline(tools.clock, policy.prove_within), interval=_ASK_EVERY,
                   what="the new certificate to be shown")
    except TimedOut as error:
        what = "; ".join(amiss[:5]) or "not for long enough"
        raise TimedOut(f"after {format_duration(policy.prove_within)} it is not shown everywhere: {what}",
                       hint="See whether the service reads the place that it was installed in, and its log; or allow more time with "
                       "prove_within") from error


def _steadily(predicate: Callable[[], bool]) -> Callable[[], bool]:
    """True when it was true so often in a row."""
    row = 0

    def held() -> bool:
        nonlocal row
        row = row + 1 if predicate() else 0
        return row >= _IN_A_ROW

    return held


def _shown(renewal: Renewal, seen: Sequence[Observation]) -> dict[str, str]:
    """What each endpoint shows, empty where it could not be looked at."""
    return {one.subject: leaf.fingerprint if (leaf := leaf_of(one)) else "" for one in seen[1 + len(renewal.places):]}


@contextmanager
def _step(done: Done, step: str, message: str, clock: Clock) -> Iterator[None]:
    began = clock.monotonic()
    row = {"step": step, "status": "failed", "seconds": 0.0, "message": message}
    done.steps.append(row)
    try:
        yield
        row["status"] = "done"
    except (OpsError, Interrupted) as error:
        row["message"] = f"{message}: {error.message}"
        raise
    finally:
        row["seconds"] = round(clock.monotonic() - began, 3)


@contextmanager
def _collected(troubles: list[OpsError]) -> Iterator[None]:
    """One place that cannot be put back must not keep the others from it."""
    try:
        yield
    except OpsError as error:
        troubles.append(error)


def _steps(renewal: Renewal, plan: Plan) -> list[tuple[str, str]]:
    """In the order in which they are done."""
    return [*([("issue", plan.reason)] if plan.reason else []), *(("install", _label(renewal, position)) for position in plan.install),
            *([("test", " ".join(renewal.test))] if renewal.test else []),
            *([("reload", " ".join(renewal.reload))] if renewal.reload else []), ("prove", "every endpoint shows it")]


def _sentence(renewal: Renewal, plan: Plan) -> str:
    parts = [f"issued anew ({plan.reason})"] if plan.reason else []
    parts += [f"installed in {', '.join(_label(renewal, position) for position in plan.install)}"] if plan.install else []
    return ", ".join([*parts, "reloaded"] if renewal.reload else parts) or "shown"


def _label(renewal: Renewal, position: int) -> str:
    return renewal.sources[1 + position].subject


def summary_of(rows: Sequence[Done]) -> str:
    """``2 certificates: 1 renewed, 1 current``."""
    words = [done.status.replace("_", " ") for done in rows]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    return f"{len(rows)} certificate{'' if len(rows) == 1 else 's'}: {counts}"


def diff_of(rows: Sequence[Done]) -> dict[str, str]:
    """Serial and end of each certificate that changes."""
    def lines(one: Certificate | None) -> str:
        return f"serial {one.serial}, to {format_instant(one.not_after)}" if one else "none"

    touched = [done for done in rows if done.status != "current"]
    return {"before": "".join(f"{done.name}: {lines(done.before)}\n" for done in touched),
            "after": "".join(f"{done.name}: {done.message if done.status == 'planned' else lines(done.after)}\n" for done in touched)}
