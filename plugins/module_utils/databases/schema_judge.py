# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a schema costs without use, is missing, or comes to its end. Pure: facts of `schema.observe_schema` in, findings out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status
from ..core.policy import Limits, Reader, duration, pair, percentage, read_policy, size, status_word, words
from ..core.quantities import DAY, format_duration, format_size
from .figures import most, shortened

_Index = Mapping[str, Any]
# What makes an index the one that it is, beside its columns; two that agree in all of it answer the same questions.
_ALIKE = ("table_oid", "method", "predicate")


@dataclass(frozen=True)
class Review:
    """One kind of finding: its status (ignore: none), the size in bytes from which on it counts, an age in seconds."""

    status: str = "ignore"
    size: int = 0
    after: float = 0

    def __bool__(self) -> bool:
        return self.status != "ignore"


def _review(**readers: Reader) -> Reader:
    def of(value: Any, option: str) -> Review:
        if not isinstance(value, Mapping):
            raise InvalidOption(f"{option}: {value!r} is not a dictionary", hint="Write it as {status: warn}")
        return Review(**read_policy(value, {"status": status_word, **readers}, option=option, optional=("size",)))
    return of


@dataclass(frozen=True)
class SchemaPolicy:
    """What ``postgresql_schema_review`` judges by; what the policy is silent of is not judged."""

    unused_indexes: Review = Review()
    duplicate_indexes: Review = Review()
    redundant_indexes: Review = Review()
    foreign_keys: Review = Review()
    sequences: Limits = field(default_factory=Limits)
    without_history: str = "unknown"
    exclude: tuple[str, ...] = ()

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> SchemaPolicy:
        """Read ``{unused_indexes: {after: 30d, size: 1MiB, status: warn}, sequences: {warn: 70, fail: 90}, …}``.

        :raises InvalidOption: for an unknown key or a value of the wrong kind
        """
        return cls(**read_policy(options, {
            "unused_indexes": _review(after=duration, size=size), "duplicate_indexes": _review(size=size),
            "redundant_indexes": _review(size=size), "foreign_keys": _review(size=size), "sequences": pair(percentage),
            "without_history": status_word, "exclude": words}, option="policy"))

    def leaves(self, *names: str) -> bool:
        """Whether one of the names is excluded."""
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.exclude)


def judge_schema(facts: Mapping[str, Any], policy: SchemaPolicy) -> list[Finding]:
    """Findings of all that the policy speaks of; a section that could not be read gives an ``unknown`` one."""
    findings: list[Finding] = []
    for sections, wanted, judge in (
            (("indexes",), policy.duplicate_indexes or policy.redundant_indexes, _judge_doubles),
            (("indexes", "counted"), policy.unused_indexes, _judge_unused),
            (("foreign_keys",), policy.foreign_keys, _judge_foreign_keys),
            (("sequences",), policy.sequences, _judge_sequences)):
        unread = next((name for name in sections if not _read(facts[name])), None)
        if wanted and unread:
            findings.append(Finding(f"database.{unread}", facts["name"], Status.UNKNOWN,
                                    f"{unread} could not be read: {facts[unread]['error']}",
                                    hint=facts[unread].get("hint") or "GRANT pg_monitor to the user of this review"))
        elif wanted:
            findings += judge(facts, policy)
    return findings


def whole(indexes: Iterable[_Index]) -> list[dict[str, Any]]:
    """The indexes that can be dropped by themselves: those of partitions are counted to the partitioned one."""
    parts: dict[int, list[_Index]] = defaultdict(list)
    for index in indexes:
        parts[index["root"]].append(index)
    found = []
    for root, members in parts.items():
        top = next((index for index in members if index["oid"] == root), None)
        if top is not None:
            ages = [index["unused_seconds"] for index in members if index["unused_seconds"] is not None]
            found.append({**top, "bytes": sum(index["bytes"] for index in members), "scans": sum(index["scans"] for index in members),
                          "unused_seconds": min(ages, default=None),
                          "constrained": any(index["constrained"] for index in members)})
    return found


def duplicates(indexes: Sequence[_Index]) -> list[tuple[_Index, _Index]]:
    """Pairs of an index that is not needed and the equal one that stays.

    Of equal ones that stays which more depends on: the primary key, a constraint, the replica identity, uniqueness, then age.
    """
    groups: dict[tuple, list[_Index]] = defaultdict(list)
    for index in indexes:
        groups[(*(index[key] for key in _ALIKE), *(index[key] for key in ("columns", "keys", "classes", "collations", "options",
                                                                          "expressions")))].append(index)
    found = []
    for group in groups.values():
        order = sorted(group, key=lambda one: (not one["primary"], not one["constrained"], not one["identity"], not one["unique"],
                                               one["oid"]))
        for number, index in enumerate(order):
            stays = next((one for one in order[:number] if not index["unique"] or (
                one["unique"] and one["distinct_nulls"] <= index["distinct_nulls"] and one["immediate"] >= index["immediate"])), None)
            if stays is not None and not index["primary"] and not index["identity"]:
                found.append((index, stays))
    return found


