# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""restic as a program: one call for each act, errors told apart, locks of dead processes cleared, secrets in files only."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core import progress
from ..core.clock import Clock
from ..core.errors import AccessDenied, Busy, CommandFailed, Damaged, InvalidOption, NotFound, OpsError, StorageFailed, Unreachable
from ..core.quantities import parse_duration
from .command import Commands, Completed, failure

_SCHEMES = ("s3:", "sftp:", "rest:", "b2:", "azure:", "gs:", "swift:", "rclone:")
_INCOMPLETE = 3  # restic help backup, "Exit status"
_ENOENT = 2
_HOLDER = re.compile(r"locked (exclusively )?by PID (\d+) on (.*) by ")
_DIGEST = re.compile("[0-9a-f]{64}", re.ASCII)
_NO_KEY = "wrong password or no key found"
_ERRORS: tuple[tuple[str, type[OpsError], str], ...] = (
    (_NO_KEY, AccessDenied, "Name the file with the password that the repository was made with"),
    ("an empty password is not a password", AccessDenied, "See that the password file is there and has something in it"),
    ("Resolving password failed", AccessDenied, "See that the password file is there, and that this account may read it"),
    ("Access Denied", AccessDenied, "See the keys of credentials_file, and the rights that they have on the bucket"),
    ("Access Key Id you provided", AccessDenied, "See the keys of credentials_file"),
    ("request signature we calculated", AccessDenied, "See the keys of credentials_file"),
    ("no space left on device", StorageFailed, "Free space where the repository is; earlier snapshots are kept"),
    ("disk quota exceeded", StorageFailed, "Raise the quota where the repository is; earlier snapshots are kept"),
    ("permission denied", StorageFailed, "Give the user that runs this the right to the repository"),
    ("connection refused", Unreachable, "See that the server of the repository runs, and the address"),
    ("no such host", Unreachable, "See the address of the repository, and name resolution"),
    ("i/o timeout", Unreachable, "See the network between here and the server of the repository"),
    ("certificate", Unreachable, "Name the certificate authority of the server in ca_cert"),
)
_MISSING = ("no such file or directory\nIs there a repository", "The specified key does not exist", "The specified bucket does not exist",
            "404 Not Found")
_DAMAGE = ("repository contains errors", "not found in repository", "ciphertext verification failed", "does not match, want",
           "unexpected EOF", "invalid data returned", "Fatal: Unmarshal: ", "config or key .* is damaged", "cannot decode")


@dataclass(frozen=True)
class ResticTarget:
    """Where a repository is and what opens it: paths of files, never a secret itself."""

    repository: str
    password_file: str
    credentials_file: str = ""
    ca_cert: str = ""
    cache: str = ""
    lock_timeout: float = 120.0

    @classmethod
    def from_options(cls, options: Mapping[str, Any], remembered: Mapping[str, Any] | None = None) -> ResticTarget:
        """From the option ``restic``; what it does not say is as it was ``remembered`` with the backup.

        :raises InvalidOption: without repository or password file, and for an address with a password in it
        """
        told = {**(remembered or {}), **{key: value for key, value in options.items() if value not in (None, "")}}
        if remembered:
            told["repository"] = remembered["repository"]
        repository = str(told.get("repository") or "")
        if not repository:
            raise InvalidOption("restic: there is no repository",
                                hint="Name a folder, or s3:https://host/bucket/path, in restic.repository")
        if not told.get("password_file"):
            raise InvalidOption("restic: there is no password file", hint="Name the file that holds the password in restic.password_file")
        if re.search(r"//[^/@]*:[^/@]*@", repository):
            raise InvalidOption("restic: the address of the repository has a password in it", hint="Keys of S3 go into credentials_file")
        if not repository.startswith(_SCHEMES) and not os.path.isabs(repository):
            raise InvalidOption(f"restic: {repository!r} is neither an absolute path nor an address that restic knows",
                                hint=f"Write /srv/restic, or an address that begins with one of {', '.join(_SCHEMES)}")
        return cls(repository, str(told["password_file"]), str(told.get("credentials_file") or ""), str(told.get("ca_cert") or ""),
                   str(told.get("cache") or ""), parse_duration(told.get("lock_timeout", "2m"), option="restic.lock_timeout"))

    @property
    def is_local(self) -> bool:
        """Whether it is a folder."""
        return not self.repository.startswith(_SCHEMES)

    @property
    def remembered(self) -> dict[str, str]:
        """What finds it again."""
        told = {"repository": self.repository, "password_file": self.password_file, "credentials_file": self.credentials_file,
                "ca_cert": self.ca_cert}
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True)
class Snapshot:
    """What `Restic.backup` made: ``vanished`` are files that went away meanwhile, ``unread`` those that could not be read."""

    id: str
    files: int
    bytes: int
    added: int
    vanished: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


