# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""pgBackRest's configuration file: rendered, compared, written for the account of the server and nobody else."""

from __future__ import annotations

import os
import pwd
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InvalidOption, NotFound
from ..core.files import storage_errors, write_atomically

MODE = 0o640
_KEY = re.compile(r"[a-z][a-z0-9-]*", re.ASCII)
_HIDDEN = "********"


@dataclass(frozen=True)
class Settings:
    """``shared`` goes into ``[global]``, ``own`` into the section of the stanza; ``secret`` are keys whose values are not shown."""

    stanza: str
    shared: Mapping[str, str]
    own: Mapping[str, str]
    secret: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for key, value in [*self.shared.items(), *self.own.items()]:
            if not _KEY.fullmatch(key):
                raise InvalidOption(f"{key!r} is no option of pgBackRest", hint="Write it as in its configuration file: repo1-path")
            if not value or value != value.strip() or any(ord(letter) < 32 for letter in value):
                raise InvalidOption(f"The value of {key} cannot stand in pgBackRest's configuration file",
                                    hint="It must not be empty, begin or end with a blank, or hold a line break")

    def render(self, *, hidden: bool = False) -> str:
        """The file's content; with ``hidden`` secrets are stars."""
        lines = ["# Written by evenkeel.ops: changes by hand are undone.", "[global]"]
        lines += [self._line(key, value, hidden) for key, value in sorted(self.shared.items())]
        lines += ["", f"[{self.stanza}]", *(self._line(key, value, hidden) for key, value in sorted(self.own.items()))]
        return "\n".join(lines) + "\n"

    def _line(self, key: str, value: str, hidden: bool) -> str:
        return f"{key}={_HIDDEN if hidden and key in self.secret else value}"

    def hide(self, text: str) -> str:
        """Any text of such a file without the values of secret keys."""
        names = "|".join(sorted(re.escape(key) for key in self.secret)) or "(?!)"
        return re.sub(rf"^({names})=.*$", rf"\1={_HIDDEN}", text, flags=re.MULTILINE)


@dataclass(frozen=True)
class Found:
    """A file as it is: its text, and whether mode and owner are as they must be."""

    text: str
    guarded: bool


def account_of(name: str) -> tuple[int, int]:
    """User and group id of an account.

    :raises NotFound: where there is none of that name
    """
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise NotFound(f"There is no account {name!r} on this host", hint="Name the one that the server runs as") from error
    return entry.pw_uid, entry.pw_gid


def read(path: Path, account: str) -> Found:
    """The file as it is; empty where there is none.

    :raises StorageFailed: when it cannot be read
    """
    with storage_errors(path):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return Found("", False)
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as stream:
            facts = os.fstat(stream.fileno())
            return Found(stream.read(), stat.S_IMODE(facts.st_mode) == MODE and facts.st_uid == account_of(account)[0])


def write(path: Path, text: str, account: str) -> None:
    """Replace the file: mode 0640, owned by the account.

    :raises StorageFailed: when it cannot be written
    """
    with storage_errors(path):
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_atomically(path, text.encode(), mode=MODE, owner=account_of(account))


def make_folder(path: Path, account: str) -> None:
    """A folder of the account, mode 0750, with those above it passable; an existing one is left as it is.

    :raises StorageFailed: when it cannot be made
    """
    with storage_errors(path):
        if not path.is_dir():
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            path.mkdir(mode=0o750)
            os.chown(path, *account_of(account))
