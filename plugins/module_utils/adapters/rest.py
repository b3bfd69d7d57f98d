# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON over HTTP through requests: one service, its address, its credentials, and its errors in our words."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import AccessDenied, CommandFailed, InvalidOption, LibraryMissing, NotFound, OpsError, TimedOut, Unreachable
from .guarded_pools import guard

_CONNECT_SECONDS = 10.0
_KEPT = 1000
# What a service says while it starts or is overloaded; only questions are asked again, never an act.
_PASSING = (502, 503, 504)


@dataclass(frozen=True)
class RestTarget:
    """Where a service is: ``url`` without a path's end slash; ``headers`` carry credentials. ``timeout`` (seconds) is for one
    answer to begin and for each pause within it. ``unix_socket`` is connected to in place of the URL's host.

    :raises InvalidOption: for a URL that is none, or one with a password in it
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_cert: str | None = None
    timeout: float = 60.0
    unix_socket: str | None = None

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            parts, valid = urlsplit(""), False
        if not valid or parts.query or parts.fragment:
            raise InvalidOption(f"url: {self.url!r} is no address of a service", hint="Write it as https://vectors.example.com:8080")
        if parts.username or parts.password:
            raise InvalidOption("url: credentials do not belong into an address", hint="Give them in the options that are for them")

    @property
    def host(self) -> str:
        """The host's name alone."""
        return str(urlsplit(self.url).hostname)

    @property
    def port(self) -> int:
        """The port, that of the scheme where none is written."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)


class Rest:
    """A session with one service. Redirects are not followed, proxies and ``.netrc`` of the environment not used.

    :raises LibraryMissing: without requests
    """

    def __init__(self, target: RestTarget, *, what: str) -> None:
        try:
            import requests
            from requests.adapters import HTTPAdapter
            from urllib3.util.retry import Retry
        except ImportError as error:
            raise LibraryMissing("requests") from error
        self.target = target
        self.what = what
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"Accept": "application/json", **target.headers})
        self._session.verify = target.ca_cert or True
        # An answer that does not come in time is not waited for twice.
        retry = Retry(total=2, read=False, backoff_factor=0.2, status_forcelist=_PASSING, allowed_methods=("GET",), raise_on_status=False)
        adapter = _unix_adapter(target.unix_socket, retry) if target.unix_socket else HTTPAdapter(max_retries=retry)
        guard(adapter.poolmanager)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    @property
    def session(self) -> Any:
        """The session of requests, for a client library of the service that takes one."""
        return self._session

    def close(self) -> None:
        """Hang up."""
        self._session.close()

    def ask(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """One exchange; the answer's JSON, None where it has no body.

        :raises NotFound: for 404
        :raises AccessDenied: for 401 and 403
        :raises CommandFailed: for every other answer that is no success; evidence has ``status`` and what was said
        :raises Unreachable, TimedOut: where no answer comes
        :raises Refused: where the service's name leads to a link-local or metadata address
        """
        with self._translated(path):
            response = self._session.request(method, self.target.url + path, params=query, json=body, allow_redirects=False,
                                             timeout=(_CONNECT_SECONDS, self.target.timeout))
            content = response.content
        self._check(response, path, content)
        if not content.strip():
            return None
        try:
            return response.json()
        except ValueError as error:
            raise Unreachable(f"{self.target.url}{path} answers, but not as {self.what} does",
                              hint="See what listens there; check the port and the path of the URL") from error

    @contextmanager
    def download(self, path: str, *, query: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """A body as a stream to be read; its length is checked where the service tells it.

        :raises OpsError: as `ask`
        """
        with self._translated(path):
            response = self._session.get(self.target.url + path, params=query, stream=True, allow_redirects=False,
                                         timeout=(_CONNECT_SECONDS, self.target.timeout))
        try:
            with self._translated(path):
                said = b"" if response.ok else next(response.iter_content(_KEPT), b"")
            self._check(response, path, said)
            yield _Body(response, self, path)
        finally:
            response.close()

    def upload(self, path: str, stream: Any) -> None:
        """PUT what ``stream`` holds, in constant memory.

        :raises OpsError: as `ask`
        """
        with self._translated(path):
            response = self._session.put(self.target.url + path, data=stream, allow_redirects=False,
                                         headers={"Content-Type": "application/octet-stream"},
                                         timeout=(_CONNECT_SECONDS, self.target.timeout))
            content = response.content
        self._check(response, path, content)

    def _check(self, response: Any, path: str, content: bytes) -> None:
        if 200 <= response.status_code < 300:
            return
        said = content[:_KEPT].decode("utf-8", "replace")
        where = f"{self.what} at {self.target.url}"
        evidence = {"url": f"{self.target.url}{path}", "status": response.status_code, "said": said}
        if response.status_code in (401, 403):
            raise AccessDenied(f"{where} refuses these credentials: {_sentence(said)}",
                               hint="Check key or token, and what its account may do", evidence=evidence)
        if response.status_code == 404:
            raise NotFound(f"{where} has no {path}: {_sentence(said)}", hint="Check the URL, and the version of the service",
                           evidence=evidence)
        if 300 <= response.status_code < 400:
            raise Unreachable(f"{where} answers with a redirect to {response.headers.get('Location', 'nowhere')}",
                              hint="Give the address that it names, if you trust it", evidence=evidence)
        raise CommandFailed(f"{where} answers {response.status_code}: {_sentence(said)}",
                            hint="What it said is in the evidence; its log says more", evidence=evidence)

    def _translated(self, path: str) -> AbstractContextManager[None]:
        return translated(f"{self.what} at {self.target.url}", {"url": f"{self.target.url}{path}"})


class _Body:
    """A response's body, read as a file; ends with an error where the connection does before the body."""

    def __init__(self, response: Any, rest: Rest, path: str) -> None:
        self._response, self._rest, self._path = response, rest, path
        length = response.headers.get("Content-Length", "")
        self._left = int(length) if length.isdigit() and "Content-Encoding" not in response.headers else None

    def read(self, size: int = -1) -> bytes:
        from urllib3.exceptions import HTTPError

        try:
            block = self._response.raw.read(None if size < 0 else size, decode_content=True)
        except (HTTPError, OSError) as error:
            raise Unreachable(f"{self._rest.what} at {self._rest.target.url} broke off within {self._path}: {_reason(error)}",
                              hint="See its log and the network, then run again") from error
        if self._left is not None:
            self._left -= len(block)
            if not block and size and self._left > 0:
                raise Unreachable(f"{self._rest.what} at {self._rest.target.url} broke off within {self._path}: "
                                  f"{self._left} bytes are missing", hint="See its log and the network, then run again")
        return block


