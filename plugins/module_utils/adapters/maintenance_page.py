# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a URL what it shows, and the file that says who switched maintenance mode on."""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import Damaged, InvalidOption, OpsError
from ..core.files import storage_errors, sync_folder, write_atomically
from .http import exchange
from .nginx_page import HEADER, reachable_folder
from .sockets import Dialer

_MOST = 65536
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Maintenance</title></head>
<body style="font-family: sans-serif; margin: 4em auto; max-width: 40em"><h1>Maintenance</h1><p>{message}</p></body></html>
"""


def page(message: str) -> str:
    """A page that says the message, whatever characters it has."""
    return _PAGE.format(message=html.escape(message))


@dataclass(frozen=True)
class Answer:
    """See `maintenance.mode.Seen`."""

    status: int | None
    retry_after: str = ""
    ours: bool = False
    error: str = ""


class PageProbe:
    """Asks one URL, each time over a connection of its own; redirects are not followed.

    :raises InvalidOption: for a URL that is none, or a header that is none
    """

    def __init__(self, url: str, *, name: str, host: str, validate_certs: bool, ca_cert: str | None, timeout: float) -> None:
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0 and url.isprintable()
        except ValueError:
            parts, valid = urlsplit(""), False
        if not valid or " " in url or parts.username is not None or not host.isprintable() or " " in host:
            raise InvalidOption(f"url: {url!r} is no address that can be asked", hint="Write it as https://shop.example.com/")
        self._parts, self._name, self._timeout = parts, name, timeout
        self._host = host or parts.netloc
        self._tls = Dialer().tls_context(validate_certs=validate_certs, ca_cert=ca_cert) if parts.scheme == "https" else None

    def __call__(self) -> Answer:
        """One answer; what keeps it from coming is in ``error``."""
        try:
            return asyncio.run(self._ask())
        except TimeoutError:
            return Answer(None, error=f"no answer within {self._timeout:g}s")
        except OpsError as error:
            return Answer(None, error=error.message)

    async def _ask(self) -> Answer:
        parts = self._parts
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = f"GET {target} HTTP/1.1\r\nHost: {self._host}\r\nUser-Agent: evenkeel.ops\r\nConnection: close\r\n\r\n"
        port = parts.port or (443 if parts.scheme == "https" else 80)
        async with asyncio.timeout(self._timeout):
            answer = await exchange(Dialer(), str(parts.hostname), port, request.encode("utf-8"), tls=self._tls, bodyless=False,
                                    max_body=_MOST, stage=lambda _words: None)
        headers = dict(reversed(answer.headers))
        return Answer(answer.status, headers.get("retry-after", ""), headers.get(HEADER.lower()) == self._name)


class StateFile:
    """See `maintenance.mode.Store`."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def read(self) -> dict[str, Any] | None:
        """:raises Damaged: where the file is none of ours"""
        with storage_errors(self._path):
            try:
                content = self._path.read_bytes()
            except FileNotFoundError:
                return None
        try:
            values = json.loads(content)
        except ValueError as error:
            raise Damaged(f"{self._path} cannot be read: {error}", hint="Look at it; remove it if it is none of ours") from error
        if not isinstance(values, dict):
            raise Damaged(f"{self._path} does not say who switched maintenance mode on", hint="Look at it; remove it if it is none of ours")
        return values

    def write(self, values: Mapping[str, Any]) -> None:
        """:raises StorageFailed: where it cannot be written"""
        reachable_folder(str(self._path.parent))
        write_atomically(self._path, json.dumps(dict(values), indent=2).encode() + b"\n", mode=0o644)

    def remove(self) -> None:
        """:raises StorageFailed: where it cannot be removed"""
        with storage_errors(self._path):
            if self._path.exists():
                self._path.unlink()
                sync_folder(self._path.parent)
