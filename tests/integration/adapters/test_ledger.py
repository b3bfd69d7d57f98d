# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger on SQLite and on PostgreSQL: many writers, and every kind of tampering that a chain can and cannot see."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import sqlalchemy as sa
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import FINDINGS, HEAD, RECORDS, Ledger
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import (
    Damaged,
    InvalidOption,
    LibraryMissing,
    StorageFailed,
)

from tests.conftest import ROOT


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/ledger/ledger.sqlite"
        return
    target = request.getfixturevalue("newest_pg")
    place = f"postgresql+psycopg://{target.user}:{target.password}@{target.host}:{target.port}"
    admin = sa.create_engine(f"{place}/postgres", isolation_level="AUTOCOMMIT")
    name = f"ledger_{os.getpid()}_{abs(hash(request.node.name))}"
    with admin.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
    yield f"{place}/{name}"
    with admin.connect() as connection:
        connection.execute(sa.text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.dispose()


def record(run="r1", **changes):
    return {"run": run, "at": "2026-01-15T12:00:00.000Z", "system": "shop", "environment": "test", "host": "db1", "area": "capacity",
            "procedure": "check", "status": "pass", "changed": False, "body": [{"number": 1}], **changes}


def finding(subject="/", **changes):
    return {"check": "capacity.disk", "subject": subject, "status": "pass", "message": "fine", "observed": 1.5, **changes}


def tamper(url, *statements):
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)
    engine.dispose()


def filled(url, number=5):
    ledger = Ledger(url)
    return ledger, [ledger.append(record(f"r{one}"), [finding(f"/{one}"), finding("/x")]) for one in range(number)]


def test_a_ledger_of_an_older_version_is_read_and_written_on(url):
    filled(url, 2)
    tamper(url, sa.text("ALTER TABLE records DROP COLUMN recorded_by"))
    assert Ledger(url).verify_chain() == 2 and Ledger(url).records("r1")[0]["recorded_by"] is None
    tamper(url, sa.text("ALTER TABLE records DROP COLUMN recorded_by"))
    ledger = Ledger(url)
    ledger.append(record("later", recorded_by="lovelace on control-1"), [finding()])
    assert ledger.records("later")[0]["recorded_by"] == "lovelace on control-1" and ledger.verify_chain() == 3


@pytest.mark.parametrize("lie", ["NULL", "'somebody else'"])
def test_who_made_a_record_cannot_be_altered_unseen(url, lie):
    ledger = Ledger(url)
    ledger.append(record(recorded_by="lovelace on control-1"), [finding()])
    tamper(url, sa.text(f"UPDATE records SET recorded_by = {lie}"))
    with pytest.raises(Damaged, match="the chain breaks at record"):
        ledger.verify_chain()


def test_what_was_given_comes_back_in_order(url):
    ledger, digests = filled(url)
    [one] = ledger.records("r3")
    assert one["body"] == [{"number": 1}] and [f["subject"] for f in one["findings"]] == ["/3", "/x"]
    assert one["digest"] == digests[3] and one["previous"] == digests[2] and one["changed"] is False
    assert ledger.verify_chain() == 5 == Ledger(url).verify_chain(expected=digests)
    assert ledger.newest_run(system="shop", environment="test") == "r4"
    assert ledger.newest_run(system="other", environment="test") is None


def test_hostile_text_is_kept_and_verified(url):
    ledger = Ledger(url)
    names = ["a\nb", "%s", "quo'te\"", "\udcff\udcfe", "nul\0", "ünï-🦊", "\x1b[31m", ""]
    ledger.append(record(body=[{"names": names}], host="h\0\udcff"), [finding(name) for name in names])
    [one] = ledger.records("r1")
    assert one["body"][0]["names"] == names and [f["subject"] for f in one["findings"]] == names
    assert one["host"] == "h\\0\\udcff" and ledger.verify_chain() == 1


