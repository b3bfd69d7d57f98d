# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at sources: files, folders of files, and endpoints, the latter many at a time."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from ..core.clock import Clock
from ..core.errors import InvalidOption, LibraryMissing, OpsError, TimedOut, Unreachable
from ..core.quantities import HOUR, parse_duration
from .facts import Certificate, Observation, Problem
from .sources import Source, printable

PATTERNS = ("*.pem", "*.crt", "*.cer", "*.der", "*.p12", "*.pfx")
_PAUSE = 0.2  # seconds between two attempts: enough for a restarting listener, too short to be felt


class Reader(Protocol):
    """``X509`` of adapters/x509.py: reads files, and answers questions about certificates (DER)."""

    def read(self, path: str, *, format: str, password: str | None) -> tuple[list[bytes], bytes | None]: ...
    def public_half(self, path: str, *, password: str | None) -> bytes: ...
    def describe(self, der: bytes, *, accepted: bool = False) -> dict[str, Any]: ...
    def covers(self, der: bytes, host: str) -> bool: ...
    def chain_fault(self, chain: Sequence[bytes], *, ca_cert: str | None, now: datetime) -> tuple[str, str]: ...
    def issuers(self, chain: Sequence[bytes]) -> set[int]: ...


class Prober(Protocol):
    """``Tls`` of adapters/tls.py: shakes hands with endpoints."""

    def look(self, host: str, port: int, *, timeout: float, server_name: str | None, starttls: str | None,
             ca_cert: str | None, verify: bool) -> Any: ...
    def accepts(self, host: str, port: int, *, timeout: float, below: str, server_name: str | None,
                starttls: str | None) -> str | None: ...


@dataclass(frozen=True)
class Effort:
    """Seconds for one look at an endpoint, further attempts after the first, endpoints at a time."""

    timeout: float
    retries: int
    concurrency: int

    @classmethod
    def from_options(cls, timeout: str, retries: int, concurrency: int) -> Effort:
        """Read them as a module is given them.

        :raises InvalidOption: for a timeout of nothing, or a number out of range
        """
        seconds = parse_duration(timeout, option="timeout")
        if not 0 < seconds <= HOUR:
            raise InvalidOption(f"timeout: {timeout} is no time to look at an endpoint", hint="Write one such as 10s, up to 1h")
        if not 0 <= retries <= 100:
            raise InvalidOption(f"retries: {retries} is out of range", hint="Give 0 to 100")
        if not 1 <= concurrency <= 500:
            raise InvalidOption(f"concurrency: {concurrency} is out of range", hint="Give 1 to 500")
        return cls(seconds, retries, concurrency)


def observe(sources: Iterable[Source], reader: Reader, prober: Prober, clock: Clock, effort: Effort) -> list[Observation]:
    """One observation for each endpoint and file, in the order of the sources.

    What cannot be looked at is an observation with a ``problem``, never a gap.

    :raises LibraryMissing: where a certificate needs a library that is not installed; a fault of this host, not of one source
    """
    sources = list(sources)
    endpoints = [source for source in sources if source.host is not None]
    observer = _Observer(reader, prober, clock, effort)
    observations: list[Observation] = []
    with ThreadPoolExecutor(max_workers=min(effort.concurrency, len(endpoints) or 1)) as pool:
        # In the order of the sources, and as they come in: what has been shown is read while others still shake hands.
        looks = pool.map(observer.look, endpoints)
        for source in sources:
            if source.host is not None:
                observations.append(observer.endpoint(source, next(looks)))
            elif source.file is not None:
                observations.append(observer.file(source, source.file, source.subject))
            else:
                observations.extend(observer.folder(source))
    return observations


@dataclass(frozen=True)
class _Look:
    served: Any = None
    older: str | None = None
    older_problem: Problem | None = None
    problem: Problem | None = None