class Restic:
    """One repository. Every call may wait up to the target's ``lock_timeout`` for the repository's lock.

    Each method raises AccessDenied, Unreachable, StorageFailed, NotFound (no repository there), Busy (locked by another),
    Damaged (what is stored is not what was written), TimedOut, or CommandFailed for the rest.

    :raises ToolMissing: when restic is not installed
    """

    def __init__(self, commands: Commands, target: ResticTarget, clock: Clock, folders: Sequence[str] = ()) -> None:
        self._commands, self.target, self._clock = commands, target, clock
        self._program = commands.find("restic", package="restic", folders=folders)

    @property
    def version(self) -> str:
        """Such as ``0.14.0``."""
        return self._commands.run([self._program, "version"], timeout=10).stdout.split()[1]

    def initialize(self, *, timeout: float) -> None:
        """Make the repository; NotFound is not raised. Where there is one already, restic refuses."""
        self._run(["init"], timeout=timeout)

    def backup(self, paths: Sequence[str], exclude: Sequence[str], tags: Sequence[str], *, timeout: float) -> Snapshot:
        """A snapshot of absolute paths."""
        argv = ["backup", "--json", *([] if progress.watched() else ["--quiet"]), *(f"--tag={tag}" for tag in tags),
                *(f"--exclude={pattern}" for pattern in exclude), "--", *paths]
        done = self._run(argv, timeout=timeout, accept=(0, _INCOMPLETE), follow=_tell if progress.watched() else None)
        summary = [one for one in _lines(done.stdout) if one.get("message_type") == "summary"]
        if not summary:
            raise CommandFailed("restic backup told no summary", evidence={"stderr": done.stderr[-2000:]},
                                hint="See what it said; the version of restic may be one that this does not know")
        vanished, unread = _trouble(done.stderr)
        if done.returncode == _INCOMPLETE and not vanished and not unread:
            unread = (done.stderr.strip()[-300:] or "restic does not say which",)
        [told] = summary[-1:]
        return Snapshot(told["snapshot_id"], told["total_files_processed"], told["total_bytes_processed"], told["data_added"],
                        tuple(vanished), tuple(unread))

    def snapshots(self, tag: str, *, timeout: float) -> list[dict[str, Any]]:
        """Those with this tag, as restic tells them: ``id``, ``time``, ``paths``, ``tags``."""
        return json.loads(self._run(["snapshots", "--json", f"--tag={tag}"], timeout=timeout).stdout or "[]") or []

    def names(self, id: str, *, timeout: float) -> Iterator[dict[str, Any]]:
        """Every name of a snapshot: ``path``, ``type``, ``size``, ``mode``, ``uid``, ``gid``, ``mtime``."""
        done = self._run(["ls", "--json", id], timeout=timeout)
        return (one for one in _lines(done.stdout) if one.get("struct_type") == "node")

    def check(self, part: int, of: int, *, timeout: float) -> None:
        """The structure in full, and the data packs of one part of it."""
        self._run(["check", "--read-data"] if of == 1 else ["check", f"--read-data-subset={part}/{of}"], timeout=timeout)

    def restore(self, id: str, target: str, *, timeout: float) -> None:
        """All of a snapshot below a folder."""
        self._run(["restore", id, f"--target={target}"], timeout=timeout)

    def forget(self, id: str, *, timeout: float) -> None:
        """Delete a snapshot, and the data that no other needs; one that is gone is no error."""
        self._run(["forget", "--prune", id], timeout=timeout)

    def _run(self, arguments: Sequence[str], *, timeout: float, accept: Sequence[int] = (0,),
             follow: Callable[[str], bool] | None = None) -> Completed:
        end = self._clock.monotonic() + min(timeout, self.target.lock_timeout)
        while True:
            done = self._call(arguments, timeout, follow)
            if done.returncode in accept:
                return done
            if "already locked" not in done.stderr:
                raise self._altered_key(done) or _told_apart(done, self.target.repository)
            if self._clear_dead_locks(timeout):
                continue
            if self._clock.monotonic() >= end:
                holder = _HOLDER.search(done.stderr)
                who = f"process {holder[2]} on {holder[3]}" if holder else "another process"
                raise Busy(f"The restic repository {self.target.repository} is locked by {who}",
                           hint="Wait until it has ended; if that host is gone for good, run restic unlock by hand",
                           evidence={"stderr": done.stderr[-1000:]})
            self._clock.sleep(min(2.0, max(0.1, end - self._clock.monotonic())))

    def _call(self, arguments: Sequence[str], timeout: float, follow: Callable[[str], bool] | None = None) -> Completed:
        target = self.target
        argv = [self._program, f"--repo={target.repository}", f"--password-file={target.password_file}"]
        argv += [f"--cacert={target.ca_cert}"] if target.ca_cert else []
        argv += [f"--cache-dir={target.cache}"] if target.cache else []
        environment = {"AWS_SHARED_CREDENTIALS_FILE": target.credentials_file} if target.credentials_file else {}
        environment |= {"RESTIC_PROGRESS_FPS": "2"} if follow else {}
        return self._commands.run([*argv, *arguments], env=environment, timeout=timeout, check=False, follow=follow)

    def _altered_key(self, done: Completed) -> Damaged | None:
        """Where no key fits: one that was altered, which to restic is a wrong password. Each key's name is the SHA-256 of its file."""
        if _NO_KEY not in done.stderr or not self.target.is_local:
            return None
        with suppress(OSError):
            for path in sorted(Path(self.target.repository, "keys").iterdir()):
                if _DIGEST.fullmatch(path.name) and hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
                    return Damaged(f"restic: the key {path.name[:8]} of {self.target.repository} was altered: no key fits the password",
                                   hint="Put the file back from a copy of the repository, or restore from another repository",
                                   evidence={"path": str(path), "stderr": done.stderr[-1000:]})
        return None

    def _clear_dead_locks(self, timeout: float) -> bool:
        """Have restic remove locks, but only where every one is of a process of this host that is gone; whether it did.

        restic by itself also takes those for stale that are older than half an hour; the holder may only be stopped.
        """
        listed = self._call(["list", "locks", "--no-lock", "--quiet"], timeout)
        for id in listed.stdout.split():
            done = self._call(["cat", "lock", id, "--no-lock"], timeout)
            try:
                lock = json.loads(done.stdout)
                if lock["hostname"] != socket.gethostname() or _lives(int(lock["pid"])):
                    return False
            except (ValueError, KeyError, TypeError):
                return False
        return listed.returncode == 0 and bool(listed.stdout.strip()) and self._call(["unlock"], timeout).returncode == 0


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _tell(line: str) -> bool:
    """Whether the line only says how far restic is; if so that is told."""
    if not line.startswith('{"message_type":"status"'):
        return False
    status = json.loads(line)
    progress.reach_share(float(status.get("percent_done") or 0), status.get("total_bytes"))
    return True


