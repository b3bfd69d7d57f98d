# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an upgrade to a newer major version would break, and in which order it is to be put right. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..core.finding import Finding, Status, at_most
from .upgrade_observe import Source, Upgraded
from .upgrade_probes import CHECKSUMS_DEFAULT, EXTENSIONS_GONE, INSTEAD, MD5_DEPRECATED, probes_for

CHECK = "database.upgrade"
_NAMED = 8


def judge(subject: str, source: Source, upgraded: Upgraded) -> list[Finding]:
    """Every question of an upgrade, each answered by one finding or more."""
    return [*judge_extensions(subject, source, upgraded), *judge_probes(subject, source, upgraded.major),
            *judge_settings(subject, source, upgraded), *judge_statements(subject, source, upgraded), *judge_functions(subject, upgraded),
            *judge_authentication(subject, source, upgraded.major)]


def judge_extensions(subject: str, source: Source, upgraded: Upgraded) -> list[Finding]:
    """Is each there, and does a way lead to its new version? Are the libraries there that the server preloads?"""
    check, found = f"{CHECK}_extension", []
    for name, version in source.extensions.items():
        there = upgraded.extensions.get(name)
        where = f"{subject}: {name}"
        if there is None:
            hint = EXTENSIONS_GONE.get(name, f"Install its package for PostgreSQL {upgraded.major} on the server, and on this host")
            found.append(Finding(check, where, Status.FAIL, f"extension {name} is not there for PostgreSQL {upgraded.major}", None, version,
                                 hint=hint))
        elif there != version and not upgraded.paths.get(name):
            found.append(Finding(check, where, Status.WARN, f"no way leads from {name} {version} to {there}", there, version,
                                 hint=f"Read its notes; with dump and restore it comes as {there}, with pg_upgrade it stays {version}"))
    for name, said in upgraded.libraries.items():
        found.append(Finding(check, f"{subject}: {name}", Status.FAIL, f"the preloaded library {name} is not there: {said}",
                             hint=f"Install its package for PostgreSQL {upgraded.major}, or take it out of shared_preload_libraries"))
    return found or [Finding(check, subject, Status.PASS, f"all {len(source.extensions)} extensions and {len(source.libraries)} preloaded "
                             "libraries are there", len(source.extensions))]


def judge_probes(subject: str, source: Source, target: int) -> list[Finding]:
    """What pg_upgrade would stumble over, and what no new server takes."""
    check, found = f"{CHECK}_content", []
    probes = probes_for(source.major, target)
    for probe in probes:
        names = source.found.get(probe.name, ())
        if names:
            status = Status.WARN if probe.only_pg_upgrade or probe.passing else Status.FAIL
            found.append(Finding(check, f"{subject}: {probe.name}", status, f"{_listed(names)}: {probe.why}", len(names), 0,
                                 hint=f"{probe.hint}{'. pg_upgrade refuses them' if probe.only_pg_upgrade else ''}"))
    return found or [Finding(check, subject, Status.PASS, f"nothing is in the way, by {len(probes)} checks", 0, 0)]


def judge_settings(subject: str, source: Source, upgraded: Upgraded) -> list[Finding]:
    """Does the new server know each setting that is set, and take its value?"""
    check, found = f"{CHECK}_setting", []
    for name, row in source.settings.items():
        if "." in name:  # an extension's, known only while that is loaded
            continue
        known = upgraded.settings.get(name)
        where = f"{subject}: {name}"
        if known is None:
            starts = "" if row["source"] == "role or database" else ", and does not start with it"
            found.append(Finding(check, where, Status.FAIL, f"PostgreSQL {upgraded.major} does not know {name}{starts}", row["setting"],
                                 hint=f"Set in its place: {INSTEAD.get(name, 'see the release notes')}"))
        elif wrong := _not_taken(row["setting"], known):
            found.append(Finding(check, where, Status.FAIL, f"{name} = {row['setting']}: {wrong}", row["setting"], None,
                                 hint="Choose another value before the upgrade"))
    return found or [Finding(check, subject, Status.PASS, f"all {len(source.settings)} settings that are set are known",
                             len(source.settings))]


def _not_taken(value: str, known: Mapping[str, Any]) -> str:
    if known["vartype"] == "enum" and known.get("enumvals") and value not in known["enumvals"]:
        return f"the values are {', '.join(known['enumvals'])}"
    if known["vartype"] in ("integer", "real"):
        try:
            number = float(value)
        except ValueError:  # a role's, written with its unit
            return ""
        if not float(known["min_val"]) <= number <= float(known["max_val"]):
            return f"it has to be from {known['min_val']} to {known['max_val']}"
    return ""


def judge_statements(subject: str, source: Source, upgraded: Upgraded) -> list[Finding]:
    """Statements of pg_stat_statements that the source takes and the new version does not."""
    check = f"{CHECK}_statement"
    if source.statements is None:
        return [Finding(check, subject, Status.WARN, "which statements the applications run is not known", None, 0,
                        hint="CREATE EXTENSION pg_stat_statements in the database, preload it, and rehearse after a day")]
    if upgraded.statements:
        return [Finding(check, f"{subject}: {statement}", Status.FAIL, said, statement, None,
                        hint="Correct the application before the upgrade") for statement, said in upgraded.statements.items()]
    return [Finding(check, subject, Status.PASS, f"all {upgraded.looked_at} statements of pg_stat_statements are taken",
                    upgraded.looked_at)]


