# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A git history that nobody checks out: a bare repository, written by git fast-import, so that no name or content is obeyed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import IO, Any

from ..core.errors import Damaged, TimedOut
from ..core.files import private_folder
from ..core.quantities import format_duration
from .command import Commands, Completed, end_group, failure

_BRANCH = "refs/heads/main"
_FILE_MODES = {"file": "100644", "program": "100755", "link": "120000"}


@dataclass(frozen=True)
class Commit:
    """The newest commit."""

    id: str
    message: str


@dataclass(frozen=True)
class Blob:
    """One file of a commit: ``kind`` is file, program or link."""

    path: str
    kind: str
    content: bytes


class History:
    """One repository; it is made when the first commit is.

    :raises ToolMissing: when git is not installed
    """

    def __init__(self, commands: Commands, folder: str, *, timeout: float) -> None:
        self._commands, self.folder, self._timeout = commands, Path(folder), timeout
        self._program = commands.find("git", package="git")

    def head(self) -> Commit | None:
        """The newest commit, None where there is none yet."""
        if not (self.folder / "HEAD").exists():
            return None
        done = self._git("log", "-1", "--format=%H%n%B", _BRANCH, "--", check=False)
        if done.returncode:
            if self._git("rev-parse", "--verify", "--quiet", _BRANCH, check=False).returncode == 1:
                return None
            raise Damaged(f"The history {self.folder} cannot be read: {done.stderr.strip()[-300:]}",
                          hint="Repair it (git fsck), or move it away: the next run begins a new one")
        id, _newline, message = done.stdout.partition("\n")
        return Commit(id, message)

    def read(self, commit: str, path: str) -> bytes | None:
        """A file of a commit; None where it has none of that path."""
        argv = [*self._argv(), "cat-file", "blob", f"{commit}:{path}"]
        process = self._commands.start(argv, env=_environment(), text=False)
        try:
            content, _errors = process.communicate(timeout=self._timeout)
        except BaseException:
            end_group(process)
            raise
        return content if process.returncode == 0 else None

    def commit(self, blobs: Iterable[Blob], message: str, *, at: datetime, author: str, parent: Commit | None) -> str:
        """A commit of exactly these files on top of ``parent``; its id. Durable when this returns.

        :raises CommandFailed: when git refuses
        :raises TimedOut: when it takes too long; the history is as it was then
        """
        if not (self.folder / "HEAD").exists():
            private_folder(self.folder)
            self._commands.run([self._program, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(self.folder)],
                               env=_environment(), timeout=self._timeout)
        argv = [*self._argv(), "-c", "core.fsync=committed", "fast-import", "--quiet", "--done"]
        process = self._commands.start(argv, env=_environment(), stdin=subprocess.PIPE, text=False)
        said: list[bytes] = []
        listening = Thread(target=lambda: said.append(process.stderr.read()), daemon=True)
        listening.start()
        try:
            with suppress(BrokenPipeError):  # it ended early: its status says why
                _feed(process.stdin, blobs, message, at, author, parent)
                process.stdin.close()
            process.wait(timeout=self._timeout)
        except subprocess.TimeoutExpired as error:
            end_group(process)
            raise TimedOut(f"git fast-import ran longer than {format_duration(self._timeout)}",
                           hint="See the disk of the history") from error
        except BaseException:
            with suppress(BrokenPipeError):
                end_group(process)
            raise
        listening.join(timeout=5)
        if process.returncode:
            raise failure(Completed(argv, process.returncode, "", b"".join(said).decode(errors="replace"), 0.0))
        self._git("gc", "--auto", "--quiet", check=False)
        head = self.head()
        if head is None:
            raise Damaged(f"The history {self.folder} has no commit after one was made", hint="See its disk; run git fsck there")
        return head.id

    def _git(self, *arguments: str, check: bool = True) -> Completed:
        return self._commands.run([*self._argv(), *arguments], env=_environment(), timeout=self._timeout, check=check)

    def _argv(self) -> list[str]:
        return [self._program, f"--git-dir={self.folder}", "-c", "core.hooksPath=/dev/null", "-c", "gc.autoDetach=false"]


def _environment() -> dict[str, str]:
    """Nobody's settings: what the history holds must not depend on who runs this."""
    return {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}


def _feed(stream: IO[bytes], blobs: Iterable[Blob], message: str, at: datetime, author: str, parent: Commit | None) -> None:
    who = f"{author} <{author}> {int(at.timestamp())} +0000".encode()
    stream.write(b"commit " + _BRANCH.encode() + b"\nauthor " + who + b"\ncommitter " + who + b"\n" + _data(message.encode()))
    if parent is not None:
        stream.write(b"from " + parent.id.encode() + b"\n")
    stream.write(b"deleteall\n")
    for blob in blobs:
        stream.write(b"M " + _FILE_MODES[blob.kind].encode() + b" inline " + _quoted(blob.path) + b"\n" + _data(blob.content))
    stream.write(b"done\n")


def _data(content: bytes) -> bytes:
    return b"data %d\n" % len(content) + content + b"\n"


def _quoted(path: Any) -> bytes:
    """In C's way, every byte but letters, digits and a few marks as three octal digits."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+ "
    return b'"' + b"".join(bytes([byte]) if byte in plain else b"\\%03o" % byte for byte in os.fsencode(path)) + b'"'