def redundant(indexes: Sequence[_Index]) -> list[tuple[_Index, _Index]]:
    """Pairs of a B-tree whose columns another one begins with, and that other one."""
    tables: dict[tuple, list[_Index]] = defaultdict(list)
    for index in indexes:
        if index["method"] == "btree":
            tables[tuple(index[key] for key in _ALIKE)].append(index)
    found = []
    for group in tables.values():
        for index in group:
            if index["unique"] or index["constrained"] or index["identity"] or index["expressions"] is not None:
                continue
            wider = next((other for other in group if other["keys"] > index["keys"] and _begins(other, index)), None)
            if wider is not None:
                found.append((index, wider))
    return found


def _begins(wider: _Index, index: _Index) -> bool:
    number = index["keys"]
    return all(wider[key].split()[:number] == index[key].split()[:number] for key in ("columns", "classes", "collations", "options")) \
        and set(index["columns"].split()[number:]) <= set(wider["columns"].split())


def _judge_doubles(facts: Mapping[str, Any], policy: SchemaPolicy) -> list[Finding]:
    indexes = [index for index in whole(facts["indexes"]) if not policy.leaves(index["name"], index["table"])]
    equal, findings = duplicates(indexes), []
    for check, review, pairs, what in (
            ("duplicate_index", policy.duplicate_indexes, equal, "answers the same as"),
            ("redundant_index", policy.redundant_indexes, redundant(indexes), "has columns that also begin")):
        if not review:
            continue
        gone = {index["name"] for index, _stays in equal} if check == "redundant_index" else set()
        findings += _reviewed(check, facts["name"], review, [
            (index, f"{index['name']} {what} {stays['name']}, and takes {format_size(index['bytes'])}", index["bytes"], _drop(index))
            for index, stays in pairs if index["name"] not in gone and index["bytes"] >= review.size],
            f"none of {len(indexes)} indexes")
    return findings


def _judge_unused(facts: Mapping[str, Any], policy: SchemaPolicy) -> list[Finding]:
    review, counted = policy.unused_indexes, facts["counted"]["seconds"]
    indexes = whole(facts["indexes"])
    # One in whose place another is to go serves what that one is used for.
    serving = {stays["oid"] for gone, stays in [*duplicates(indexes), *redundant(indexes)] if gone["scans"]}
    candidates = [index for index in indexes
                  if not (index["unique"] or index["constrained"] or index["identity"] or index["oid"] in serving)
                  and index["bytes"] >= review.size and not policy.leaves(index["name"], index["table"])]
    # From PostgreSQL 16 on the last use is known; a use, however long ago, is then all the history that is needed.
    idle = [index for index in candidates if index["scans"] == 0 or (index["unused_seconds"] or 0) >= review.after]
    late = [index for index in idle if index["scans"] == 0 and counted < review.after]
    findings = [] if not late or policy.without_history == "ignore" else [
        Finding("database.unused_index", facts["name"], Status(policy.without_history),
                f"{len(late)} indexes were not used, but their use is only counted for {format_duration(counted)}: not known yet",
                int(counted), int(review.after), "s", hint=f"Look again when it is {format_duration(review.after)}")]
    known = sorted((index for index in idle if index not in late), key=lambda one: -one["bytes"])
    if findings and not known:
        return findings
    standbys = facts["counted"]["standbys"]
    elsewhere = f" Look at pg_stat_user_indexes of the {standbys} standbys first." if standbys else ""
    return findings + _reviewed("unused_index", facts["name"], review, [
        (index, f"{index['name']} of {index['table']} was not used for "
                f"{format_duration(index['unused_seconds'] if index['scans'] else counted)}, and takes {format_size(index['bytes'])}",
         index["bytes"], _drop(index) + elsewhere)
        for index in known], f"none of {len(candidates)} indexes")


