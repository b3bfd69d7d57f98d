# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a server's settings, and changes them by ALTER SYSTEM and a reload."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ..core.clock import Clock
from ..core.errors import AccessDenied, OpsError, Refused, TimedOut
from ..core.finding import Finding, Status
from ..core.waiting import Deadline, wait_until
from .settings import Recommended, Setting, Step, judge_step, plan_settings

_RELOAD_SECONDS = 15.0


class Server(Protocol):
    """One server, by a session that may change it."""

    server_major: int

    def fetch(self, query: str, parameters: Any = None, names: Any = None) -> list[dict[str, Any]]:
        """All rows."""

    def alter_system(self, name: str, *values: str) -> None:
        """ALTER SYSTEM SET."""

    def reload(self) -> None:
        """pg_reload_conf()."""


@dataclass(frozen=True)
class Configured:
    """What came of it: one value for each setting that is not, or was not, as recommended."""

    changed: bool
    findings: list[Finding]
    settings: list[dict[str, Any]]
    restart: list[str]


def configure(server: Server, recommended: Sequence[Recommended], clock: Clock, *, apply: bool, confirm: bool,
              check_mode: bool) -> Configured:
    """Review, and where ``apply`` is set change what can be changed; a value that the server refuses is a finding, and the others go on.

    :raises Refused: where something is to be changed and ``confirm`` is missing
    """
    steps, findings = plan_settings(recommended, _read(server, recommended), server.server_major, _available(server))
    due = [step for step in steps if not step.blocked and not step.waiting]
    if not apply or not due or check_mode:
        values = [_value(step, "planned" if apply and step in due else _word(step)) for step in steps]
        return Configured(apply and bool(due), findings, values, [step.setting.name for step in steps if step.waiting])
    if not confirm:
        raise Refused(f"{len(due)} settings of the whole server would be changed: {', '.join(step.setting.name for step in due)}",
                      hint="Look at the statements (databases.review_settings), then run it with databases_settings_confirm=true",
                      evidence={"statements": [step.statement for step in due]})
    failed: dict[str, str] = {}
    for step in due:
        try:
            server.alter_system(step.setting.name, *step.values)
        except OpsError as error:
            failed[step.setting.name] = error.message
    server.reload()
    names = {step.setting.name for step in due} - set(failed)
    after = _settle(server, [one for one in recommended if one.name in names], clock)
    shown = {finding.subject: finding for finding in after}
    findings = [shown.get(one.subject, one) if one.subject in names else replace(
        one, status=Status.FAIL, message=f"{one.message}; the server refused: {failed[one.subject]}") if one.subject in failed else one
        for one in findings]
    waiting = [step.setting.name for step in steps if step.waiting or (step.setting.name in names and step.setting.needs_restart)]
    values = [_value(step, "failed" if step.setting.name in failed else "done" if step in due else _word(step)) for step in steps]
    return Configured(bool(names), findings, values, waiting)


def _settle(server: Server, recommended: Sequence[Recommended], clock: Clock) -> list[Finding]:
    """Findings after the reload, which a session notices between two statements."""
    findings: list[Finding] = []

    def settled() -> bool:
        nonlocal findings
        steps, findings = plan_settings(recommended, _read(server, recommended), server.server_major, _available(server))
        # What waits for a restart is as good as it gets, where the file may not be read too.
        findings = [*(one for one in findings if one.subject not in {step.setting.name for step in steps}),
                    *(judge_step(replace(step, waiting=True)) if step.setting.needs_restart else judge_step(step) for step in steps)]
        return all(step.setting.needs_restart for step in steps)

    with suppress(TimedOut):
        wait_until(settled, deadline=Deadline(clock, _RELOAD_SECONDS), what="the reload")
    return findings


def _read(server: Server, recommended: Sequence[Recommended]) -> dict[str, Setting]:
    names = [one.name for one in recommended]
    rows = server.fetch(
        "SELECT name, reset_val, coalesce(unit, '') AS unit, vartype, context, source, coalesce(enumvals, '{}') AS choices, pending_restart"
        " FROM pg_catalog.pg_settings WHERE name = ANY(%s)", (names,))
    written: dict[str, str] = {}
    with suppress(AccessDenied):  # only superusers may
        written = {row["name"]: row["setting"] for row in server.fetch(
            "SELECT DISTINCT ON (name) name, setting FROM pg_catalog.pg_file_settings WHERE name = ANY(%s) AND sourcefile LIKE"
            " '%%postgresql.auto.conf' ORDER BY name, seqno DESC", (names,))}
    return {row["name"]: Setting(row["name"], row["reset_val"] or "", row["unit"], row["vartype"], row["context"], row["source"],
                                 tuple(row["choices"]), row["pending_restart"], written.get(row["name"])) for row in rows}


def _available(server: Server) -> set[str]:
    return {row["name"] for row in server.fetch("SELECT name FROM pg_catalog.pg_available_extensions")}


def _word(step: Step) -> str:
    return "blocked" if step.blocked else "waiting" if step.waiting else "due"


def _value(step: Step, status: str) -> dict[str, Any]:
    return {"name": step.setting.name, "value": step.setting.value, "wanted": ", ".join(step.values), "statement": step.statement,
            "needs_restart": step.setting.needs_restart, "status": status}