def _unix_adapter(path: str, retry: Any) -> Any:
    """An adapter of requests that connects to a socket file, whatever host the URL names."""
    import urllib3
    from requests.adapters import HTTPAdapter

    class Connection(urllib3.connection.HTTPConnection):
        def _new_conn(self) -> socket.socket:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                made.settimeout(_CONNECT_SECONDS)
                made.connect(path)
            except OSError as error:
                made.close()
                raise urllib3.exceptions.NewConnectionError(self, f"{path}: {error}") from error
            return made

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Connection

    pool = Pool("localhost")

    class Adapter(HTTPAdapter):
        def get_connection_with_tls_context(self, *arguments: Any, **named: Any) -> Any:
            return pool

        def get_connection(self, *arguments: Any, **named: Any) -> Any:
            return pool

        def close(self) -> None:
            pool.close()

    return Adapter(max_retries=retry)


@contextmanager
def translated(where: str, evidence: dict[str, Any]) -> Iterator[None]:
    """What requests says of the network, in our words; ``where`` begins the sentence.

    :raises Unreachable, TimedOut, CommandFailed: where no answer comes
    """
    from requests import exceptions as library

    try:
        yield
    except library.Timeout as error:
        raise TimedOut(f"{where} gave no answer in time", hint="Something listens there and does not answer: see its log, "
                       "or allow a longer request_timeout", evidence=evidence) from error
    except library.SSLError as error:
        raise Unreachable(f"{where}: TLS failed: {_reason(error)}", hint="Check the certificate, or name its authority in ca_cert",
                          evidence=evidence) from error
    except (library.ConnectionError, library.ChunkedEncodingError) as error:
        raise Unreachable(f"{where} does not answer: {_reason(error)}", hint="Check address and port, and that the service runs",
                          evidence=evidence) from error
    except (library.RequestException, UnicodeError) as error:
        raise Unreachable(f"{where} cannot be asked: {_reason(error)}", hint="Check its address", evidence=evidence) from error
    except OSError as error:
        raise CommandFailed(f"{where}: {error}", hint="See the evidence", evidence=evidence) from error


def answers(rest: Rest, path: str) -> bool:
    """Whether the service answers a question with success; for waiting until it has started."""
    try:
        rest.ask("GET", path)
        return True
    except OpsError:
        return False


def _sentence(said: str) -> str:
    """What a service said, as one line that is short enough to be shown."""
    return " ".join(said.split())[:300] or "it said nothing"


def _reason(error: BaseException) -> str:
    """The innermost words of an error of requests, whose own ones are mostly its classes' names."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    return _sentence(str(reason if isinstance(reason, BaseException) else error))
