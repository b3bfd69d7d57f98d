# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stanza's configuration, from the options of `pgbackrest_stanza` and from what the server says of itself."""

from __future__ import annotations

import os
from pathlib import Path

from ..adapters import pgbackrest_config
from ..adapters.pgbackrest_config import Settings
from ..core.edge import Request
from ..core.errors import InvalidOption


def settings_for(request: Request, facts: dict[str, str]) -> Settings:
    """The file's content. ``facts`` are ``data_directory``, ``port``, ``socket`` and ``superuser`` of the server. The operator's
    own settings win over ours, but for those that say which cluster it is.

    :raises InvalidOption: for a setting that cannot stand in the file, one that is given twice, and one that is not the operator's
    """
    own = {"pg1-path": facts["data_directory"], "pg1-port": facts["port"], "pg1-socket-path": facts["socket"],
           "pg1-user": facts["superuser"]}
    shared = {"repo1-path": request["repo_path"], "compress-type": request["compress_type"], "process-max": str(request.count("jobs")),
              "start-fast": "y", "log-path": request["log_path"], "lock-path": request["lock_path"],
              # Copies are deleted one by one, by the retention of backups.prune.
              "repo1-retention-full": "9999999", "expire-auto": "n"}
    secrets = {key: str(value) for key, value in (request["secrets"] or {}).items()}
    if request["cipher_pass"]:
        shared["repo1-cipher-type"] = "aes-256-cbc"
        secrets["repo1-cipher-pass"] = request["cipher_pass"]
    given = {key: str(value) for key, value in request["settings"].items()}
    for key in given.keys() | secrets.keys():
        if key in own or key in ("repo1-retention-full", "expire-auto"):
            raise InvalidOption(f"settings: {key} is set by this module", hint="Leave it out")
    twice = given.keys() & secrets.keys()
    if twice:
        raise InvalidOption(f"settings and secrets both have {min(twice)}", hint="Leave it out of one of them")
    return Settings(request["stanza"], {**shared, **given, **secrets}, own, frozenset(secrets))


class StanzaFile:
    """See `backups.stanza.Configuration`."""

    def __init__(self, path: str, settings: Settings, account: str) -> None:
        self._path, self._settings, self._account = Path(path), settings, account
        self._found = pgbackrest_config.read(self._path, account)

    @property
    def _folders(self) -> list[Path]:
        shared = self._settings.shared
        local = "repo1-host" not in shared and shared.get("repo1-type", "posix") in ("posix", "cifs")
        return [Path(shared[name]) for name in ("lock-path", "log-path", *(("repo1-path",) if local else ()))]

    @property
    def due(self) -> bool:
        """Whether text, mode or owner are other than they must be, or a folder is missing."""
        return self._found.text != self._settings.render() or not self._found.guarded or not all(path.is_dir() for path in self._folders)

    @property
    def diff(self) -> dict[str, str]:
        """Before and after, secrets hidden."""
        return {"before": self._settings.hide(self._found.text), "after": self._settings.render(hidden=True),
                "before_header": os.fspath(self._path), "after_header": os.fspath(self._path)}

    def write(self) -> None:
        """File and folders."""
        for path in self._folders:
            pgbackrest_config.make_folder(path, self._account)
        pgbackrest_config.write(self._path, self._settings.render(), self._account)