WRITER = """
import sys, tests.conftest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger
url, writer = sys.argv[1:]
for number in range(25):
    Ledger(url).append({"run": f"w{writer}", "at": "2026-01-15T12:00:00.000Z", "system": "s", "environment": "e", "host": writer,
                        "area": "a", "procedure": "p", "status": "pass", "changed": True, "body": [number]},
                       [{"check": "a.b", "subject": str(number), "status": "pass", "message": "m"}])
"""


def test_eight_writers_at_once_leave_one_unbroken_chain(url):
    """From no database at all: the tables too are made by whoever comes first."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, url, str(number)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
               for number in range(8)]
    said = [writer.communicate(timeout=300)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 8, said
    ledger = Ledger(url)
    assert ledger.verify_chain() == 200
    for writer in range(8):
        assert [one["body"] for one in ledger.records(f"w{writer}")] == [[number] for number in range(25)]


@pytest.mark.parametrize("statement", [
    sa.update(RECORDS).where(RECORDS.c.id == 3).values(status="fail"),
    sa.update(RECORDS).where(RECORDS.c.id == 3).values(changed=True),
    sa.update(RECORDS).where(RECORDS.c.id == 3).values(body="[]"),
    sa.update(RECORDS).where(RECORDS.c.id == 3).values(run="r9"),
    sa.update(FINDINGS).where(FINDINGS.c.record == 3).values(body='{"check":"capacity.disk","subject":"/","status":"pass"}'),
    sa.update(FINDINGS).where(FINDINGS.c.record == 3).values(status="fail"),
    sa.update(FINDINGS).where(FINDINGS.c.record == 3).values(run="r9"),
    sa.delete(FINDINGS).where(FINDINGS.c.record == 3, FINDINGS.c.subject == "/x"),
    sa.insert(FINDINGS).values(record=3, run="r2", check="a.b", subject="new", status="pass", body="{}"),
], ids=["status", "changed", "body", "run", "finding", "finding status", "finding run", "finding gone", "finding added"])
def test_an_altered_row_is_named(url, statement):
    ledger, _digests = filled(url)
    tamper(url, statement)
    with pytest.raises(Damaged, match="the chain breaks at record 3") as error:
        ledger.verify_chain()
    assert error.value.evidence == {"intact_records": 2, "record": 3}


@pytest.mark.parametrize("gone, named", [([1], 2), ([3], 4), ([2, 3], 4)])
def test_a_row_that_was_taken_out_is_found_at_the_next(url, gone, named):
    ledger, _digests = filled(url)
    tamper(url, sa.delete(FINDINGS).where(FINDINGS.c.record.in_(gone)), sa.delete(RECORDS).where(RECORDS.c.id.in_(gone)))
    with pytest.raises(Damaged, match=f"breaks at record {named}"):
        ledger.verify_chain()


LAST = (sa.delete(FINDINGS).where(FINDINGS.c.record > 3), sa.delete(RECORDS).where(RECORDS.c.id > 3))


def test_the_last_rows_break_no_link_and_the_head_misses_them(url):
    ledger, _digests = filled(url)
    tamper(url, *LAST)
    with pytest.raises(Damaged, match="2 records are gone from its end"):
        ledger.verify_chain()


def test_what_is_written_after_the_loss_of_the_last_rows_does_not_hide_it(url):
    ledger, _digests = filled(url)
    tamper(url, *LAST)
    ledger.append(record("later"), [])
    with pytest.raises(Damaged, match="the chain breaks at record"):
        ledger.verify_chain()
    assert ledger.records("later")


def test_who_forges_the_head_too_is_caught_only_by_a_digest_kept_elsewhere(url):
    ledger, digests = filled(url)
    tamper(url, *LAST, sa.update(HEAD).values(records=3, digest=digests[2]))
    assert ledger.verify_chain() == 3, "a chain alone cannot see this; if it can now, say so in the module's docstring"
    with pytest.raises(Damaged, match="which was written, is not in it"):
        ledger.verify_chain(expected=[digests[4]])
    assert ledger.verify_chain(expected=digests[:3]) == 3


def test_a_head_that_is_gone_is_told_and_all_rows_gone_too(url):
    ledger, _digests = filled(url, 2)
    tamper(url, sa.delete(FINDINGS), sa.delete(RECORDS))
    with pytest.raises(Damaged, match="2 records are gone"):
        ledger.verify_chain()
    ledger.append(record(), [])
    tamper(url, sa.delete(HEAD))
    with pytest.raises(Damaged):
        ledger.verify_chain()


def test_nothing_is_kept_of_a_record_that_could_not_be_written(url):
    ledger, _digests = filled(url, 1)
    with pytest.raises(InvalidOption, match="area is 65 characters long"):
        ledger.append(record(area="a" * 65), [])
    with pytest.raises(InvalidOption, match="check is 200 characters long"):
        ledger.append(record(), [finding(check="c" * 200)])
    assert ledger.verify_chain() == 1


def test_an_empty_ledger_is_whole(url):
    assert Ledger(url).verify_chain() == 0


def test_who_only_reads_makes_nothing(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/new/ledger.sqlite")
    assert ledger.verify_chain() == 0 and ledger.records("r1") == [] and ledger.newest_run(system="shop", environment="test") is None
    assert list(tmp_path.iterdir()) == []
    ledger.append(record(), [finding()])
    assert [one["body"] for one in ledger.records("r1")] == [[{"number": 1}]] and ledger.verify_chain() == 1


def test_the_file_is_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        Ledger(f"sqlite:///{tmp_path}/new/ledger.sqlite").append(record(), [])
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "ledger.sqlite").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    (tmp_path / "new" / "ledger.sqlite").chmod(0o644)
    Ledger(f"sqlite:///{tmp_path}/new/ledger.sqlite").append(record(), [])
    assert (tmp_path / "new" / "ledger.sqlite").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("address, error, said", [
    ("no url", InvalidOption, "no database URL"),
    ("cobol://x", InvalidOption, "no database URL"),
    ("postgresql+pg8000://secret@h/d", LibraryMissing, "pg8000"),
    ("sqlite:////dev/null/ledger.sqlite", StorageFailed, "/dev/null"),
    ("postgresql+psycopg://u:secret@127.0.0.1:1/d", StorageFailed, "cannot be used"),
])
def test_a_ledger_that_cannot_be_opened_says_so_without_its_password(address, error, said):
    with pytest.raises(error) as caught:
        Ledger(address).append(record(), [])
    assert said in caught.value.message and caught.value.hint and "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"precious notes, no database" * 100)
    with pytest.raises(StorageFailed, match="file is not a database"):
        Ledger(f"sqlite:///{path}")
    assert path.read_bytes() == b"precious notes, no database" * 100


def test_a_full_disk_keeps_what_was_there(tmp_path):
    """A file system of 1 MiB in a mount namespace of its own."""
    code = "\n".join([
        "import sys, tests.conftest",
        "from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger",
        "from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import StorageFailed",
        "ledger, number = Ledger(sys.argv[1]), 0",
        "row = dict(run='r', at='a', system='s', environment='e', host='h', area='a', procedure='p', status='pass', changed=False)",
        "try:",
        "    while True: ledger.append({**row, 'body': ['x' * 50000]}, []); number += 1",
        "except StorageFailed as error: print(error)",
        "print(number > 3 and Ledger(sys.argv[1]).verify_chain() == number)",
    ])
    command = f'mount -t tmpfs -o size=1m none {tmp_path} && exec "$0" -c "$1" sqlite:///{tmp_path}/ledger.sqlite'
    done = subprocess.run(["unshare", "--mount", "sh", "-c", command, sys.executable, code], cwd=ROOT, text=True, capture_output=True,
                          timeout=120, check=False)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("mounting needs root")
    assert "database or disk is full" in done.stdout and done.stdout.splitlines()[-1] == "True", done.stdout + done.stderr
