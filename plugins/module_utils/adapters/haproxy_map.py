# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy as a switch of maintenance mode: a map that its configuration asks with each request, changed through the runtime API and,
so that a reload keeps it, in its file. The page itself is in the configuration, see docs/maintenance.md.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from pathlib import Path

from ..core.errors import AccessDenied, CommandFailed, InvalidOption, NotFound, TimedOut, Unreachable
from ..core.files import storage_errors, write_atomically

_SAFE_PATH = re.compile(r"/[A-Za-z0-9_./-]+", re.ASCII)
_MOST = 2**20


class HaproxySwitch:
    """See `maintenance.mode.Switch`. Of the map only the entries ``name`` (on or off) and ``name/retry-after`` are touched."""

    def __init__(self, *, name: str, socket_path: str, map_path: str, retry_after: int, timeout: float) -> None:
        """:raises InvalidOption: for paths that a command of the runtime API could not hold as they are"""
        for word, path in (("haproxy.socket", socket_path), ("haproxy.map", map_path)):
            if not _SAFE_PATH.fullmatch(path):
                raise InvalidOption(f"{word}: {path!r} is no full path of letters, digits and . _ - /", hint="Choose a plain path")
        self._socket, self._map, self._timeout = socket_path, map_path, timeout
        self._key, self._retry_key, self._retry_after = name, f"{name}/retry-after", str(retry_after)

    def state(self) -> dict[str, str | None]:
        """What the running process has, and what its file has (``file:`` before the key)."""
        running, written = self._running(), self._written()
        return {**{key: running.get(key) for key in self._keys}, **{f"file:{key}": written.get(key) for key in self._keys}}

    def wanted(self, on: bool) -> dict[str, str | None]:
        """Off is said where on was said; what was never said stays so."""
        if on:
            pair = {self._key: "on", self._retry_key: self._retry_after}
            return {**pair, **{f"file:{key}": value for key, value in pair.items()}}
        now = self.state()
        return {**now, **{key: "off" for key in (self._key, f"file:{self._key}") if now[key] == "on"}}

    def is_on(self, state: Mapping[str, str | None]) -> bool:
        """What the running process has decides."""
        return state[self._key] == "on"

    def apply(self, state: Mapping[str, str | None]) -> None:
        """The file first, which does nothing by itself; then the running process.

        :raises CommandFailed: where the process refuses
        """
        self._write({key: state[f"file:{key}"] for key in self._keys})
        running = self._running()
        for key in reversed(self._keys):  # what is said to clients before that it is said
            value = state[key]
            if value is None and key in running:
                self._command(f"del map {self._map} {key}")
            elif value is not None and running.get(key) != value:
                self._command(f"{'set' if key in running else 'add'} map {self._map} {key} {value}")

    @property
    def _keys(self) -> tuple[str, str]:
        return self._key, self._retry_key

    def _running(self) -> dict[str, str]:
        """Lines of ``show map`` are an address, the key and the value."""
        parts = [line.split(None, 2) for line in self._ask(f"show map {self._map}").splitlines() if line.strip()]
        if any(len(part) < 2 or not part[0].startswith("0x") for part in parts):
            said = " ".join(parts[0]) if parts else ""
            if "denied" in said.lower():
                raise AccessDenied(f"HAProxy refuses {self._socket}: {said}", hint="Give the socket 'level admin' in its configuration")
            raise NotFound(f"HAProxy knows no map {self._map}: {said[:200]}",
                           hint="Have its configuration ask that map, as docs/maintenance.md shows, with the same path; then reload it")
        return {part[1]: part[2] if len(part) > 2 else "" for part in parts}

    def _command(self, command: str) -> None:
        said = self._ask(command).strip()
        if said:
            raise CommandFailed(f"HAProxy refuses '{command}': {said[:200]}",
                                hint="Give the socket 'level admin', and see that the map is its own")

    def _ask(self, command: str) -> str:
        """One command, one answer, and the process hangs up (HAProxy management guide, 9.3)."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
                channel.settimeout(self._timeout)
                channel.connect(self._socket)
                channel.sendall(f"{command}\n".encode())
                answer = b""
                while len(answer) <= _MOST and (data := channel.recv(65536)):
                    answer += data
        except TimeoutError as error:
            raise TimedOut(f"HAProxy does not answer at {self._socket}", hint="See whether the process is stuck or stopped") from error
        except PermissionError as error:
            raise AccessDenied(f"This user may not use {self._socket}",
                               hint="Run this as root (become), or mend the socket's mode") from error
        except OSError as error:
            raise Unreachable(f"No HAProxy answers at {self._socket}: {error.strerror or error}",
                              hint="See that it runs and has 'stats socket … level admin' at that path") from error
        return answer.decode("utf-8", "replace")

    def _written(self) -> dict[str, str]:
        pairs = [line.split(None, 1) for line in self._lines() if line.strip() and not line.lstrip().startswith("#")]
        return {pair[0]: pair[1].strip() if len(pair) > 1 else "" for pair in pairs}

    def _lines(self) -> list[str]:
        with storage_errors(self._map):
            return Path(self._map).read_text(encoding="utf-8", errors="surrogateescape").splitlines()

    def _write(self, wanted: Mapping[str, str | None]) -> None:
        """Lines of others stay as they are."""
        others = [line for line in self._lines() if not line.split(None, 1)[:1] or line.split(None, 1)[0] not in wanted]
        lines = [*others, *(f"{key} {value}" for key, value in wanted.items() if value is not None)]
        if lines != self._lines():
            write_atomically(self._map, "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"), mode=0o644)
