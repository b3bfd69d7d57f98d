# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx as a switch of maintenance mode: a page and a file to include, put there once, and a flag that turns it on and off.

The flag is looked for with each request, so switching off needs no reload and works even when the configuration that others left
behind would not load any more. The include is for the server block, before other rewrites:

    server {
        include /etc/nginx/evenkeel/maintenance*.conf;
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ..core.errors import CommandFailed, InvalidOption, OpsError
from ..core.files import storage_errors, sync_folder, write_atomically
from .command import Commands

HEADER = "X-Maintenance-Mode"
_SAFE_PATH = re.compile(r"/[A-Za-z0-9_./-]+", re.ASCII)
# The page is fetched by an internal redirect, whose method is GET whatever was asked with; the rewrite must let that one pass.
# http://nginx.org/en/docs/http/ngx_http_core_module.html#error_page and #internal: what rewrite changed counts as internal.
_INCLUDE = """\
# Written by evenkeel.ops: answers everything with the maintenance page while the flag is there.
if (-f {flag}) {{
    rewrite "^(?!/[.]evenkeel-maintenance/page$)" /.evenkeel-maintenance last;
}}
location = /.evenkeel-maintenance {{
    internal;
    error_page 503 /.evenkeel-maintenance/page;
    return 503;
}}
location = /.evenkeel-maintenance/page {{
    internal;
    alias {page};
    types {{ }}
    default_type "text/html; charset=utf-8";
    add_header Retry-After {retry_after} always;
    add_header Cache-Control no-store always;
    add_header {header} {name} always;
}}
"""


class NginxSwitch:
    """See `maintenance.mode.Switch`; ``folder`` holds flag and page and must be reachable for nginx's workers."""

    def __init__(self, commands: Commands, *, name: str, include: str, folder: str, html: str, retry_after: int, config: str,
                 program: str, timeout: float) -> None:
        """:raises InvalidOption: for paths that nginx's configuration could not hold as they are"""
        for word, path in (("nginx.include", include), ("state_dir", folder), ("nginx.config", config or "/")):
            if not _SAFE_PATH.fullmatch(path) and path != "/":
                raise InvalidOption(f"{word}: {path!r} is no full path of letters, digits and . _ - /", hint="Choose a plain path")
        self._commands, self._config, self._program, self._timeout = commands, config, program, timeout
        self._include = include
        self._flag, self._page, self._unread = f"{folder}/{name}.on", f"{folder}/{name}.html", f"{folder}/{name}.unread"
        self._wanted = {
            include: _INCLUDE.format(flag=self._flag, page=self._page, retry_after=retry_after, header=HEADER, name=name),
            self._page: html, self._flag: "on\n"}

    def state(self) -> dict[str, str | None]:
        """Contents of the include, the page and the flag."""
        return {path: _content(path) for path in self._wanted}

    def wanted(self, on: bool) -> dict[str, str | None]:
        """Off, only the flag goes: without it the rest does nothing."""
        return dict(self._wanted) if on else {**self.state(), self._flag: None}

    def is_on(self, state: Mapping[str, str | None]) -> bool:
        """The flag decides."""
        return state[self._flag] is not None

    def apply(self, state: Mapping[str, str | None]) -> None:
        """The flag goes first and comes last; nginx is asked whether it takes the include before it is told to read it.

        :raises CommandFailed: where nginx refuses its configuration; the include is then as it was
        """
        if state[self._flag] is None:
            _put(self._flag, None)
        _put(self._page, state[self._page])
        before, unread = _content(self._include), _content(self._unread)
        if before != state[self._include] or (unread is not None and state[self._flag] is not None):
            _put(self._unread, "")  # a run that is killed from here on leaves an include that nginx may not have read
            _put(self._include, state[self._include])
            try:
                self._nginx("-t", "-q")
                self._nginx("-s", "reload")
            except OpsError as error:
                _put(self._include, before)
                _put(self._unread, unread)
                raise CommandFailed(f"nginx does not take its configuration: {error.message}",
                                    hint="Run nginx -t by hand; what is wrong may be another file", evidence=error.evidence) from error
            _put(self._unread, None)
        _put(self._flag, state[self._flag])

    def _nginx(self, *arguments: str) -> None:
        program = self._program or self._commands.find("nginx", package="nginx")
        self._commands.run([program, *(["-c", self._config] if self._config else []), *arguments], timeout=self._timeout)


def _content(path: str) -> str | None:
    with storage_errors(path):
        try:
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None


def _put(path: str, content: str | None) -> None:
    """Readable for all: nginx's workers have a user of their own."""
    if content == _content(path):
        return
    if content is not None:
        reachable_folder(os.path.dirname(path))
        write_atomically(path, content.encode(), mode=0o644)
        return
    with storage_errors(path):
        Path(path).unlink(missing_ok=True)
    sync_folder(os.path.dirname(path))


def reachable_folder(path: str) -> None:
    """Make a folder and its missing parents, which others may enter and read whatever the umask says; what exists stays as it is."""
    folder = Path(path)
    with storage_errors(folder):
        for part in reversed([part for part in (folder, *folder.parents) if not part.exists()]):
            part.mkdir(exist_ok=True)
            part.chmod(0o755)
