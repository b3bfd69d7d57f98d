# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address that migrations are given, read back by libpq and SQLAlchemy; and whose variables they are."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.migration_commands import (
    MigrationCommands,
    Surroundings,
    Timeouts,
    address,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url

NAMES = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1, max_size=20)
HOSTS = st.sampled_from(["db.example.com", "192.0.2.1", "::1", "/var/run/postgresql", "/var/tmp/a b%c"])


@given(NAMES, NAMES, NAMES, HOSTS)
def test_libpq_and_sqlalchemy_read_the_address_back(user, database, password, host):
    target = PostgresTarget(host=host, port=5433, user=user, database=database, password=password)
    read = conninfo_to_dict(address(target, "postgresql"))
    assert (read["user"], read["dbname"], read["host"], int(read["port"])) == (user, database, host, 5433) and "password" not in read
    url = make_url(address(target, "postgresql+psycopg", with_password=True))
    assert (url.username, url.password, url.database) == (user, password, database)
    assert (url.host or url.query["host"], int(url.port or url.query["port"])) == (host, 5433)


def test_the_local_socket_has_no_host():
    assert address(PostgresTarget(), "postgresql") == "postgresql://postgres@/postgres?port=5432"


@pytest.mark.parametrize("variables", [{"PGOPTIONS": "-c lock_timeout=0"}, {"DATABASE_URL": "x"}, {"": "x"}, {"A=B": "x"}, {"PGHOST": "x"}])
def test_the_address_and_the_timeouts_are_not_the_operators_to_set(variables):
    for surroundings in (Surroundings(variables=variables), Surroundings(secrets=variables)):
        with pytest.raises(InvalidOption) as refused:
            MigrationCommands(PostgresTarget(), surroundings, Timeouts(1, 1, 1), Deadline(SystemClock(), 1))
        assert refused.value.hint
