# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at sources: files, folders of files, objects of a cluster or cloud, and endpoints, the latter many at a time."""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from ..core.clock import Clock
from ..core.errors import InvalidOption, LibraryMissing, OpsError, TimedOut, Unreachable
from ..core.quantities import HOUR, parse_duration
from .facts import Certificate, Observation, Problem, Told
from .ports import Elsewhere, Prober, Reader
from .sources import Source, is_address, printable

PATTERNS = ("*.pem", "*.crt", "*.cer", "*.der", "*.p12", "*.pfx", "*.jks")
_PAUSE = 0.2  # seconds between two attempts: enough for a restarting listener, too short to be felt


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


def observe(sources: Iterable[Source], reader: Reader, prober: Prober, clock: Clock, effort: Effort,
            elsewhere: Elsewhere) -> list[Observation]:
    """One observation for each address of an endpoint, each file and each certificate of a store, in the order of the sources.

    What cannot be looked at is an observation with a ``problem``, never a gap.

    :raises LibraryMissing: where a certificate needs a library that is not installed; a fault of this host, not of one source
    """
    sources = list(sources)
    endpoints = [source for source in sources if source.host is not None]
    observer = _Observer(reader, prober, clock, effort, elsewhere)
    observations: list[Observation] = []
    with ThreadPoolExecutor(max_workers=min(effort.concurrency, len(endpoints) or 1)) as pool:
        spread = list(pool.map(observer.spread, endpoints)) if any(_spreads(source) for source in endpoints) \
            else [[source] for source in endpoints]
        # In the order of the sources, and as they come in: what has been shown is read while others still shake hands.
        looks = pool.map(observer.look, [one for many in spread for one in many])
        each = iter(spread)
        for source in sources:
            if source.host is not None:
                observations.extend(observer.endpoint(one, next(looks)) for one in next(each))
            elif source.file is not None:
                observations.append(observer.file(source, source.file, source.subject))
            elif source.folder is not None:
                observations.extend(observer.folder(source))
            else:
                observations.extend(observer.stored(source))
    return observations


def _spreads(source: Source) -> bool:
    """Whether it may be more than one endpoint."""
    return bool(source.addresses) or (source.policy.every_address and not is_address(source.host or ""))


@dataclass(frozen=True)
class _Look:
    served: Any = None
    older: str | None = None
    older_problem: Problem | None = None
    revocation: tuple[Told, ...] = ()
    stapling: Told | None = None
    problem: Problem | None = None


