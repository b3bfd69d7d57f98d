# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions on real servers of two majors, and every way in which one does not come about."""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
import time

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import StatementFailed, connect
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import (
    AccessDenied,
    NotFound,
    OpsError,
    TimedOut,
    Unreachable,
)


@pytest.fixture
def session(pg):
    with connect(pg) as opened:
        yield opened


def test_values_are_parameters_and_names_are_quoted(session):
    name = 'odd "name"; DROP TABLE x; ünï\n{}'
    session.run("CREATE TEMPORARY TABLE {table} ({column} text)", names={"table": name, "column": "a%b%s"})
    session.run("INSERT INTO {table} VALUES (%s)", ["it's {} %s"], names={"table": ("pg_temp", name)})
    assert session.fetch("SELECT {column} FROM {table}", names={"table": name, "column": "a%b%s"}) == [{"a%b%s": "it's {} %s"}]
    assert session.value("SELECT 1 WHERE false") is None and session.fetch("SET work_mem = '4MB'") == []


@pytest.mark.parametrize("name", ["100%", "a%sb"])
def test_a_name_with_a_percent_sign_goes_together_with_parameters(session, name):
    session.run("CREATE TEMPORARY TABLE {table} (a text)", names={"table": name})
    session.run("INSERT INTO {table} VALUES (%s)", ["x"], names={"table": ("pg_temp", name)})
    assert session.value("SELECT a FROM {table} WHERE a = %s", ["x"], names={"table": name}) == "x"


def test_a_session_says_who_it_is_and_looks_up_names_in_the_catalog_only(session):
    assert session.server_major == session.server_version // 10000 >= 13
    assert session.value("SHOW application_name") == "evenkeel.ops" and session.value("SHOW search_path") == "pg_catalog"
    assert session.value("SELECT pg_backend_pid()") == session.backend_pid
    session.set("lock_timeout", 1500)
    assert session.value("SHOW lock_timeout") == "1500ms"


@pytest.mark.parametrize("change, error, said", [
    ({"password": "wrong"}, AccessDenied, "pg_hba"),
    ({"password": None}, AccessDenied, "password"),
    ({"user": "nobody'\"\n"}, AccessDenied, "password"),
    ({"database": "no\nsuch \"db\""}, NotFound, "psql -l"),
    ({"host": "no-such-host.invalid"}, Unreachable, "host and port"),
])
def test_what_is_wrong_with_an_address_is_told_apart(pg, change, error, said):
    with pytest.raises(error) as caught:
        connect(dataclasses.replace(pg, **change))
    assert said in str(caught.value) and caught.value.evidence["port"] == pg.port
    assert pg.password not in repr(caught.value.as_dict()) + str(caught.value)


def test_a_port_where_nothing_listens_and_one_that_never_answers(pg):
    with socket.socket() as kept, pytest.raises(Unreachable):
        kept.bind(("127.0.0.1", 0))
        connect(dataclasses.replace(pg, port=kept.getsockname()[1]))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        with pytest.raises(TimedOut) as error:
            connect(dataclasses.replace(pg, port=silent.getsockname()[1], connect_timeout=2))
        assert time.monotonic() - began < 30 and error.value.hint


def test_errors_of_statements_are_told_apart(pg, session):
    with pytest.raises(StatementFailed) as error:
        session.fetch("SELECT 1/0")
    assert error.value.sqlstate == "22012" and session.value("SELECT 1") == 1
    with connect(pg, statement_timeout=0.2) as hurried, pytest.raises(TimedOut):
        hurried.fetch("SELECT pg_sleep(30)")
    session.run("CREATE ROLE reader_of_nothing")
    try:
        session.run("SET ROLE reader_of_nothing")
        with pytest.raises(AccessDenied, match="lacks a privilege"):
            session.fetch("SELECT * FROM pg_authid")
    finally:
        session.run("RESET ROLE")
        session.run("DROP ROLE reader_of_nothing")


def test_a_statement_can_be_cancelled_from_another_thread(session):
    def cancel() -> None:
        with connect(session.target) as other:
            for _attempt in range(600):
                if other.value("SELECT state FROM pg_stat_activity WHERE pid = %s AND query ~ 'sleep'", [session.backend_pid]) == "active":
                    break
                time.sleep(0.05)
        session.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(TimedOut, match="cancelled"):
        session.fetch("SELECT pg_sleep(60)")
    thread.join()


def test_a_session_that_the_server_ends_is_told(pg, session):
    with connect(pg) as victim:
        session.run("SELECT pg_terminate_backend(%s)", [victim.backend_pid])
        with pytest.raises(OpsError) as error:
            victim.fetch("SELECT 1")
    assert isinstance(error.value, Unreachable) and error.value.hint


def test_the_environment_for_programs_has_the_password_in_a_private_file_that_goes(pg):
    target = dataclasses.replace(pg, password="a:b\\c")
    with target.client_environment() as environment:
        path = environment["PGPASSFILE"]
        assert os.stat(path).st_mode & 0o777 == 0o600
        with open(path, encoding="utf-8") as stream:  # noqa: PTH123
            assert stream.read() == "*:*:*:*:a\\:b\\\\c\n"
        assert "a:b" not in "".join(value for name, value in environment.items() if name != "PGPASSFILE")
        assert (environment["PGHOST"], environment["PGPORT"]) == (pg.host, str(pg.port))
    assert not os.path.exists(path)
    assert "a:b" not in repr(target)
