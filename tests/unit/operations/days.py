# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of days as the ledger has them, for tests of the report: an ordinary day, one with very much and with hostile names, none."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

NOON = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
HOSTILE = (
    "<script>document.title='owned'</script>",
    "'\"><img src=http://127.0.0.1:9/x onerror=alert(1)>",
    "-rf --help %s {{ 7*7 }}",
    "line one\nline two\ttab\x07bell",
    "שירות תשלומים בדיקה מאוד ארוכה",
    "خدمة الدفع الإلكتروني",
    "决済サービス・本番",
    "🚑🚒 rescue 👩‍🚒",
    "a" * 300,
    "https://very-long-host-name.region-1.example.internal:8443/" + "path/" * 60,
    "\u202eevil\u202c override",
    "half \ud83d",
)


def instant(hours: float) -> str:
    """So many hours before noon."""
    return (NOON - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def finding(status: str, check: str, subject: str, message: str = "", **more: Any) -> dict[str, Any]:
    """A finding as a record has it; what is not a pass says what to do."""
    return {
        "check": check,
        "subject": subject,
        "status": status,
        "message": message or f"{check.split('.')[1]} of {subject} is {status}",
        "observed": 1,
        "limit": 2,
        "unit": "",
        "hint": "" if status == "pass" else "See what was changed last",
        **more,
    }


def record(
    area: str,
    procedure: str,
    findings: list[dict[str, Any]],
    body: list[dict[str, Any]] | None = None,
    *,
    on: str = "app-1.example.com",
    at: str | None = None,
) -> dict[str, Any]:
    """One host's procedure."""
    return {
        "run": "20260115T120000Z-1",
        "at": at or instant(0),
        "system": "cronos_ai",
        "environment": "production",
        "host": on,
        "area": area,
        "procedure": procedure,
        "status": "pass",
        "changed": False,
        "body": body or [],
        "findings": findings,
        "digest": "d" * 64,
        "recorded_by": "lovelace on control-1",
    }


def services(day: int, names: list[str]) -> list[dict[str, Any]]:
    """What the probes said so many days ago: the first service fell silent for three days, the second becomes slow."""
    rows = []
    for index, name in enumerate(names):
        dark = index == 0 and 8 <= day <= 10
        p50 = None if dark else 40.0 + 7 * ((day * 5 + index) % 6)
        slow = 1 + max(0, 12 - day) / 4 if index == 1 else 1
        rows.append(
            {
                "service": name,
                "total": 60,
                "failed": 60 if dark else day % 3,
                "status": "fail" if index == 1 else "pass",
                "availability": 0.0 if dark else round(100 - 100 * (day % 3) / 60, 3),
                "error_rate": 0.0,
                "p50_ms": p50,
                "p95_ms": p50 and p50 * 2.2 * slow,
                "p99_ms": p50 and p50 * 4 * slow,
            }
        )
    return rows


def objectives(day: int) -> list[dict[str, Any]]:
    """What `slo_check` says, by its own window and by the periods of a report."""
    left = 82.0 - 4.4 * (30 - day)
    common = {
        "endpoint": "",
        "measure": "availability",
        "source": "counter",
        "at_least": False,
        "unit": "%",
        "requests": 10**6,
        "failed": 540,
        "coverage_percent": 99.0,
        "reason": "",
    }
    rows = [
        {
            **common,
            "service": "api",
            "tier": "critical",
            "period": "",
            "window_seconds": 2592000,
            "value": 99.946,
            "target": 99.9,
            "alert": 99.5,
            "budget_left_percent": left,
            "burn_rates": {"1h": 0.2, "5m": 0.0, "3d": 2.7},
            "minutes_allowed": 43.2,
            "minutes_lost": 64.1,
            "minutes_left": round(43.2 * left / 100, 2),
            "status": "fail" if left < 0 else "pass",
        },
        {
            **common,
            "service": "search",
            "tier": "standard",
            "period": "",
            "window_seconds": 2592000,
            "value": None,
            "target": 99.5,
            "alert": None,
            "budget_left_percent": None,
            "burn_rates": {"1h": None},
            "minutes_allowed": 216.0,
            "minutes_lost": None,
            "minutes_left": None,
            "status": "unknown",
            "reason": "the data is stale: it ends before now (the newest is 3h old)",
        },
        {
            **common,
            "service": "api",
            "tier": "",
            "measure": "latency",
            "unit": "ms",
            "period": "",
            "window_seconds": 2592000,
            "value": 182.5,
            "target": 200,
            "alert": 500,
            "budget_left_percent": None,
            "burn_rates": {},
            "status": "pass",
        },
    ]
    for period, window in (("weekly", 7), ("monthly", 30), ("quarterly", 91)):
        rows.append(
            {
                **rows[0],
                "period": period,
                "window_seconds": window * 86400,
                "minutes_allowed": round(window * 1.44, 2),
                "minutes_left": round(window * 1.44 - 12, 2),
                "status": "fail" if window == 7 else "pass",
            }
        )
    return rows


def earlier(days: int = 30, names: list[str] | None = None) -> list[dict[str, Any]]:
    """What the ledger has of the days before, and of this one; five days ago nothing ran, and one run failed as a whole."""
    names = names or ["api", "search", "web", "billing"]
    found = []
    for day in range(days, -1, -1):
        if 4 <= day <= 7:
            continue
        at = instant(24 * day)
        found += [
            record("health", "check", [], [] if day == 15 else [{"services": services(day, names)}], at=at),
            record("service_levels", "check", [], [{"objectives": objectives(day)}], at=at),
            record("backups", "create", [], [{"backup": copy(day, 3 if day != 2 else 30)}], on="backup-1", at=at),
            record("databases", "inspect", [], [{"growth": [growth(day)]}], on="db-1", at=at),
            record("certificates", "check", [], [{"certificates": held(day)}], at=at),
            record("capacity", "check", [], [{"host": {"disks": [
                {"mount": "/", "used_percent": 41.0}, {"mount": "/var", "used_percent": round(82 - 0.7 * day, 1)}]}}], at=at),
        ]
    return found


def copy(day: int, hours: float) -> dict[str, Any]:
    """A copy made some hours before noon, so many days ago."""
    return {
        "id": f"202601{15:02d}T090000Z-{day:04x}",
        "plan": "shop",
        "engine": "pgbackrest",
        "created_at": instant(24 * day + hours),
        "bytes": int(2.1e9 + 2e7 * (30 - day)),
        "status": "verified",
        "encrypted": True,
        "age_seconds": int(hours * 3600),
    }


def growth(day: int) -> dict[str, Any]:
    """A database that grows by 50 MB a day."""
    return {
        "target": "shop",
        "bytes": int(9.1e9 + 5e7 * (30 - day)),
        "bytes_per_day": 5e7,
        "capacity": 50e9,
        "days_left": 780.0,
        "relations": [{"relation": "public.orders", "bytes": 10**9, "bytes_per_day": 4e7}],
    }


def trends(days: int = 30) -> list[dict[str, Any]]:
    """Verdicts of the days before."""
    return [
        {"at": instant(24 * day), "share": 99.0 - (day * 7) % 5 - (9 if day in (3, 4) else 0), "verdict": "healthy"}
        for day in range(days, 0, -1)
    ]


def certificate(index: int, name: str) -> dict[str, Any]:
    """One of many, the first expired."""
    days = -3.1 + 4.7 * index
    return {
        "source": name,
        "subject": f"CN={name[:40]}",
        "issuer": "CN=Example CA",
        "days_left": days,
        "key": "EC 256",
        "names": [name],
        "not_after": instant(-24 * days),
        "not_before": instant(24 * 60),
        "serial": "01",
        "signature": "sha256",
        "chain": [{"subject": "CN=Example CA", "not_after": instant(-24 * 900), "days_left": 900.0}],
        "status": "fail" if days < 14 else "warn" if days < 30 else "pass",
    }


def held(day: int = 0) -> list[dict[str, Any]]:
    """Certificates so many days ago; the last was renewed ten days ago."""
    names = ("old.example.com", "shop.example.com", "api.example.com", "www.example.com", "mail.example.com")
    rows = [certificate(index, name) for index, name in enumerate(names)]
    left = [round(row["days_left"] + day, 1) for row in rows[:-1]] + [round(rows[-1]["days_left"] + day if day < 10 else day - 8, 1)]
    return [{**row, "days_left": days} for row, days in zip(rows, left, strict=True)]


def layers() -> list[dict[str, Any]]:
    """A database that fails, and two services that fail because of it."""
    common = {"kind": "http", "address": "127.0.0.1:80", "latency_ms": None, "attempts": 3, "samples": 3, "failed": 3}
    return [
        {**common, "name": "orders-db", "service": "database", "kind": "postgresql", "status": "fail", "message": "it refuses connections"},
        *(
            {**common, "name": name, "service": name, "status": "warn", "message": "follows orders-db (failed)", "follows": ["orders-db"]}
            for name in ("search", "billing")
        ),
        {**common, "name": "web", "service": "web", "status": "pass", "message": "answers", "latency_ms": 54.0, "failed": 0},
    ]


def histories() -> list[dict[str, Any]]:
    """What `health_review` returns: one that flaps, one that is gone, one of which there is nothing to say."""
    row = {
        "name": "web", "first_seen": instant(900), "last_seen": instant(0), "last_failure": None, "down": False, "looks": 30, "failures": 0,
        "changes": 0, "change_percent": 0.0, "flapping": False, "news": "", "looks_recent": 7, "availability": 100.0, "p95_ms": 118.8,
        "looks_before": 23, "availability_before": 99.9, "p95_ms_before": 110.0, "gone": False,
    }
    flaps = {"name": "search", "flapping": True, "news": "fails", "changes": 9, "last_failure": instant(0), "down": True}
    return [row, {**row, **flaps}, {**row, "name": "old-api", "gone": True, "availability": None, "p95_ms": None}]


def watch() -> dict[str, Any]:
    """A watch that ended early, with one target that was bad six times in a row."""
    row = {
        "name": "search",
        "samples": 20,
        "bad": 6,
        "allowed": 1,
        "burst": 6,
        "burst_began_seconds": 120.0,
        "burst_seconds": 150.0,
        "first_ms": 47.0,
        "last_ms": 94.0,
        "drift_percent": 100.0,
    }
    return {
        "end": "failed",
        "why": "search",
        "seconds": 300.0,
        "planned_seconds": 900.0,
        "every_seconds": 30.0,
        "rounds": 11,
        "planned_rounds": 31,
        "fell_out": 0,
        "samples": 80,
        "bad": 6,
        "targets": [row, {**row, "name": "web", "bad": 0, "drift_percent": None}],
    }


def log_scan() -> dict[str, Any]:
    """What `log_scan` returns of a log with a class that was not there yesterday."""
    rows = [
        {
            "id": "1",
            "level": "ERROR",
            "markers": [],
            "form": "cannot reach <address>",
            "count": 41,
            "first": instant(9),
            "last": instant(1),
            "new": False,
        },
        {
            "id": "2",
            "level": "WARNING",
            "markers": ["SECURITY"],
            "form": "login refused for <name>",
            "count": 3,
            "first": instant(3),
            "last": instant(2),
            "new": True,
        },
    ]
    return {
        "log": {
            "name": "app.log",
            "files": 2,
            "bytes": 10**7,
            "left": 0,
            "from": instant(24),
            "to": instant(0),
            "events": 9400,
            "outside": 0,
            "levels": {"ERROR": 41, "WARNING": 3},
            "markers": {"SECURITY": 3},
            "classes": rows,
            "new_classes": 1,
            "forgotten_classes": 0,
        }
    }


def traces() -> dict[str, Any]:
    """What `trace_scan` returns."""
    slow = {
        "trace": "4bf92f3577b34da6",
        "service": "api",
        "operation": "GET /orders",
        "at": instant(2),
        "seconds": 3.2,
        "spans": 14,
        "errors": 1,
        "slowest_service": "database",
        "slowest_operation": "SELECT orders",
        "self_seconds": 2.7,
    }
    return {
        "traces": {
            "services": [{"service": "api", "traces": 900, "slow": 12, "failed": 1, "incomplete": 0}],
            "operations": [],
            "slowest": [slow],
        }
    }


def ordinary() -> list[dict[str, Any]]:
    """A day in which each chapter has something, and some things are wrong."""
    names = ["api", "search", "web", "billing"]
    states = ("pass", "fail", "pass", "warn")
    return [
        record(
            "health",
            "check",
            [
                *(
                    finding(
                        status,
                        "health.latency",
                        name,
                        f"P95 of the latency is {p95} ms" + ("" if status == "pass" else f", over the limit of {limit} ms"),
                        observed=p95,
                        limit=limit,
                        unit="ms",
                        hint="" if status == "pass" else "See what slows it down: load, its database, the network between",
                    )
                    for name, status, p95, limit in zip(names, states, (88.0, 413.6, 118.8, 134.2), (200, 200, 200, 120), strict=True)
                ),
                *(finding("pass", "health.availability", name, observed=100, limit=99.5, unit="%") for name in names),
            ],
            [{"services": services(0, names), "targets": layers()}, {"watch": watch()}, {"histories": histories()}],
        ),
        record(
            "service_levels",
            "check",
            [
                finding(
                    "fail",
                    "service_levels.budget",
                    "api: availability",
                    "-50.0% of the error budget of 30d is left",
                    observed=-50,
                    limit=0,
                    unit="%",
                    hint="Hold changes back until it recovers, and mend what spends it",
                ),
                finding(
                    "unknown",
                    "service_levels.objective",
                    "search: availability",
                    "availability over 30d is not known: the data is stale: it ends before now",
                    observed=None,
                    limit=99.9,
                    unit="%",
                    hint="See that Prometheus still scrapes it: monitoring.verify says which target is gone",
                ),
            ],
            [
                {"objectives": objectives(0)},
                {
                    "reliability": [
                        {
                            "service": "api",
                            "outages": 2,
                            "mttr_seconds": 1260,
                            "mtbf_seconds": 1296000,
                            "up_seconds": 2589480,
                            "down_seconds": 2520,
                            "unseen_seconds": 3600,
                            "last_began": instant(30),
                            "down_now": False,
                        },
                        {
                            "service": "web",
                            "outages": 0,
                            "mttr_seconds": None,
                            "mtbf_seconds": None,
                            "up_seconds": 2592000,
                            "down_seconds": 0,
                            "unseen_seconds": 0,
                            "last_began": None,
                            "down_now": False,
                        },
                    ]
                },
            ],
        ),
        record(
            "monitoring",
            "verify",
            [
                finding("pass", "monitoring.targets", "node"),
                finding("fail", "monitoring.targets", "api", "1 of 3 targets is down: api-2:9100", observed=1, limit=0,
                        hint="See that its exporter runs, and that Prometheus reaches it"),
                finding("pass", "monitoring.rules", "alerts"),
                finding("pass", "monitoring.delivery", "severity=critical"),
                finding("pass", "monitoring.dashboard", "ENV Overview"),
                finding("warn", "monitoring.flapping", "HighLatency service=api severity=warning", "it fired 7 times in 24h", observed=7,
                        limit=3, hint="Give it a longer `for`, or mend what comes and goes"),
            ],
            [
                {
                    "deliveries": [
                        {"labels": {"severity": "critical"}, "expected": "pager", "receivers": ["pager"], "seconds": 6.2},
                        {"labels": {"severity": "warning"}, "expected": "chat", "receivers": [], "seconds": None},
                    ]
                },
                {
                    "alerts": [
                        {
                            "alert": "HighLatency",
                            "labels": {"alertname": "HighLatency", "severity": "warning", "service": "api"},
                            "episodes": 7,
                            "longest_seconds": 1500,
                            "firing_now": True,
                            "silenced": False,
                        }
                    ]
                },
                {"alerts": ["a name, not a row"], "files": [{"path": "/etc/prometheus/rules.yml", "status": "changed"}]},
            ],
        ),
        record(
            "backups",
            "create",
            [finding("pass", "backup.age", "shop", observed=10800, limit=93600, unit="s")],
            [{"backup": copy(0, 3)}],
            on="backup-1",
        ),
        record(
            "recovery",
            "drill",
            [finding("pass", "recovery.rto", "shop", observed=412, limit=14400, unit="s")],
            [
                {
                    "drill": {
                        "backup_id": copy(0, 3)["id"],
                        "plan": "shop",
                        "status": "pass",
                        "rto_seconds": 412,
                        "rto_objective_seconds": 14400,
                        "rpo_seconds": 240,
                        "rpo_objective_seconds": 900,
                        "tables_compared": 41,
                        "tables_different": [],
                        "phases": [
                            {"name": "fetch", "seconds": 120.0},
                            {"name": "restore", "seconds": 240.0},
                            {"name": "check_pages", "seconds": 52.0},
                        ],
                    }
                }
            ],
            on="backup-1",
        ),
        record(
            "recovery",
            "readiness",
            [finding("pass", "recovery.readiness", "shop")],
            [
                {
                    "readiness": [
                        {
                            "plan": "shop",
                            "score": 91.5,
                            "parts": {},
                            "weakest": "drill",
                            "backup_age_seconds": 10800,
                            "verification_age_seconds": 9000,
                            "drill_age_seconds": 86400 * 6,
                            "rto_seconds": 412,
                            "key": "present",
                            "log_age_seconds": 40,
                        }
                    ]
                }
            ],
            on="backup-1",
        ),
        record("databases", "inspect", [finding("pass", "database.cache_hit", "shop")], [{"growth": [growth(0)]}], on="db-1"),
        record(
            "databases",
            "maintain",
            [finding("warn", "database.maintenance", "public.events", "Due and not done: the window is too short", observed=None,
                     limit=None, hint="It needs about 1h30m: widen the window, or rewrite it by hand")],
            [
                {
                    "relations": [
                        {
                            "relation": "public.orders",
                            "action": "vacuum",
                            "reason": "31% of its rows are dead",
                            "seconds": 74.2,
                            "status": "done",
                            "before": {"dead_rows": 310000, "table_bytes": 4 * 2**30},
                            "after": {"dead_rows": 0, "table_bytes": 4 * 2**30},
                        }
                    ],
                    "not_done": [{"relation": "public.events", "reason": "the window is too short"}],
                    "debt": [
                        {
                            "relation": "public.events",
                            "action": "rewrite",
                            "reason": "41% of it is air",
                            "predicted_seconds": 5400,
                            "runs": 3,
                            "since": instant(72),
                            "tried_seconds": 0,
                            "forced_seconds": 86400 * 4,
                            "forced": False,
                        }
                    ],
                    "maintenance": {
                        "server": "1",
                        "database": "shop",
                        "at": instant(0),
                        "transactions": 1,
                        "window_seconds": 7200,
                        "planned": 1,
                        "left": 1,
                    },
                }
            ],
            on="db-1",
        ),
        record(
            "maintenance",
            "status",
            [finding("pass", "maintenance.window", "weekly")],
            [
                {
                    "open": False,
                    "window": None,
                    "begins_at": None,
                    "ends_at": None,
                    "work_ends_at": None,
                    "remaining_seconds": 0,
                    "next": {"window": "weekly", "begins_at": instant(-62), "ends_at": instant(-66)},
                    "freeze": None,
                    "notice": {"window": "weekly", "status": "due", "required_seconds": 172800},
                    "next_notice": None,
                }
            ],
        ),
        record(
            "certificates",
            "check",
            [
                finding(
                    "fail",
                    "certificate.expiry",
                    "old.example.com",
                    "the certificate expired 3.1 days ago",
                    observed=-3.1,
                    limit=14,
                    unit="days",
                    hint="Renew it, install it and reload the service",
                )
            ],
            [
                {"certificates": held()},
                {
                    "renewals": [
                        {
                            "name": "shop.example.com",
                            "status": "renewed",
                            "message": "renewed 30 days before its end",
                            "not_after": instant(-2160),
                            "days_left": 90.0,
                            "steps": [{"step": "renew", "status": "done"}, {"step": "serve", "status": "done"}],
                        }
                    ]
                },
            ],
        ),
        record(
            "capacity",
            "check",
            [
                finding("pass", "capacity.cpu", "cpu", observed=31, limit=80, unit="%"),
                finding("warn", "capacity.disk", "/var", "space in use on /var is 82%, over the limit of 80%", observed=82, limit=80,
                        unit="%", hint="See what grows there, make room or extend it"),
            ],
            [
                {
                    "host": {
                        "cpu_percent": 31.0,
                        "memory_percent": 64.0,
                        "disks": [{"mount": "/", "used_percent": 41.0}, {"mount": "/var", "used_percent": 82.0}],
                    }
                }
            ],
        ),
        record(
            "monitoring",
            "review_logs",
            [finding("warn", "monitoring.log_new", "app.log", "2 classes of errors are new since yesterday", observed=2, limit=0,
                     hint="See their first events in the log")],
            [log_scan()],
        ),
        record("monitoring", "review_traces", [finding("pass", "monitoring.traces", "api")], [traces()]),
    ]


def yesterday() -> list[dict[str, Any]]:
    """The records of the day before an ordinary one: one check has become worse since, one was mended, one is asked no more."""
    found = []
    for row in ordinary():
        findings = [dict(one) for one in row["findings"]]
        for one in findings:
            if one["subject"] == "/var":
                one |= {"status": "pass", "message": "space in use on /var is 79%", "hint": ""}
            elif one["check"] == "service_levels.budget":
                one |= {"status": "warn", "message": "4.0% of the error budget of 30d is left"}
            elif (one["check"], one["subject"]) == ("health.latency", "web"):
                one |= {"status": "fail", "message": "P95 of the latency is 301.2 ms, over the limit of 200 ms"}
        if row["area"] == "capacity":
            findings.append(finding("warn", "capacity.disk", "/old", "space in use on /old is 85%"))
        found.append({**row, "run": "yesterday", "at": instant(24), "findings": findings})
    return found


def terrible(hosts: int = 40) -> list[dict[str, Any]]:
    """A day on which nothing works: hosts that cannot be reached, and whatever was looked at failed."""
    unreachable = [
        record(area, "check", [finding("unknown", f"{area}.check", f"app-{number}.example.com",
                                       "Failed to connect to the host via ssh: connect to host port 22: No route to host",
                                       observed=None, limit=None, hint="Run the step alone with -vvv to see more")],
               on=f"app-{number}.example.com")
        for number in range(hosts) for area in ("health", "capacity", "certificates")
    ]
    return [*({**row, "findings": [{**one, "status": "fail", "hint": one["hint"] or "See what was changed last",
                                    "message": one["message"].replace(" is fine", " is over the limit of 200 ms").replace("pass", "fail")}
                                   for one in row["findings"]]} for row in ordinary()), *unreachable]


def enormous(findings: int = 5000, certificates: int = 300) -> list[dict[str, Any]]:
    """A day with thousands of findings, hundreds of certificates, and names that nobody expects."""
    areas = ("health", "certificates", "databases", "capacity", "backups")
    per = findings // len(areas)
    states = ("pass", "pass", "pass", "fail", "warn", "pass", "unknown", "pass", "pass", "pass")
    days = [
        record(
            area,
            "check",
            [
                finding(
                    states[(number * 7 + place) % 10],
                    f"{area}.look",
                    f"{HOSTILE[number % len(HOSTILE)]} {number}",
                    observed=number * 1.5,
                    limit=99,
                    unit="ms",
                    hint=HOSTILE[(number + 1) % len(HOSTILE)] if number % 9 == 0 else "See what was changed last",
                )
                for number in range(per)
            ],
            on=f"{area}-{'x' * 60}.example.com",
        )
        for place, area in enumerate(areas)
    ]
    names = [f"{HOSTILE[number % len(HOSTILE)]} {number}" for number in range(certificates)]
    return [
        *days,
        record("certificates", "renew", [], [{"certificates": [certificate(index % 90, name) for index, name in enumerate(names)]}]),
        record("health", "watch", [], [{"services": services(0, list(HOSTILE))}]),
        *ordinary(),
    ]