class _Observer:
    def __init__(self, reader: Reader, prober: Prober, clock: Clock, effort: Effort, elsewhere: Elsewhere) -> None:
        self.reader = reader
        self.prober = prober
        self.clock = clock
        self.effort = effort
        self.stores = elsewhere.stores
        self.inquiry = elsewhere.inquiry

    def spread(self, source: Source) -> list[Source]:
        """The endpoint on each of its addresses; itself where it has one, or where they cannot be found out, which its look tells."""
        if not _spreads(source):
            return [source]
        try:
            addresses = source.addresses or self.prober.addresses(source.host or "", source.port)
        except OpsError:
            return [source]
        if len(addresses) == 1 and not source.addresses:
            return [source]
        return [replace(source, host=address, subject=f"{source.subject} ({address})") for address in addresses]

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
        revocation = self._revocation(source, served.chain)
        stapling = self._stapling(source, served.chain, where) if source.policy.require_stapling else None
        if not source.policy.refuse_older:
            return _Look(served, revocation=revocation, stapling=stapling)
        try:
            older = self.prober.accepts(source.host or "", source.port, timeout=self.effort.timeout,
                                        below=source.policy.min_protocol or "", **where)
        except OpsError as error:
            return _Look(served, None, _problem(error), revocation, stapling)
        return _Look(served, older or "", None, revocation, stapling)

    def _revocation(self, source: Source, chain: Sequence[bytes]) -> tuple[Told, ...]:
        if not source.policy.verify_revocation:
            return ()
        return tuple(Told(*said) for said in self.inquiry().revocation(chain, ca_cert=source.ca_cert))

    def _stapling(self, source: Source, chain: Sequence[bytes], where: dict[str, str | None]) -> Told:
        try:
            answer = self.prober.stapled(source.host or "", source.port, timeout=self.effort.timeout, **where)
        except LibraryMissing:
            raise
        except OpsError as error:
            return Told("unknown", f"what it staples could not be seen: {error.message}", error.hint)
        return Told(*self.inquiry().stapled(chain, answer, ca_cert=source.ca_cert))

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
                           older_protocol=look.older, older_problem=look.older_problem, revocation=look.revocation,
                           stapling=look.stapling)

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

        return self._kept(source, subject, chain, key)

    def stored(self, source: Source) -> Iterator[Observation]:
        """One observation per certificate that a cluster or cloud holds by this name."""
        [kind, *_others] = [kind for kind in self.stores if getattr(source, kind) is not None]
        name = getattr(source, kind)
        try:
            held = self.stores[kind](source)
        except LibraryMissing:
            raise
        except OpsError as error:
            yield Observation(source, source.subject, problem=_problem(error))
            return
        if not held:
            yield Observation(source, source.subject, problem=Problem(
                "there is no certificate by this name", "Correct the name; nothing is never a pass"))
        for one in held:
            subject = source.subject if not name.endswith("*") else one.name if source.subject == name else f"{source.subject}: {one.name}"
            record = Told(*one.record) if one.record else None
            if not one.chain:
                yield Observation(source, subject, record=record, problem=None if record else Problem(
                    "it holds no certificate", "See what is to fill it"))
                continue
            yield self._kept(source, subject, list(one.chain), one.key, ends=(0,), hosts=one.hosts, record=record)

    def _kept(self, source: Source, subject: str, chain: list[bytes], key: bytes | None, ends: Iterable[int] = (),
              **more: Any) -> Observation:
        """What a file or store holds, as facts. ``ends`` are the certificates to be presented, where that is known."""
        def fault(position: int) -> tuple[str, str]:
            return self.reader.chain_fault(_first(chain, position), ca_cert=source.ca_cert, now=self.clock.now())

        try:
            ends = set(ends) or set(range(len(chain))) - self.reader.issuers(chain)
        except LibraryMissing:
            raise
        except OpsError as error:
            return Observation(source, subject, problem=_problem(error))
        # A ring of cross-signed authorities has no end: then the first one stands for all.
        seen = self._facts(source, subject, chain, ends or {0}, fault, key=key, **more)
        return replace(seen, revocation=tuple(told for leaf in seen.leaves for told in self._revocation(source, _first(chain, leaf))))

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
               accepted: bool = False, hosts: tuple[str, ...] = (), **more: Any) -> Observation:
        hosts = source.hosts or hosts
        try:
            certificates = tuple(Certificate(**self.reader.describe(der, accepted=accepted), fingerprint=hashlib.sha256(der).hexdigest())
                                 for der in chain)
            asked = bool(hosts or source.key_file or source.host)
            # A root that nobody asked to be a server's certificate is an authority, whatever else the file holds.
            leaves = tuple(end for end in sorted(ends) if asked or not certificates[end].root or certificates[end].names)
            faults = tuple((leaf, *fault(leaf)) for leaf in leaves) if source.policy.verify_chain else ()
            uncovered = tuple(host for host in hosts if not any(
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
        return Observation(source, subject, certificates, leaves, faults, uncovered, matches, key_problem, hosts=hosts,
                           caa=tuple((host, self._caa(host)) for host in hosts if source.policy.caa_issuers and not is_address(host)),
                           **more)

    def _caa(self, host: str) -> frozenset[str] | Problem | None:
        try:
            return self.inquiry().caa(host)
        except LibraryMissing:
            raise
        except OpsError as error:
            return _problem(error)


# Codes that have findings of their own: dates of the leaf (9, 10), weak keys and digests (66 to 68).
_TOLD_ELSEWHERE = {9, 10, 66, 67, 68}


def _first(chain: list[bytes], position: int) -> list[bytes]:
    """The chain with this one in front."""
    return [chain[position], *(der for other, der in enumerate(chain) if other != position)]


def _problem(error: OpsError) -> Problem:
    return Problem(error.message, error.hint)


def _walk(folder: str, patterns: Sequence[str], recursive: bool, on_error: Any) -> Iterator[str]:
    """Files by pattern; links to folders are not followed, links to files are (as in Let's Encrypt's live folder)."""
    for here, folders, names in os.walk(folder, onerror=on_error):
        if not recursive:
            folders.clear()
        yield from (os.path.join(here, name) for name in names if any(fnmatch.fnmatchcase(name, one) for one in patterns))
