# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A schema as pg_dump writes it, taken apart by object, and what two of them differ in. Pure.

pg_dump knows every kind of object of its own major version, which no library that reads catalogs does; what it writes is in an order
of its own making and with a comment above each object that names it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

_HEADER = re.compile(r"^-- Name: (?P<name>.*); Type: (?P<kind>[^;]+); Schema: (?P<schema>[^;]+); Owner: .*$")
# From 18 on, and in the minor versions of summer 2025, pg_dump brackets its output with a random word for psql.
_RANDOM = re.compile(r"^\\(?:un)?restrict .*$")


@dataclass(frozen=True)
class Schema:
    """Text of each object by its name (``TABLE public.orders``)."""

    objects: Mapping[str, str]

    @property
    def digest(self) -> str:
        """One word for all of it."""
        hashed = hashlib.sha256()
        for name in sorted(self.objects):
            hashed.update(f"{name}\0{self.objects[name]}\0".encode("utf-8", "surrogateescape"))
        return hashed.hexdigest()

    def without(self, table: str) -> Schema:
        """All but the objects of a tool's own table of versions, which it makes and leaves; everything where ``table`` is empty."""
        name = table.rpartition(".")[2]
        return Schema({key: text for key, text in self.objects.items() if not (name and name in key)})


@dataclass(frozen=True)
class Changes:
    """Names of objects, sorted; ``before`` and ``after`` are the texts of those that are not the same."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    before: str
    after: str

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def sentence(self) -> str:
        """``2 added, 1 changed (TABLE public.a, …)``."""
        parts = [f"{len(names)} {word}" for names, word in ((self.added, "added"), (self.changed, "changed"), (self.removed, "removed"))
                 if names]
        names = [*self.removed, *self.changed, *self.added]
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        return f"{', '.join(parts)} ({', '.join(names[:8])}{more})" if parts else "the schema is the same"

    def as_dict(self) -> dict[str, list[str]]:
        """Plain values."""
        return {"added": list(self.added), "changed": list(self.changed), "removed": list(self.removed)}


def read_schema(dump: str) -> Schema:
    """Take the output of ``pg_dump --schema-only`` apart; objects of one name, as a grant and its table, are one entry each kind."""
    objects: dict[str, list[str]] = {}
    name = ""
    for line in dump.splitlines():
        if _RANDOM.match(line):
            continue
        header = _HEADER.match(line)
        if header:
            schema = "" if header["schema"] == "-" else f"{header['schema']}."
            name = f"{header['kind']} {schema}{header['name']}"
            objects.setdefault(name, [])
        elif name and line.strip() and not line.startswith(("--", "SET default_table")):
            objects[name].append(line)
    return Schema({key: "\n".join(lines) for key, lines in objects.items()})


def compare(before: Schema, after: Schema) -> Changes:
    """What is not the same."""
    was, now = before.objects, after.objects
    added = tuple(sorted(now.keys() - was.keys()))
    removed = tuple(sorted(was.keys() - now.keys()))
    changed = tuple(sorted(name for name in was.keys() & now.keys() if was[name] != now[name]))

    def text(objects: Mapping[str, str], names: tuple[str, ...]) -> str:
        return "".join(f"-- {name}\n{objects[name]}\n" for name in sorted(names))

    return Changes(added, removed, changed, text(was, removed + changed), text(now, added + changed))
