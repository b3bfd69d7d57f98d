# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rehearsal of an upgrade, put together: the newest backup, a server of the next major version, the source beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..adapters.command import Commands
from ..adapters.pg_upgrade import Tried, UpgradeTrial
from ..adapters.postgres import PostgresTarget, connect
from ..adapters.postgres_server import Installation, find_installations, installation_for
from ..backups.payload import Codecs, materialize
from ..backups.repository import Backup
from ..core import progress
from ..core.edge import Request
from ..core.errors import InvalidOption, Refused, ToolMissing
from ..core.finding import Finding
from ..core.quantities import parse_duration
from ..core.waiting import Deadline
from ..databases.upgrade_judge import changed_defaults, judge, judge_downtime, judge_trial, of_the_drill, plan
from ..databases.upgrade_observe import Source, observe_source, observe_upgraded
from ..recovery.database import source_of
from ..recovery.drill import choose
from ..recovery.policy import DrillPolicy
from ..recovery.scratch import scratch_folder
from .repositories import open_repository, reading_codecs
from .scratch_copy import own_folders, scratch_copy, server_for, timed

_DEFAULTS = "SELECT name::text, boot_val::text AS value FROM pg_settings WHERE source = 'default'"


@dataclass(frozen=True)
class Rehearsal:
    """``upgrade`` has the shape of docs/architecture.md."""

    upgrade: dict[str, Any]
    findings: list[Finding]
    notes: list[str]


def next_major(request: Request, source: int) -> int:
    """The major version that was asked for, else the nearest newer one that is here.

    :raises InvalidOption: for one that is not newer
    :raises ToolMissing: where none is here
    """
    wanted = request["target_major"]
    if wanted is not None and wanted <= source:
        raise InvalidOption(f"target_major: {wanted} is not newer than the server's {source}",
                            hint="Leave it out for the next one that is here")
    there = sorted({one.major for one in find_installations(Commands(), program="postgres", folders=own_folders(request))})
    newer = [major for major in there if major > source and wanted in (None, major)]
    if not newer:
        raise ToolMissing(f"No server of PostgreSQL {wanted or f'newer than {source}'} is on this host; there is {there or 'none'}",
                          hint=f"Install the package postgresql-{wanted or source + 1}, or name its folder in bin_dir")
    return newer[0]


def chosen_backup(request: Request, target: PostgresTarget) -> Backup:
    """The newest backup of the plan, or the one that was named.

    :raises Refused: for one of another database, or that failed
    """
    if not request["plan"] and not request["backup"]:
        raise InvalidOption("Neither a backup nor a plan was named", hint="Name the plan that backs this database up")
    backup = choose(open_repository(request), plan=request["plan"], id=request["backup"])
    if backup.engine == "pg_dump" and backup.manifest.source.get("database") not in (None, target.database):
        raise Refused(f"Backup {backup.id} is of the database {backup.manifest.source['database']}, not of {target.database}",
                      hint="Name the plan of this database")
    if not backup.usable:
        raise Refused(f"Backup {backup.id} failed its last verification or drill", hint="Make a new one, or name another")
    return backup


def rehearse_upgrade(request: Request) -> Rehearsal:
    """Restore under the newer version, look, and tear down; in check mode say what would be done.

    :raises OpsError: where the rehearsal could not be carried out
    """
    target = PostgresTarget.from_options(request.options)
    limit = parse_duration(request["max_downtime"], option="max_downtime") if request["max_downtime"] else None
    policy = DrillPolicy.from_options({**request.options, "drill_every": "0s"})
    backup = chosen_backup(request, target)
    with connect(target, statement_timeout=60) as original:
        major = next_major(request, original.server_major)
        database = server_for(request, backup, major=major)
        old = installed(request, original.server_major) if request["pg_upgrade"] else None
        told = {"database": target.name, "backup_id": backup.id, "plan": backup.plan, "from_major": original.server_major,
                "to_major": major, "tools": dict(database.tools), "status": "planned", "phases": [], "errors": [], "steps": [],
                "defaults": []}
        if request.check_mode:
            return Rehearsal(told, [], [])
        source = observe_source(original, major, statements=request["statements"])
        defaults = {row["name"]: row["value"] for row in original.fetch(_DEFAULTS)}
    database.roles = source.roles
    return _carried_out(request, target, backup, database, policy, source, defaults, limit, told, old)