class _Observer:
    def __init__(self, reader: Reader, prober: Prober, clock: Clock, effort: Effort) -> None:
        self.reader = reader
        self.prober = prober
        self.clock = clock
        self.effort = effort

    def look(self, source: Source) -> _Look:
        """The network's part, run in many threads."""
        where = {"server_name": source.server_name, "starttls": source.starttls}
        attempt = 0
        while True:
            try:
                served = self.prober.look(source.host or "", source.port, timeout=self.effort.timeout, ca_cert=source.ca_cert,
                                          verify=source.policy.verify_chain, **where)
                break
            except (Unreachable, TimedOut) as error:
                if attempt >= self.effort.retries:
                    return _Look(problem=_problem(error))
                attempt += 1
                self.clock.sleep(_PAUSE)
            except OpsError as error:
                return _Look(problem=_problem(error))
        if not source.policy.refuse_older:
            return _Look(served)
        try:
            older = self.prober.accepts(source.host or "", source.port, timeout=self.effort.timeout,
                                        below=source.policy.min_protocol or "", **where)
        except OpsError as error:
            return _Look(served, older_problem=_problem(error))
        return _Look(served, older or "")

    def endpoint(self, source: Source, look: _Look) -> Observation:
        """What an endpoint showed, as facts."""
        if look.problem:
            return Observation(source, source.subject, problem=look.problem)
        chain, served = list(look.served.chain), look.served

        def fault(position: int) -> tuple[str, str]:
            if served.trusted:
                return "", ""
            word, at = self.reader.chain_fault(chain, ca_cert=source.ca_cert, now=self.clock.now())
            if not word and served.fault and served.fault[0] not in _TOLD_ELSEWHERE:
                return served.fault[1], ""  # OpenSSL saw in the handshake what offline validation does not look at
            return word, at

        return self._facts(source, source.subject, chain, {0}, fault, key=None, accepted=served.trusted, protocol=served.protocol,
                           older_protocol=look.older, older_problem=look.older_problem)

    def file(self, source: Source, path: str, subject: str, *, optional: bool = False) -> Observation:
        """What a file holds; ``optional`` takes a file without certificates for one that nobody asked about."""
        try:
            chain, key = self.reader.read(path, format=source.format, password=source.password)
        except LibraryMissing:
            raise
        except OpsError as error:
            return Observation(source, subject, problem=_problem(error))
        if not chain:
            return Observation(source, subject, problem=None if optional else Problem(
                "it holds no certificate", "Name the file that has the certificate; a key alone is not one"))

        def fault(position: int) -> tuple[str, str]:
            others = [der for other, der in enumerate(chain) if other != position]
            return self.reader.chain_fault([chain[position], *others], ca_cert=source.ca_cert, now=self.clock.now())

        try:
            ends = set(range(len(chain))) - self.reader.issuers(chain)
        except LibraryMissing:
            raise
        except OpsError as error:
            return Observation(source, subject, problem=_problem(error))
        # A ring of cross-signed authorities has no end: then the first one stands for all.
        return self._facts(source, subject, chain, ends or {0}, fault, key=key)

    def folder(self, source: Source) -> Iterator[Observation]:
        """One observation per file with certificates, and one per file or folder that could not be read."""
        troubles: list[OSError] = []
        files = sorted(_walk(source.folder or "", source.patterns or PATTERNS, source.recursive, troubles.append))
        label = f"{source.subject}: " if source.subject != printable(source.folder or "") else ""
        found = 0
        for path in files:
            observation = self.file(source, path, f"{label}{printable(path)}", optional=True)
            if observation.certificates or observation.problem:
                found += 1
                yield observation
        for error in troubles:
            hint = "Correct the path" if isinstance(error, (FileNotFoundError, NotADirectoryError)) else \
                "Give the user that runs this the right to read it"
            yield Observation(source, f"{label}{printable(error.filename or source.folder or '')}",
                              problem=Problem(f"the folder cannot be read: {error.strerror}", hint))
        if not found and not troubles:
            yield Observation(source, source.subject, problem=Problem(
                f"no certificate in a file named like {', '.join(source.patterns or PATTERNS)}",
                "Correct the path or patterns, or set recursive; an empty folder is never a pass"))

    def _facts(self, source: Source, subject: str, chain: list[bytes], ends: set[int], fault: Any, *, key: bytes | None,
               accepted: bool = False, **more: Any) -> Observation:
        try:
            certificates = tuple(Certificate(**self.reader.describe(der, accepted=accepted)) for der in chain)
            asked = bool(source.hosts or source.key_file or source.host)
            # A root that nobody asked to be a server's certificate is an authority, whatever else the file holds.
            leaves = tuple(end for end in sorted(ends) if asked or not certificates[end].root or certificates[end].names)
            faults = tuple((leaf, *fault(leaf)) for leaf in leaves) if source.policy.verify_chain else ()
            uncovered = tuple(host for host in source.hosts if not any(
                host in certificates[leaf].names or self.reader.covers(chain[leaf], host) for leaf in leaves)) \
                if source.policy.verify_host else ()
        except LibraryMissing:
            raise
        except OpsError as error:
            return Observation(source, subject, problem=_problem(error))
        key_problem = None
        if source.key_file:
            try:
                key = self.reader.public_half(source.key_file, password=source.password)
            except OpsError as error:
                key, key_problem = None, Problem(f"key_file {printable(source.key_file)}: {error.message}", error.hint)
        matches = None if key is None else any(certificates[leaf].key == key for leaf in leaves)
        return Observation(source, subject, certificates, leaves, faults, uncovered, matches, key_problem, **more)


# Codes that have findings of their own: dates of the leaf (9, 10), weak keys and digests (66 to 68).
_TOLD_ELSEWHERE = {9, 10, 66, 67, 68}


def _problem(error: OpsError) -> Problem:
    return Problem(error.message, error.hint)


def _walk(folder: str, patterns: Sequence[str], recursive: bool, on_error: Any) -> Iterator[str]:
    """Files by pattern; links to folders are not followed, links to files are (as in Let's Encrypt's live folder)."""
    for here, folders, names in os.walk(folder, onerror=on_error):
        if not recursive:
            folders.clear()
        yield from (os.path.join(here, name) for name in names if any(fnmatch.fnmatchcase(name, one) for one in patterns))