def _judge_foreign_keys(facts: Mapping[str, Any], policy: SchemaPolicy) -> list[Finding]:
    found = []
    for key in facts["foreign_keys"]:
        if key["bytes"] < policy.foreign_keys.size or policy.leaves(key["name"], key["table"]):
            continue
        how = "CREATE INDEX ON" if key["partitioned"] else "CREATE INDEX CONCURRENTLY ON"
        found.append(({"name": f"{key['table']}.{key['name']}"},
                      f"{key['table']} ({key['columns']}) references {key['referenced']} and has no index: each DELETE there reads "
                      f"all of it ({format_size(key['bytes'])})", key["bytes"], f"Run: {how} {key['table']} ({key['columns']});"))
    return _reviewed("foreign_key_index", facts["name"], policy.foreign_keys, found, "no foreign key")


def used_percent(sequence: Mapping[str, Any]) -> float | None:
    """How much of a sequence, or of the type of the column that it feeds, is gone; None where it may not be read.

    One that starts anew by itself comes to no end, unless its column ends first.
    """
    first, last = sequence["minimum"], sequence["maximum"]
    if sequence["bits"] is not None:
        first, last = max(first, -2 ** sequence["bits"]), min(last, 2 ** sequence["bits"] - 1)
    if sequence["cycles"] and (first, last) == (sequence["minimum"], sequence["maximum"]):
        return 0.0
    if not sequence["readable"]:
        return None
    if sequence["last"] is None:
        return 0.0
    gone = sequence["last"] - first if sequence["increment"] > 0 else last - sequence["last"]
    return round(min(100 * gone / max(last - first, 1), 100), 2)


def _judge_sequences(facts: Mapping[str, Any], policy: SchemaPolicy) -> list[Finding]:
    seen = [one for one in facts["sequences"] if not policy.leaves(one["name"])]
    findings, hidden = [], [one["name"] for one in seen if used_percent(one) is None]
    for one in seen:
        used = used_percent(one)
        if used is None:
            continue
        column = f", which feeds {one['column']} ({one['type']})," if one["column"] else ""
        findings += most("sequence", one["name"], used, policy.sequences, unit="%", what=f"the used part of the sequence{column}",
                         hint="Widen it before it ends: ALTER TABLE … ALTER COLUMN … TYPE bigint; (which rewrites the table) and "
                              f"ALTER SEQUENCE {one['name']} AS bigint;")
    bad = sorted((finding for finding in findings if finding.status is not Status.PASS), key=lambda one: -one.observed)
    if hidden:
        bad.append(Finding("database.sequence", facts["name"], Status.UNKNOWN,
                           f"{len(hidden)} sequences may not be read: {', '.join(hidden[:5])}",
                           hint="Grant it: GRANT SELECT ON ALL SEQUENCES IN SCHEMA … TO …; (from PostgreSQL 14 on pg_read_all_data)"))
    fullest = max((finding.observed for finding in findings), default=0)
    return shortened("sequence", facts["name"], bad) or [Finding(
        "database.sequence", facts["name"], Status.PASS, f"none of {len(seen)} sequences is near its end", fullest,
        policy.sequences.fail, "%")]


def _reviewed(check: str, name: str, review: Review, found: Sequence[tuple[Mapping[str, Any], str, int, str]],
              none: str) -> list[Finding]:
    findings = [Finding(f"database.{check}", one["name"], Status(review.status), message, observed, review.size, "bytes", hint)
                for one, message, observed, hint in found]
    return shortened(check, name, findings) or [Finding(f"database.{check}", name, Status.PASS, f"{none} is of this kind", 0, 0)]


def _drop(index: _Index) -> str:
    if index["constrained"]:
        return f"It belongs to a constraint: run ALTER TABLE {index['table']} DROP CONSTRAINT …; for it"
    how = "DROP INDEX" if index["partitioned"] else "DROP INDEX CONCURRENTLY"
    return f"Run: {how} {index['name']};"


def _read(seen: Any) -> bool:
    return not (isinstance(seen, Mapping) and "error" in seen)


def schema_values(facts: Mapping[str, Any], target: str) -> dict[str, Any]:
    """The module's return values: figures, and what growth is told by."""
    indexes, sequences = facts["indexes"], facts["sequences"]
    fullest = sorted(((used_percent(one) or 0, one) for one in sequences), key=lambda both: -both[0])[:20] if _read(sequences) else []
    return {
        "schema": {
            "target": target, "name": facts["name"], "version": facts["version"],
            "indexes": {"number": len(indexes), "bytes": sum(one["bytes"] for one in indexes)} if _read(indexes) else indexes,
            "counted_days": round(facts["counted"]["seconds"] / DAY, 2) if _read(facts["counted"]) else None,
            "sequences": [{"name": one["name"], "used_percent": used, "last": one["last"], "column": one["column"], "type": one["type"]}
                          for used, one in fullest]},
        "sizes": {"target": target, "name": facts["name"], **facts["sizes"]},
    }
