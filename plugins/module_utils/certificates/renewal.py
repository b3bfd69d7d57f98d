# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates are renewed, where they are installed and shown, and what of that is due. Pure: values in, a plan out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..core.errors import InvalidOption
from ..core.quantities import DAY, format_duration, parse_duration
from .facts import Certificate, Observation
from .judge import days_left
from .policy import CertificatePolicy
from .sources import Source, ascii_name, read_sources

# certbot takes the name for a folder's and an argument.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")
_KEYS = ("name", "hosts", "places", "served_at", "test", "reload", "ca_cert", "policy")
_FILE_KEYS = ("certificate", "key", "owner", "group", "mode")
_PART_OF_LIFE = 2  # not before half of its life is over, whatever the policy says


@dataclass(frozen=True)
class Place:
    """Where a certificate is installed: files, or a TLS secret (``namespace/name``). ``mode`` is the key file's."""

    certificate: str | None = None
    key: str | None = None
    owner: str | None = None
    group: str | None = None
    mode: int = 0o600
    secret: str | None = None


@dataclass(frozen=True)
class Renewal:
    """One certificate. ``sources`` are what is looked at: what certbot keeps, then the places in their order, then the endpoints."""

    name: str
    hosts: tuple[str, ...]
    places: tuple[Place, ...]
    sources: tuple[Source, ...]
    test: tuple[str, ...] = ()
    reload: tuple[str, ...] = ()


@dataclass(frozen=True)
class RenewalPolicy:
    """``renew_days``: days left below which a certificate is renewed. ``rotate_after``: age in seconds from which it is, too.

    ``prove_within``: seconds in which every endpoint must show the new one. ``command_timeout``: seconds for one command.
    ``force``: names that are renewed whatever is left of them, as after a key was seen by others.
    """

    renew_days: float
    rotate_after: float | None
    prove_within: float
    command_timeout: float
    force: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> RenewalPolicy:
        """Read it as the module is given it.

        :raises InvalidOption: for a negative number, or a duration of nothing
        """
        days = options["renew_days"]
        if not 0 <= days < float("inf"):
            raise InvalidOption(f"renew_days: {days:g} is no number of days", hint="Give one from 0 up")
        seconds = {key: parse_duration(options[key], option=key) for key in ("prove_within", "command_timeout")}
        for key, value in seconds.items():
            if value <= 0:
                raise InvalidOption(f"{key}: {options[key]} is no time", hint="Write one such as 2m")
        rotate = parse_duration(options["rotate_after"], option="rotate_after") if options["rotate_after"] else None
        return cls(days, rotate, seconds["prove_within"], seconds["command_timeout"], frozenset(options["force"] or ()))


@dataclass(frozen=True)
class Plan:
    """What is due. ``reason`` says why a new one is issued, empty where none is. ``install`` are positions of places.

    ``blocked`` is why nothing can be planned.
    """

    reason: str = ""
    install: tuple[int, ...] = ()
    reload: bool = False
    blocked: str = ""
    hint: str = ""

    @property
    def nothing(self) -> bool:
        """Whether all is as it should be."""
        return not (self.reason or self.install or self.reload or self.blocked)


def read_renewals(options: Iterable[Mapping[str, Any]], policy: CertificatePolicy, *, live: Any) -> list[Renewal]:
    """Read the list; ``live`` gives the paths of a name's certificate and key in certbot's folder.

    :raises InvalidOption: for a name, path, mode or command that makes no sense, for unknown keys, and for a name given twice
    """
    renewals = [_renewal(entry, policy, f"renewals[{number}]", live) for number, entry in enumerate(options)]
    if not renewals:
        raise InvalidOption("renewals: there is nothing to renew", hint="Name certificates: renewing none is no pass")
    for number, renewal in enumerate(renewals):
        if renewal.name in {other.name for other in renewals[:number]}:
            raise InvalidOption(f"renewals[{number}]: {renewal.name} is named twice", hint="Put all places and endpoints into one entry")
    return renewals


def _renewal(entry: Mapping[str, Any], policy: CertificatePolicy, where: str, live: Any) -> Renewal:
    _known(entry, _KEYS, where)
    name = str(entry.get("name") or "")
    if not _NAME.fullmatch(name):
        raise InvalidOption(f"{where}.name: {name!r} is no name of a certificate", hint="Write the one that certbot certificates shows")
    hosts = tuple(ascii_name(one, where=f"{where}.hosts") for one in _list(entry, "hosts", where))
    if not hosts:
        raise InvalidOption(f"{where}.hosts is empty", hint="Name every host that the certificate is for")
    places = tuple(_place(one, f"{where}.places[{number}]") for number, one in enumerate(_list(entry, "places", where)))
    if not entry.get("served_at"):
        raise InvalidOption(f"{where}.served_at is empty", hint="Name the endpoints that show it: else nobody would know whether they do")
    chosen = {"ca_cert": entry.get("ca_cert"), "policy": entry.get("policy"), "hosts": list(hosts)}
    certificate, key = live(name)
    sources = read_sources([
        {**chosen, "name": f"{name} as certbot keeps it", "file": certificate, "key_file": key, "served_at": entry["served_at"]},
        *({**chosen, "name": f"secret {one.secret}", "secret": one.secret} if one.secret else
          {**chosen, "file": one.certificate, "key_file": one.key} for one in places)], policy)
    # Places before endpoints: their positions are then those of the plan.
    ordered = (sources[0], *(one for one in sources[1:] if one.place is None), *(one for one in sources[1:] if one.place is not None))
    return Renewal(name, hosts, places, ordered, _command(entry, "test", where), _command(entry, "reload", where))


