# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.integration.reliability.full_disk WORK FOLDER full|small``, in a mount namespace of its own: what it mounts
goes away with it. Prints what it saw as one line of JSON.
"""

from __future__ import annotations

import filecmp
import importlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

importlib.import_module("tests.testbed")  # makes the collection importable

PAGE, SOURCE = 4096, 150_000
FILES = 5


class Disk:
    """A tmpfs whose size and number of files are set anew while it is mounted."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "disk"
        self.path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", str(self.path)], check=True)

    def limit(self, *, spare_pages: int | None = None, spare_files: int | None = None) -> None:
        """So much more than what is used; without an argument, plenty."""
        room = os.statvfs(self.path)
        used, files = (room.f_blocks - room.f_bfree) * room.f_frsize, room.f_files - room.f_ffree
        size = 64 * 2**20 if spare_pages is None else max(PAGE, used + spare_pages * PAGE)
        count = 10_000 if spare_files is None else files + spare_files
        subprocess.run(["mount", "-o", f"remount,size={size},nr_inodes={count}", str(self.path)], check=True)


class Work:
    """Backups of some files, made in this process; ``do`` is what is to meet a full disk."""

    def __init__(self, name: str, folder: Path, disk: Disk) -> None:
        from ansible_collections.evenkeel.ops.plugins.module_utils.adapters import storage
        from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
        from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.tar import Tar
        from ansible_collections.evenkeel.ops.plugins.module_utils.assembly.repositories import reading_codecs, writing_codecs
        from ansible_collections.evenkeel.ops.plugins.module_utils.backups.archive_engine import (
            ArchiveEngine,
            ArchivePolicy,
            ArchiveReader,
        )
        from ansible_collections.evenkeel.ops.plugins.module_utils.backups.repository import Repository
        from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock

        self.name, self.disk, self.folder, self.clock, self.storage = name, disk, folder, SystemClock(), storage
        self.source = folder / "source"
        self.source.mkdir()
        for number in range(FILES):
            (self.source / str(number)).write_bytes(random.Random(number).randbytes(SOURCE // FILES))
        home = disk.path if name != "backup_restore" else folder
        self.repository = Repository(home / "repository", "unnamed", "unnamed")
        self.target = disk.path / "restored"
        self.tar = Tar(Commands())
        self.engine = ArchiveEngine(self.tar, ArchivePolicy((str(self.source),)), self.clock, storage.tree_bytes, self.repository.root)
        self.reader = ArchiveReader(self.tar, timeout=60)
        self.codecs, self.reading = writing_codecs([], level=1, threads=0), reading_codecs(None)
        self.first = self.backup()

    def backup(self) -> Any:
        """With the check for room beforehand told that there is plenty: it is the writes that are to find out."""
        from ansible_collections.evenkeel.ops.plugins.module_utils.backups.create import CreationPolicy, create_backup

        return create_backup(self.repository, "files", self.engine, self.codecs, CreationPolicy(), self.clock,
                             free_bytes=lambda path: 2**60).backup

    def verify(self, backup: Any, scratch: Path) -> Any:
        from ansible_collections.evenkeel.ops.plugins.module_utils.backups.verify import verify_backup

        return verify_backup(backup, lambda engine: self.reader, self.reading, self.clock, scratch=scratch)

    def restore(self) -> Any:
        from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.tar_compare import compare_with_tar
        from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline
        from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.files import FilesDrill
        from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.folder_target import FolderDestination
        from ansible_collections.evenkeel.ops.plugins.module_utils.recovery.restore import Restoration, run_restore

        destination = FolderDestination(str(self.target), self.repository.root, self.clock, self.storage.free_bytes)
        deadline = Deadline(self.clock, 60)
        return run_restore(self.first, Restoration(destination, lambda folder: FilesDrill(
            self.first, self.reading, self.tar, lambda feed, target: compare_with_tar(self.tar._commands, self.tar.program, feed, target),
            folder, jobs=1, deadline=deadline)), self.clock, compare=True)

    def do(self) -> bool:
        """Do it; whether what it says that it made is there and whole."""
        if self.name == "backup":
            made = self.backup()
            self.reader.read_in_full(made, self.reading, self.folder)
            return True
        if self.name == "backup_verify":
            verified = self.verify(self.first, self.disk.path)
            now = self.repository.open(self.first.id)
            return verified.status == "unknown" or (verified.status == "pass" and now.status == "verified" and len(now.verifications) == 1)
        done = self.restore()
        return not done.changed or self.whole()

    def whole(self) -> bool:
        """Whether the files came back."""
        filecmp.clear_cache()  # it believes a file of the same size and time to be what it was the last time
        names = [str(number) for number in range(FILES)]
        return filecmp.cmpfiles(self.source, Path(f"{self.target}{self.source}"), names, shallow=False)[0] == names

    def harmed(self) -> bool:
        """Whether the copy that was there before is not what it was."""
        listed = {backup.id: backup for backup in self.repository.list("files")}
        if self.first.id not in listed or not listed[self.first.id].usable:
            return True
        self.reader.read_in_full(listed[self.first.id], self.reading, self.folder)
        return False

    def left(self) -> int:
        """Room was made: what a run that failed left and the next one did not take away; and back to the beginning."""
        self.disk.limit()
        if self.name == "backup":
            made = self.backup()
            unlisted = set(self.repository.ids("files")) - {backup.id for backup in self.repository.list("files")}
            left = len(unlisted) + len(list((self.repository.folder / ".scratch").iterdir()))
            for backup in self.repository.list("files"):
                if backup.id != self.first.id:
                    shutil.rmtree(backup.folder)
            return left + (made is None)
        if self.name == "backup_verify":
            left = 0 if self.verify(self.first, self.disk.path).status == "pass" else 1
            records = self.repository.open(self.first.id).folder / "verifications"
            left += sum(not path.name.endswith(".json") for path in records.iterdir())
            shutil.rmtree(records)
            return left + len(list((self.disk.path / ".scratch").iterdir()))
        left = int(self.target.exists() and bool(os.listdir(self.target)) and not self.whole())
        shutil.rmtree(self.target, ignore_errors=True)
        return left


def main() -> None:
    """See above."""
    from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError

    name, folder, scale = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    disk = Disk(folder)
    work = Work(name, folder, disk)
    pages = 8 if name == "backup_verify" else SOURCE // PAGE + 16
    sizes = [{"spare_pages": number} for number in range(0, pages, 1 if scale == "full" else 4)]
    sizes += [{"spare_files": number} for number in range(24 if scale == "full" else 12)]
    seen: Counter = Counter(sizes=len(sizes), false=0, mute=0, harmed=0, left=0, told=0, succeeded=0)
    words: Counter = Counter()
    for size in sizes:
        disk.limit(**size)
        try:
            if work.do():
                seen["succeeded"] += 1
            else:
                seen["false"] += 1
        except OpsError as error:
            seen["told"] += 1
            words[type(error).__name__] += 1
            seen["mute"] += not error.hint
        seen["left"] += work.left()
        seen["harmed"] += work.harmed()
    print(json.dumps({**seen, "words": [f"{word} {count}" for word, count in words.items()]}))


if __name__ == "__main__":
    main()