def _carried_out(request: Request, target: PostgresTarget, backup: Backup, database: Any, policy: DrillPolicy, source: Source,
                 defaults: Mapping[str, str], limit: float | None, told: dict[str, Any], old: Installation | None) -> Rehearsal:
    deadline = Deadline(request.clock, parse_duration(request["timeout"], option="timeout"))
    subject, codecs = f"{target.database} to {told['to_major']}", reading_codecs(request["identity_file"])
    with scratch_copy(request, backup, codecs, database, policy, deadline) as copy:
        timed(copy.seconds, "first_query", copy.drill.first_query, request.clock)

        def statistics() -> None:
            with copy.session(statement_timeout=max(1.0, deadline.left)) as session:
                session.run("ANALYZE")

        timed(copy.seconds, "statistics", statistics, request.clock)
        progress.begin(f"comparing under PostgreSQL {told['to_major']}")
        findings = of_the_drill(timed(copy.seconds, "verify", copy.drill.verify, request.clock))

        def look() -> Any:
            with copy.session(statement_timeout=60) as session, connect(target, statement_timeout=60) as original:
                return observe_upgraded(session, source, original)

        upgraded = timed(copy.seconds, "statements", look, request.clock)
        notes = list(copy.drill.notes)
    findings += judge(subject, source, upgraded)
    findings.append(judge_downtime(subject, copy.seconds, backup.manifest.timings.get("dump"), limit))
    if old is not None:
        tried = _trial(request, backup, codecs, old, database.installation, target.database, source.roles, deadline)
        copy.seconds.update(tried.seconds)
        findings += judge_trial(subject, tried.complaint, tried.seconds, tried.errors)
    said = database.restored
    broken = [finding for finding in findings if finding.status == "fail"]
    return Rehearsal({
        **told, "status": "fail" if broken else "pass",
        "phases": [{"name": name, "seconds": round(value, 3)} for name, value in copy.seconds.items()],
        "errors": list(said.errors) if said else [], "steps": plan(source, upgraded, findings),
        "defaults": changed_defaults(defaults, upgraded),
    }, findings, notes)


def installed(request: Request, major: int) -> Installation:
    """The installation of just this major version.

    :raises ToolMissing: where it is not here
    """
    for installation in find_installations(Commands(), program="postgres", folders=_all_folders(request)):
        if installation.major == major:
            return installation
    raise ToolMissing(f"pg_upgrade takes the programs of PostgreSQL {major} too, and they are not on this host",
                      hint=f"Install the package postgresql-{major}, name its folder in source_bin_dir, or set pg_upgrade to false")


def _all_folders(request: Request) -> list[str]:
    return [*([request["source_bin_dir"]] if request["source_bin_dir"] else []), *own_folders(request)]


def _trial(request: Request, backup: Backup, codecs: Codecs, old: Installation, new: Installation, name: str, roles: Sequence[str],
           deadline: Deadline) -> Tried:
    """Restore under the old version once more, and let pg_upgrade have that cluster."""
    fingerprint = backup.manifest.fingerprint
    progress.begin(f"pg_upgrade of {backup.plan}/{backup.id}")
    with backup.held(), scratch_folder(Path(request["scratch_dir"])) as folder:
        archive = installation_for(Commands(), max(old.major, source_of(backup)[1]), program="pg_restore", folders=_all_folders(request))
        trial = UpgradeTrial(Commands(), request.clock, old, new, archive, folder)
        try:
            dump = materialize(backup, folder / "payload", codecs, jobs=request["jobs"])
            return trial.run(dump, database=name, locale=fingerprint["database"] if fingerprint else {}, roles=roles, jobs=request["jobs"],
                             deadline=deadline)
        finally:
            trial.stop()