def _place(entry: Any, where: str) -> Place:
    if not isinstance(entry, Mapping):
        raise InvalidOption(f"{where} is no place", hint="Write {certificate: …, key: …}, or {secret: namespace/name}")
    if entry.get("secret"):
        _known(entry, ("secret",), where)
        if str(entry["secret"]).endswith("*"):
            raise InvalidOption(f"{where}.secret: {entry['secret']!r} is no single secret", hint="Write it as production/shop-tls")
        return Place(secret=str(entry["secret"]))
    _known(entry, _FILE_KEYS, where)
    paths = {key: str(entry.get(key) or "") for key in ("certificate", "key")}
    for key, path in paths.items():
        if not path.startswith("/") or path.endswith("/") or "\0" in path:
            raise InvalidOption(f"{where}.{key}: {path!r} is no absolute path of a file", hint="Name a file for each of both")
    if paths["certificate"] == paths["key"]:
        raise InvalidOption(f"{where}: certificate and key are one file", hint="Give each a file of its own")
    mode = str(entry.get("mode") or "0600")
    if not re.fullmatch(r"0?[0-7]{3}", mode):
        raise InvalidOption(f"{where}.mode: {mode!r} is no mode of a file", hint="Write it as a string: '0600' or '0640'")
    if int(mode, 8) & 0o137:
        raise InvalidOption(f"{where}.mode: {mode} lets others than its owner and group see the key, or change it",
                            hint="Write '0600', or '0640' with a group")
    return Place(paths["certificate"], paths["key"], entry.get("owner"), entry.get("group"), int(mode, 8))


def plan_renewal(renewal: Renewal, observations: Sequence[Observation], policy: RenewalPolicy, now: datetime, *, exists: bool,
                 untidy: Sequence[int] = ()) -> Plan:
    """What is due for a certificate, from what was seen of its ``sources``; ``exists`` is whether certbot keeps one by this name,
    ``untidy`` are the places with other modes or owners than told.

    A run that was killed leaves a certificate that is issued and not installed, or installed and not shown: both are due here,
    so that the next run ends what that one began.
    """
    kept = observations[0]
    if exists and kept.problem:
        return Plan(blocked=f"what certbot keeps cannot be read: {kept.problem.message}", hint=kept.problem.hint)
    if not exists:
        reason = "there is none yet"
    else:
        reason = _reason(renewal, kept, policy, now)
    if reason:
        return Plan(reason, tuple(range(len(renewal.places))), True)
    wanted = leaf_of(kept)
    install = tuple(position for position, seen in enumerate(observations[1:1 + len(renewal.places)])
                    if position in untidy or (leaf := leaf_of(seen)) is None or leaf.fingerprint != wanted.fingerprint
                    or seen.key_matches is not True)
    shown = [leaf_of(seen) for seen in observations[1 + len(renewal.places):]]
    return Plan("", install, bool(install) or any(one is not None and one.fingerprint != wanted.fingerprint for one in shown))


def leaf_of(observation: Observation) -> Certificate | None:
    """The certificate of a place or endpoint, None where there is none to be seen."""
    return observation.certificates[observation.leaves[0]] if observation.leaves else None


def unfit(renewal: Renewal, kept: Observation) -> str:
    """Why what was issued must not be installed, empty where it may."""
    leaf = leaf_of(kept)
    if kept.problem or leaf is None:
        return f"it cannot be read: {kept.problem.message if kept.problem else 'it holds no certificate'}"
    if kept.key_problem or not kept.key_matches:
        return "its key does not belong to it" if not kept.key_problem else f"its key cannot be read: {kept.key_problem.message}"
    if kept.uncovered:
        return f"it is not valid for {', '.join(kept.uncovered)}"
    fault = next((word for _position, word, _at in kept.chain_faults if word), "")
    return f"its chain is not in order: {fault}" if fault else ""


def _reason(renewal: Renewal, kept: Observation, policy: RenewalPolicy, now: datetime) -> str:
    leaf = leaf_of(kept)
    if leaf is None:
        return "certbot keeps none that can be used"
    if renewal.name in policy.force:
        return "it was asked for (force)"
    if not kept.key_problem and kept.key_matches is False:
        return "its key does not belong to it"
    if kept.uncovered:
        return f"it is not valid for {', '.join(kept.uncovered)}"
    left, life = days_left(leaf, now), (leaf.not_after - leaf.not_before) / timedelta(days=1)
    # Half of its life is the earliest: a policy of 30 days would renew a certificate of six days on every run.
    if left < min(policy.renew_days, life / _PART_OF_LIFE):
        return f"{left:g} days are left, fewer than {min(policy.renew_days, life / _PART_OF_LIFE):g}"
    age = (now - leaf.not_before).total_seconds()  # under a day would be every run
    if policy.rotate_after is not None and age > max(policy.rotate_after, DAY):
        return f"it is {format_duration(age)} old, more than {format_duration(policy.rotate_after)}"
    if any(told.word == "bad" for told in kept.revocation):
        return "it was revoked"
    return ""


def _known(entry: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    unknown = sorted(str(key) for key in set(entry) - set(keys))
    if unknown:
        raise InvalidOption(f"{where}: unknown key {unknown[0]!r}", hint=f"Known are {', '.join(keys)}")


def _list(entry: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = entry.get(key) or []
    if not isinstance(value, list):
        raise InvalidOption(f"{where}.{key} is no list", hint="Write a list, in brackets or with dashes")
    return value


def _command(entry: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    words = _list(entry, key, where)
    if not all(isinstance(word, str) for word in words) or (words and not words[0].strip()):
        raise InvalidOption(f"{where}.{key}: {words!r} is no command", hint="Write program and arguments as a list: [nginx, -s, reload]")
    return tuple(words)
