# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs, HTTP requests as bytes, and where a redirect may lead. Pure; the wire is in the adapter.

A request asks for one exchange (``Connection: close``, ``Accept-Encoding: identity``): a probe measures what a new client
meets, connecting included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urljoin, urlsplit

from ..core.errors import InvalidOption, Refused

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_HTTP = ("http", "https")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, section 5.6.2
_OURS = {"connection", "content-length", "transfer-encoding"}  # they frame the message
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class Url:
    """A URL taken apart: ``host`` without brackets, ASCII; ``target`` is path and query, percent-encoded."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def secure(self) -> bool:
        """Whether it asks for TLS."""
        return self.scheme in ("https", "wss")

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them; the scheme's own port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """For results: without the query, since tokens travel there."""
        return f"{self.scheme}://{self.authority}{self.target.partition('?')[0]}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def read_url(text: str, *, option: str = "url", schemes: Sequence[str] = _HTTP) -> Url:
    """Take an absolute URL of one of these schemes apart; unicode in host and path is encoded (IDNA, UTF-8), a fragment dropped.

    :raises InvalidOption: without scheme or host, with spaces, control characters, credentials, or a port out of range;
        the message never repeats credentials
    """
    if "@" in re.split(r"[/?#]", text.partition("://")[2], maxsplit=1)[0]:
        raise InvalidOption(f"{option}: credentials in a URL end up in logs",
                            hint="Take them out of the URL and give them as user and password")
    if _CONTROL.search(text) or "\\" in text:
        raise InvalidOption(f"{option}: {text!r} has a space, backslash or control character",
                            hint="Percent-encode it: a space is %20")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidOption(f"{option}: {text!r} is no URL: {error}", hint="Write it as https://host:port/path") from error
    if parts.scheme not in schemes or not host or port == 0:
        raise InvalidOption(f"{option}: {text!r} is no {' or '.join(schemes)} URL with a host",
                            hint=f"Write it as {schemes[-1]}://host:port/path, the port from 1 to 65535")
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=-._~") + (
        "?" + quote(parts.query, safe="/%:@!$&'()*+,;=-._~?") if parts.query else "")
    return Url(parts.scheme, ascii_host(host, option=option), port or _PORTS[parts.scheme], target)


def ascii_host(host: str, *, option: str = "host") -> str:
    """A host name as DNS has it (IDNA), or a numeric address, in lower case.

    :raises InvalidOption: for what is neither
    """
    if host.isascii():
        name = host.lower()
    else:
        try:
            name = host.encode("idna").decode("ascii").lower()
        except UnicodeError as error:
            raise InvalidOption(f"{option}: {host!r} is no host name: {error}", hint="Check its spelling") from error
    if not name or len(name) > 253 or name.startswith("-") or not re.fullmatch(r"[0-9a-z._:%-]+", name, re.ASCII):
        raise InvalidOption(f"{option}: {host!r} is no host name", hint="Give a DNS name or a numeric address")
    return name


@dataclass(frozen=True)
class WebRequest:
    """What is asked of a URL. ``headers`` are the operator's own, checked by `checked_headers`."""

    url: Url
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    def encoded(self) -> bytes:
        """The request as it goes over the wire (RFC 9112)."""
        headers = {"host": self.url.authority, "user-agent": "evenkeel.ops", "accept": "*/*", "accept-encoding": "identity"}
        headers |= {name.lower(): value for name, value in self.headers.items()}
        headers["connection"] = "close"
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            headers["content-length"] = str(len(self.body))
        lines = [f"{self.method} {self.url.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body


def checked_headers(headers: Mapping[str, object], *, option: str = "headers") -> dict[str, str]:
    """Header names and values fit to be sent, values as text.

    :raises InvalidOption: for a name that is no token, a line break in a value, or a header that frames the message;
        the message never repeats a value
    """
    checked = {}
    for name, value in headers.items():
        text = str(value)
        if not _TOKEN.fullmatch(str(name)):
            raise InvalidOption(f"{option}: {name!r} is no header name", hint="Letters, digits and - only")
        if name.lower() in _OURS:
            raise InvalidOption(f"{option}: {name} is set by the probe itself", hint="Leave it out")
        if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text) or any(ord(letter) > 255 for letter in text):
            raise InvalidOption(f"{option}: the value of {name} has a line break, control character or letter outside latin-1",
                                hint="A header is one line; take the line break out, encode other letters")
        checked[name] = text
    return checked


def checked_method(method: str, *, option: str = "method") -> str:
    """A method in capitals.

    :raises InvalidOption: for what is no token, and for CONNECT
    """
    if not _TOKEN.fullmatch(method) or method.upper() == "CONNECT":
        raise InvalidOption(f"{option}: {method!r} is no method of a probe", hint="Use GET, HEAD, POST or another word")
    return method.upper()


def next_hop(request: WebRequest, status: int, location: str) -> WebRequest:
    """The request that a redirect asks for (RFC 9110, section 15.4).

    303 always, and 301 and 302 of a POST, turn into GET without a body. The operator's headers and the body go along to
    the same origin, and to its https twin on the standard ports, and nowhere else.

    :raises Refused: from https to http, to another scheme, or to a URL that cannot be read
    """
    try:
        url = read_url(urljoin(str(request.url), location), option="Location")
    except (InvalidOption, ValueError) as error:
        raise Refused(f"{request.url.shown} redirects to where no probe goes: {getattr(error, 'message', error)}",
                      hint="See what the service sends as Location") from error
    if request.url.secure and not url.secure:
        raise Refused(f"{request.url.shown} redirects from https to {url.shown}",
                      hint="Let the service redirect to https, or probe the http address itself")
    method = "GET" if status == 303 or (status in (301, 302) and request.method == "POST") else request.method
    if method == "GET" and request.method == "HEAD":
        method = "HEAD"
    hop = replace(request, url=url, method=method, body=request.body if method == request.method else b"")
    if same_origin(request.url, url):
        return hop
    if hop.body:
        raise Refused(f"{request.url.shown} redirects a request with a body to another host, {url.shown}",
                      hint="Probe that address itself if it may see the body")
    return replace(hop, headers={})


def same_origin(here: Url, there: Url) -> bool:
    """Whether what may be told to ``here`` may be told to ``there``: scheme, host and port, or its https twin."""
    if here.host != there.host:
        return False
    return (here.scheme, here.port) == (there.scheme, there.port) or (
        (here.scheme, here.port) == ("http", 80) and (there.scheme, there.port) == ("https", 443))
