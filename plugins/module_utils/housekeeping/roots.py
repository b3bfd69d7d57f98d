# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where housekeeping may work: only below declared roots, and some folders are never one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from ..core.errors import InvalidOption, Refused

# Trees that belong to the system or are no storage (Filesystem Hierarchy Standard 3.0, file-hierarchy(7)): nothing in them
# is a cache.
_SYSTEM_TREES = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr")
# Folders that hold everybody's things: a root must be more exact than these.
_SHARED_FOLDERS = ("/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/var", "/var/lib", "/var/lib/private",
                   "/var/mail", "/var/run", "/var/spool", "/usr/local")


class CleaningRoots:
    """The folders below which files may be removed or rotated."""

    def __init__(self, roots: Sequence[str], *, option: str = "roots") -> None:
        """:raises InvalidOption: for a path that is relative or not in its plain form
        :raises Refused: for ``/``, a system tree, a home, or a folder that holds everybody's things
        """
        if not roots:
            raise InvalidOption(f"{option}: no folder is declared",
                                hint="Name the folders below which files may go, such as /var/cache/shop")
        for root in roots:
            plain_path(root, option=option)
            path = PurePosixPath(root)
            home = len(path.parts) == 3 and path.parts[1] == "home"
            system = any(_below(root, tree) for tree in _SYSTEM_TREES) and not root.startswith("/usr/local/")
            if len(path.parts) < 3 or root in _SHARED_FOLDERS or home or system:
                raise Refused(f"{option}: {root} is too much to be cleaned",
                              hint="Name the very folder that holds the files, two levels deep at least, such as /var/cache/shop",
                              evidence={"root": root})
        self.roots = tuple(roots)

    def admit(self, path: str, *, option: str) -> None:
        """Let a folder or pattern pass that is a root or below one.

        :raises InvalidOption: for a path that is relative or not in its plain form
        :raises Refused: for a path outside
        """
        plain_path(path, option=option)
        if not any(_below(path, root) for root in self.roots):
            raise Refused(f"{option}: {path} is outside of the declared roots",
                          hint=f"Declare its folder as a root, or correct the path; declared are {', '.join(self.roots)}",
                          evidence={"path": path, "roots": list(self.roots)})


def plain_path(path: str, *, option: str) -> None:
    """See that a path is absolute and written without ``.``, ``..``, double or trailing slashes, and without NUL.

    :raises InvalidOption: where it is not; a path that must be interpreted may mean another than was read
    """
    plain = path.startswith("/") and "\0" not in path and (
        path == "/" or all(part not in ("", ".", "..") for part in path[1:].split("/")))
    if not plain:
        raise InvalidOption(f"{option}: {path!r} is not a plain absolute path",
                            hint="Write it from / on, without '.', '..', doubled or trailing slashes")


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
