# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a URL and what is expected of its answer, read from the options of a target or of a step."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ..core.errors import InvalidOption
from .expectations import Content, read_comparison, read_path, read_pattern
from .web import Url, WebRequest, checked_headers, checked_method

# A secret as short as this is blanked out of every number and word of the results by Ansible.
SHORTEST_SECRET = 4
# The text format of Prometheus; a server that knows better ones sends them only to those who ask.
_PAGE_OF_METRICS = {"Accept": "text/plain;version=0.0.4,*/*;q=0.1"}


def read_request(kind: str, url: Url, options: Mapping[str, Any], where: str) -> WebRequest:
    """Method, headers and body as they will be sent; user and password become basic authentication (RFC 7617).

    :raises InvalidOption: for what is no method or header, a secret too short to be kept, two ways to log in
    """
    secret = checked_headers(options.get("headers") or {}, option=f"{where}.headers")
    for name, value in secret.items():
        if len(value) < SHORTEST_SECRET or value.isdecimal():
            raise InvalidOption(f"{where}.headers: the value of {name} is too short to be a secret",
                                hint="Values of headers are blanked out of all results; put this one into public_headers")
    headers = {**(_PAGE_OF_METRICS if kind == "prometheus" else {}),
               **checked_headers(options.get("public_headers") or {}, option=f"{where}.public_headers"), **secret}
    if "password" in options or "user" in options:
        if any(name.lower() == "authorization" for name in headers):
            raise InvalidOption(f"{where}: user and password contradict the header Authorization", hint="Keep one of them")
        pair = f"{options.get('user', '')}:{options.get('password', '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    body = options.get("body", "")
    return WebRequest(url, checked_method(options["method"], option=f"{where}.method"), headers,
                      body.encode() if isinstance(body, str) else body)


def read_content(options: Mapping[str, Any], where: str) -> Content:
    """What text, its JSON and headers should be like.

    :raises InvalidOption: for patterns, paths and comparisons that cannot be read
    """
    return Content(
        contains=options.get("contains"),
        matches=read_pattern(options["matches"], option=f"{where}.matches") if "matches" in options else None,
        json={str(path): (read_path(str(path), option=f"{where}.json"), read_comparison(expected, option=f"{where}.json"))
              for path, expected in (options.get("json") or {}).items()},
        header={next(iter(checked_headers({name: ""}, option=f"{where}.header"))):
                read_comparison(expected, option=f"{where}.header") for name, expected in (options.get("header") or {}).items()},
    )
