# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kind of copy is due, and what pgBackRest's report says of one, are pure."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.pgbackrest_engine import PgBackRestPolicy, judge_report, kind_due
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Damaged, InvalidOption

NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
FULL, DIFF, INCR = "20260114-120000F", "20260114-120000F_20260114-180000D", "20260114-120000F_20260115-060000I"


def label(name: str, kind: str, *reference: str, error: bool = False) -> dict:
    return {"label": name, "type": kind, "reference": list(reference) or None, "error": error}


LABELS = [label(FULL, "full"), label(DIFF, "diff", FULL), label(INCR, "incr", FULL, DIFF)]


@pytest.fixture
def known(backup):
    return [backup(NOW - timedelta(hours=hours), number=hours, engine="pgbackrest", native={
        "repository": "/etc/pgbackrest.conf", "name": name, "bytes": 1}) for hours, name in ((24, FULL), (18, DIFF), (6, INCR))]


def due(known, labels, **policy) -> str:
    return kind_due(known, labels, PgBackRestPolicy(**policy), NOW)


def test_what_the_policy_says_where_the_chain_is_known_and_good(known):
    assert due(known, LABELS) == "incr"
    assert due(known, LABELS, kind="diff") == "diff"
    assert due(known, LABELS, kind="full") == "full"
    assert due(known, LABELS, full_every=25 * 3600) == "incr"


def test_a_full_copy_where_nothing_can_be_built_on(known, backup):
    assert due([], []) == "full"
    assert due(known, []) == "full"
    assert due(known, LABELS, full_every=24 * 3600) == "full"
    assert due(known[:2], LABELS) == "full", "the newest is of another hand"
    assert due(known[:2], LABELS, kind="diff") == "diff", "and a differential one does not rest on it"
    assert due(known, [LABELS[0], label(DIFF, "diff", FULL, error=True), LABELS[2]]) == "full", "a link holds damaged pages"
    bad = backup(NOW - timedelta(hours=24), number=24, failed=True, engine="pgbackrest", native=dict(known[0].manifest.native))
    assert due([bad, *known[1:]], LABELS) == "full", "a link failed its verification"


def test_an_unknown_kind_is_refused():
    with pytest.raises(InvalidOption, match="copy"):
        PgBackRestPolicy(kind="copy")


REPORT = f"""stanza: shop
status: {{status}}
  archiveId: 15-1, total WAL checked: 9, total valid WAL: 9
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: {FULL}, status: {{status}}, total files checked: 964, total valid files: {{valid}}
    missing: 0, checksum invalid: 1, size invalid: 0, other: 0
"""
WAL = "15-1/0000000100000000/00000001000000000000000{}-e303b1a716d27334ee7e90420e5e8aec835e2a33.zst"


def judged(report: str, log: str = "") -> None:
    judge_report(report, log, FULL, "000000010000000000000002", "000000010000000000000003")


def test_a_whole_copy_passes_whatever_befell_log_that_it_does_not_need():
    judged(REPORT.format(status="valid", valid=964))
    judged(REPORT.format(status="valid", valid=964), f"INFO: invalid checksum '{WAL.format(1)}'")


@pytest.mark.parametrize(("report", "log", "words"), [
    (REPORT.format(status="invalid", valid=963), f"INFO: invalid checksum '{FULL}/pg_data/base/5/1.zst'", f"{FULL}/pg_data/base/5/1.zst"),
    (REPORT.format(status="valid", valid=963), "", "1 of 964 files"),
    (REPORT.format(status="valid", valid=964), f"INFO: invalid result {WAL.format(3)}: [29] raised", "log that the copy"),
    ("stanza: shop\nstatus: ok\n", "", "has no copy"), ("", "", "has no copy"),
])
def test_what_is_wrong_with_a_copy_is_named(report, log, words):
    with pytest.raises(Damaged, match=words.replace("/", "/")):
        judged(report, log)
