# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is what was restored what was backed up? A pure comparison of two fingerprints of `backups.fingerprint`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["different", "unknown", "notice"]


@dataclass(frozen=True, slots=True)
class Difference:
    """``different`` is data that is not the same, ``unknown`` what could not be compared, ``notice`` what a restore on
    another host may well change (versions). ``kind`` is table, sequence, extension, large_objects or database.
    """

    kind: str
    name: str
    verdict: Verdict
    message: str


def compare_fingerprints(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[Difference]:
    """What differs, tables first; an empty list means that all that was fingerprinted is the same.

    Hashes are compared only where both were made alike: same format, byte order and encoding, and for each table the same
    sample. Otherwise equal rows are ``unknown``, never the same; a differing number of rows is a difference all the same.
    """
    incomparable = _incomparable(expected, actual)
    found = [*_tables(expected, actual, incomparable), *_sequences(expected["sequences"], actual["sequences"])]
    for name, version in expected["extensions"].items():
        there = actual["extensions"].get(name)
        if there is None:
            found.append(Difference("extension", name, "different", f"extension {name} is missing"))
        elif there != version:
            found.append(Difference("extension", name, "notice", f"extension {name} is {there}, was {version}"))
    if expected["large_objects"] != actual["large_objects"]:
        found.append(Difference("large_objects", "large objects", "different",
                                f"{actual['large_objects']} large objects where there were {expected['large_objects']}"))
    was, now = expected["database"], actual["database"]
    found.extend(Difference("database", word, "unknown" if word == "encoding" else "notice",
                            f"the database's {word} is {now.get(word)}, was {was.get(word)}")
                 for word in ("encoding", "collate", "ctype", "provider", "locale") if was.get(word) != now.get(word))
    if expected["server_version"] // 10000 != actual["server_version"] // 10000:
        found.append(Difference("database", "server_version", "notice",
                                f"restored into PostgreSQL {actual['server_version'] // 10000}, "
                                f"was {expected['server_version'] // 10000}"))
    return found


def _incomparable(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> str:
    """Why no hash of these two can be compared; empty where they can."""
    if expected["format"] != actual["format"]:
        return f"the fingerprints have formats {expected['format']} and {actual['format']}"
    if expected["probe"] != actual["probe"]:
        return "the two machines hash differently (another byte order)"
    if expected["database"]["encoding"] != actual["database"]["encoding"]:
        return "the encodings differ"
    return ""


def _tables(expected: Mapping[str, Any], actual: Mapping[str, Any], incomparable: str) -> Iterator[Difference]:
    for name, was in expected["tables"].items():
        now = actual["tables"].get(name)
        if now is None:
            yield Difference("table", name, "different", f"table {name} is missing; it had {was['rows']} rows")
        elif now["rows"] != was["rows"]:
            yield Difference("table", name, "different", f"table {name} has {now['rows']} rows, had {was['rows']}")
        elif incomparable:
            yield Difference("table", name, "unknown", f"table {name} has as many rows; their values are unknown: {incomparable}")
        elif now["sample"] != was["sample"]:
            yield Difference("table", name, "unknown",
                             f"table {name} has as many rows; their values are unknown: other rows were sampled")
        elif now["hash"] != was["hash"]:
            yield Difference("table", name, "different", f"table {name} has as many rows, but not the same values")
    for name in actual["tables"].keys() - expected["tables"].keys():
        yield Difference("table", name, "different", f"table {name} was not in the backup")


def _sequences(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[Difference]:
    """A sequence may have moved on between its reading and its dump; one that is behind would give numbers out twice."""
    for name, was in expected.items():
        now = actual.get(name)
        if now is None:
            yield Difference("sequence", name, "different", f"sequence {name} is missing")
            continue
        forward = 1 if was["increment"] > 0 else -1
        ahead = (now["last_value"] - was["last_value"]) * forward
        if ahead < 0 or (ahead == 0 and was["is_called"] and not now["is_called"]):
            yield Difference("sequence", name, "different",
                             f"sequence {name} stands at {now['last_value']}, behind {was['last_value']}")