def _lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def _trouble(text: str) -> tuple[list[str], list[str]]:
    """What vanished, and what could not be read, of the errors that restic backup tells."""
    vanished, unread = [], []
    for line in text.splitlines():
        try:
            told = json.loads(line)
            number, item = (told.get("error") or {}).get("Err"), str(told.get("item") or "")
        except (ValueError, AttributeError):
            if line.endswith("does not exist, skipping"):
                vanished.append(line.removesuffix(" does not exist, skipping"))
            continue
        (vanished if number == _ENOENT else unread).append(item)
    return vanished, unread


def _told_apart(done: Completed, repository: str) -> OpsError:
    said = done.stderr
    if any(one in said for one in _MISSING):
        return NotFound(f"There is no restic repository at {repository}", evidence={"stderr": said[-1000:]},
                        hint="Correct the address, mount what holds it, or set restic.initialize to have it made")
    for words, kind, hint in _ERRORS:
        if words in said:
            last = next((line for line in said.splitlines() if words in line), said).strip()
            return kind(f"restic: {last[-300:]}", hint=hint, evidence={"stderr": said[-1000:]})
    if any(re.search(one, said) for one in _DAMAGE):
        first = next((line for line in said.splitlines() if line.strip()), "")
        return Damaged(f"restic: {first[-300:]}", hint="Restore from another repository; see the disk that holds this one",
                       evidence={"stderr": said[-4000:]})
    return failure(done)