def judge_functions(subject: str, upgraded: Upgraded) -> list[Finding]:
    """Functions of the database itself."""
    check = f"{CHECK}_function"
    if upgraded.functions:
        return [Finding(check, f"{subject}: {name}", Status.FAIL, said, name, None, hint="Correct the function before the upgrade")
                for name, said in upgraded.functions.items()]
    return [Finding(check, subject, Status.PASS, "all functions in SQL and PL/pgSQL compile", 0, 0)]


def judge_authentication(subject: str, source: Source, target: int) -> list[Finding]:
    """MD5 passwords, which the version deprecates."""
    if target < MD5_DEPRECATED:
        return []
    check = f"{CHECK}_authentication"
    hint = "Set password_encryption to scram-sha-256, have each password set again, then write scram-sha-256 in pg_hba.conf"
    found = []
    if source.md5_roles is None:
        found.append(Finding(check, subject, Status.UNKNOWN, "which roles have MD5 passwords may not be seen", None, 0, "roles",
                             "Rehearse as a superuser once"))
    elif source.md5_roles:
        found.append(Finding(check, subject, Status.WARN, f"{len(source.md5_roles)} roles have MD5 passwords, which {MD5_DEPRECATED} "
                             f"deprecates: {_listed(source.md5_roles)}", len(source.md5_roles), 0, "roles", hint))
    if source.md5_rules:
        found.append(Finding(check, f"{subject}: pg_hba.conf", Status.WARN, f"{source.md5_rules} rules ask for md5", source.md5_rules, 0,
                             "rules", hint))
    return found or [Finding(check, subject, Status.PASS, "no role has an MD5 password", 0, 0, "roles")]


def judge_downtime(subject: str, seconds: Mapping[str, float], dump: float | None, limit: float | None) -> Finding:
    """How long an upgrade by dump and restore would keep the applications waiting: the dump, as the backup took it, the restore, the
    statistics. ``limit`` is None where there is no objective.
    """
    taken = sum(seconds.get(name, 0.0) for name in ("restore", "statistics")) + (dump or 0.0)
    return at_most(f"{CHECK}_downtime", subject, round(taken, 3), fail=limit, unit="s", what="dump, restore and statistics take together",
                   hint="Upgrade with pg_upgrade --link or by logical replication, which wait for no copy; or give it more jobs")


def judge_trial(subject: str, complaint: str, seconds: Mapping[str, float], errors: int) -> list[Finding]:
    """What pg_upgrade itself made of a copy under the old version; ``errors`` is how many things of the dump that copy does not have."""
    check = f"{CHECK}_pg_upgrade"
    if complaint:
        return [Finding(check, subject, Status.FAIL, complaint, hint="Put right what it names, and rehearse again; a dump may get past it")]
    taken = seconds["pg_upgrade"]
    if errors:
        return [Finding(check, subject, Status.UNKNOWN, f"it took {taken:.1f} s, on a copy that lacks {errors} things of the dump",
                        round(taken, 3), unit="s", hint="Have the old version's extensions on this host too")]
    return [Finding(check, subject, Status.PASS, f"pg_upgrade took {taken:.1f} s, copying", round(taken, 3), unit="s")]


def of_the_drill(findings: Iterable[Finding]) -> list[Finding]:
    """What comparing, amcheck and assertions found, under the words of this area."""
    return [replace(finding, check=f"{CHECK}_{finding.check.partition('.')[2]}") for finding in findings]


def changed_defaults(source_defaults: Mapping[str, str], upgraded: Upgraded) -> list[dict[str, Any]]:
    """Settings whose default is another one: nobody set them, and they change all the same."""
    return [{"name": name, "was": was, "becomes": upgraded.settings[name]["boot_val"]} for name, was in sorted(source_defaults.items())
            if name in upgraded.settings and upgraded.settings[name]["boot_val"] != was]


def plan(source: Source, upgraded: Upgraded, findings: Sequence[Finding]) -> list[dict[str, str]]:
    """The steps of the upgrade, in order, with what each is for; what was found comes first."""
    steps = [{"step": finding.hint, "why": f"{finding.subject}: {finding.message}"} for finding in findings
             if finding.status in (Status.FAIL, Status.WARN) and finding.hint and finding.check != f"{CHECK}_downtime"]
    unique = list({(one["step"], one["why"]): one for one in steps}.values())
    checksums = ("; initdb with --no-data-checksums for pg_upgrade, since the source has none"
                 if not source.checksums and upgraded.major >= CHECKSUMS_DEFAULT else "")
    updates = [name for name, version in source.extensions.items() if upgraded.paths.get(name) and upgraded.extensions.get(name) != version]
    update = {"step": f"Update the extensions (ALTER EXTENSION … UPDATE): {', '.join(updates)}",
              "why": "pg_upgrade leaves them at their old versions"}
    return [
        *unique,
        {"step": f"Install PostgreSQL {upgraded.major} beside {source.major}{checksums}", "why": "both are needed while it lasts"},
        {"step": "Back up and verify (backups.create, backups.verify)", "why": "the way back once the new server has taken writes"},
        {"step": "pg_upgrade --check, then pg_upgrade; or pg_dumpall --roles-only and this dump, restored", "why": "the upgrade itself"},
        *([update] if updates else []),
        {"step": "vacuumdb --all --analyze-in-stages" + (" --missing-stats-only" if upgraded.major >= 18 else ""),
         "why": "pg_upgrade takes no statistics along before 18, and extended ones not even then"},
        {"step": "databases.inspect, and the applications' own tests", "why": "verify before the applications come in"},
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
