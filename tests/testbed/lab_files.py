# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's files, made once: application data to archive, a cache that nobody cleans, logs that nobody rotates.

    <home>/files/data     about 3 MB: documents, attachments, odd names, links within, out of it and to nowhere
    <home>/files/cache    stale files (40 and 10 days old), fresh ones, an old link out that no cleaning may follow
    <home>/files/logs     logs large enough to rotate, and one that is not
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.core.files import storage_errors

from tests.testbed.lab_home import LabHome

_DAY = 86400
_ODD_NAMES = ("-rf", "with 'single' and \"double\" quotes", "100% naïve ☃ 東京", "$(touch oops); `id`", " leading and trailing ",
              "two\nlines", "*", "%s%n", "#comment", "~")


def seed_files(home: LabHome) -> bool:
    """Make the files where they are not there; says whether it did. They get their place last, so they are whole."""
    folder = home / "files"
    if folder.is_dir():
        return False
    unfinished = home / "files.new"
    with storage_errors(unfinished):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        _data(unfinished / "data")
        _cache(unfinished / "cache")
        _logs(unfinished / "logs")
        unfinished.rename(folder)
    return True


def where(home: LabHome) -> dict[str, Any]:
    """The folders by their names."""
    return {name: str(home / "files" / name) for name in ("data", "cache", "logs")}


def _data(folder: Path) -> None:
    chance = random.Random(20260101)
    documents = folder / "documents"
    documents.mkdir(parents=True)
    for number in range(300):
        text = {"id": number, "title": f"Document №{number}", "body": f"{chance.random()} " * 100}
        (documents / f"{number:04}.json").write_text(json.dumps(text, ensure_ascii=False), encoding="utf-8")
    attachments = folder / "attachments"
    attachments.mkdir()
    for number in range(4):
        (attachments / f"scan {number}.bin").write_bytes(chance.randbytes(512 * 1024))
    odd = folder / "odd names"
    odd.mkdir()
    for name in _ODD_NAMES:
        (odd / name).write_text(f"{name}\n", encoding="utf-8")
    (folder / "empty folder").mkdir()
    (folder / "empty file").touch()
    (folder / "run.sh").write_text("#!/bin/sh\necho still executable\n", encoding="utf-8")
    (folder / "run.sh").chmod(0o755)
    (folder / "private.key").write_text("not for everyone\n", encoding="utf-8")
    (folder / "private.key").chmod(0o600)
    os.link(documents / "0001.json", folder / "hard link to 0001.json")
    for name, target in (("newest.json", "documents/0299.json"), ("all documents", "documents"), ("dangling", "nowhere/at/all"),
                         ("out of here", "../logs")):
        (folder / name).symlink_to(target)


def _cache(folder: Path) -> None:
    chance = random.Random(20260102)
    now = time.time()
    for part, days, count, size in (("sessions", 40, 200, 700), ("thumbnails", 10, 12, 128 * 1024), ("downloads", 0, 20, 2048)):
        (folder / part).mkdir(parents=True)
        for number in range(count):
            _write(folder / part / f"{part[:-1]}-{number:03}.tmp", chance.randbytes(size), now - days * _DAY)
    (folder / "sessions" / "odd names").mkdir()
    for name in _ODD_NAMES:
        _write(folder / "sessions" / "odd names" / name, b"stale\n", now - 40 * _DAY)
    (folder / "sessions" / "way out").symlink_to("../../data")
    os.utime(folder / "sessions" / "way out", (now - 40 * _DAY, now - 40 * _DAY), follow_symlinks=False)


def _logs(folder: Path) -> None:
    folder.mkdir()
    for name, lines in (("api.log", 16000), ("worker with spaces.log", 8000), ("quiet.log", 10)):
        with (folder / name).open("w", encoding="utf-8") as log:
            for line in range(lines):
                log.write(f"2025-12-01T00:{line // 60 % 60:02}:{line % 60:02}Z INFO {name} request {line} in {line % 97} ms\n")


def _write(path: Path, content: bytes, modified: float) -> None:
    path.write_bytes(content)
    os.utime(path, (modified, modified))
