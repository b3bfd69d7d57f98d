# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project with migrations by Alembic, as an application has one: its env.py takes the address from DATABASE_URL."""

from __future__ import annotations

import sys
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("alembic"))
_INI = """[alembic]
script_location = %(here)s/migrations
sqlalchemy.url = {url}
"""
_ENV = """import os
from alembic import context
from sqlalchemy import create_engine, pool

url = os.environ.get("DATABASE_URL") if {follows} else context.config.get_main_option("sqlalchemy.url")
if context.is_offline_mode():
    context.configure(url=url, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(url, poolclass=pool.NullPool).connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
"""
_SCRIPT = '''"""{message}"""
from alembic import op

revision, down_revision, branch_labels, depends_on = {name!r}, {above!r}, None, None


def upgrade():
    for statement in {upgrade!r}:
        op.execute(statement)


def downgrade():
    for statement in {downgrade!r}:
        op.execute(statement)
'''


class AlembicProject:
    """Below ``folder``; scripts are added one after another. ``address`` of its own makes it deaf to DATABASE_URL."""

    def __init__(self, folder: Path, *, address: str = "") -> None:
        self.folder, self.last = folder, None
        (folder / "migrations" / "versions").mkdir(parents=True)
        self.config = folder / "alembic.ini"
        self.config.write_text(_INI.format(url=address.replace("%", "%%") or "postgresql+psycopg://nobody@/nothing"))
        (folder / "migrations" / "env.py").write_text(_ENV.format(follows=not address))
        (folder / "migrations" / "script.py.mako").write_text("")

    def add(self, name: str, upgrade: list[str], downgrade: list[str] | None = None, message: str = "") -> AlembicProject:
        """A script on top of the last one."""
        path = self.folder / "migrations" / "versions" / f"{name}.py"
        path.write_text(_SCRIPT.format(name=name, above=self.last, upgrade=upgrade, downgrade=downgrade or [], message=message or name))
        self.last = name
        return self

    @property
    def options(self) -> dict:
        """The module's options that lead to it."""
        return {"alembic": {"program": PROGRAM, "config": str(self.config)}, "chdir": str(self.folder), "url_scheme": "postgresql+psycopg"}
