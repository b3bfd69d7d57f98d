# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of Alertmanager from policy: who is told of which severity, and of what escalates. Pure.

Receivers are written in Alertmanager's own words. A secret in them is refused: the file can be read by whoever reads the
configuration, and Alertmanager reads secrets from files of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core.errors import InvalidOption
from ..core.quantities import parse_duration
from .queries import quoted
from .rules import Escalation

_ROUTE = {"severity", "receiver", "escalate_after", "escalate_to", "repeat", "silent"}
_GROUPING = {"by", "wait", "interval", "repeat"}
# Keys of Alertmanager that hold a secret; each has a twin that ends with _file.
_SECRETS = {"api_url": "api_url_file", "api_key": "api_key_file", "routing_key": "routing_key_file", "service_key": "service_key_file",
            "password": "password_file", "auth_password": "auth_password_file", "smtp_auth_password": "smtp_auth_password_file",
            "slack_api_url": "slack_api_url_file", "opsgenie_api_key": "opsgenie_api_key_file",
            "victorops_api_key": "victorops_api_key_file", "smtp_auth_secret": "smtp_auth_password_file", "credentials": "credentials_file",
            "bot_token": "bot_token_file", "bearer_token": "credentials_file", "client_secret": "client_secret_file",
            "secret_key": "an instance role", "user_key": "user_key_file", "token": "token_file", "auth_secret": "auth_password_file"}


def configuration(receivers: Sequence[Any], routes: Sequence[Any], *, default: str, grouping: Mapping[str, Any],
                  settings: Mapping[str, Any]) -> dict[str, Any]:
    """The whole of alertmanager.yml; ``settings`` is its ``global`` part.

    :raises InvalidOption: for an unknown key, a receiver that does not exist, or a secret written down
    """
    named = [_receiver(entry, f"receivers[{index}]") for index, entry in enumerate(receivers)]
    names = [one["name"] for one in named]
    for name in names:
        if names.count(name) > 1:
            raise InvalidOption(f"receivers: {name} is there twice", hint="Give each a name of its own")
    _refuse_secrets(settings, "global")
    for key in grouping:
        if key not in _GROUPING:
            raise InvalidOption(f"grouping: unknown key {key!r}", hint=f"Known are {', '.join(sorted(_GROUPING))}")
    _known(default, names, "default_receiver")
    tree: dict[str, Any] = {"receiver": default, "group_by": [str(one) for one in grouping.get("by") or ["alertname"]]}
    for key, word in (("wait", "group_wait"), ("interval", "group_interval"), ("repeat", "repeat_interval")):
        if grouping.get(key) is not None:
            tree[word] = _seconds(grouping[key], f"grouping.{key}")
    tree["routes"] = [branch for index, entry in enumerate(routes) for branch in _branches(entry, names, f"routes[{index}]")]
    return {**({"global": dict(settings)} if settings else {}), "route": tree, "receivers": named}


def escalations(routes: Sequence[Any]) -> list[Escalation]:
    """What has to be told to whom after how long.

    :raises InvalidOption: for a route that cannot be read
    """
    found = []
    for index, entry in enumerate(routes):
        where = f"routes[{index}]"
        _read(entry, where)
        if entry.get("escalate_after") is not None:
            found.append(Escalation(str(entry["severity"]), parse_duration(entry["escalate_after"], option=f"{where}.escalate_after"),
                                    str(entry["escalate_to"])))
    return found


def destinations(routes: Sequence[Any]) -> list[tuple[dict[str, str], str]]:
    """Labels of an alert, and the receiver that is to get it: each severity, and each escalation of it, but for silent ones."""
    found = []
    for index, entry in enumerate(routes):
        _read(entry, f"routes[{index}]")
        if entry.get("silent"):
            continue
        found.append(({"severity": str(entry["severity"])}, str(entry["receiver"])))
        if entry.get("escalate_to") is not None:
            found.append(({"severity": str(entry["severity"]), "escalation": str(entry["escalate_to"])}, str(entry["escalate_to"])))
    return found


def _branches(entry: Any, names: Sequence[str], where: str) -> Iterator[dict[str, Any]]:
    _read(entry, where)
    repeat = {"repeat_interval": _seconds(entry["repeat"], f"{where}.repeat")} if entry.get("repeat") is not None else {}
    severity = f"severity={quoted(entry['severity'])}"
    if entry.get("escalate_to") is not None:
        _known(entry["escalate_to"], names, f"{where}.escalate_to")
        yield {"receiver": str(entry["escalate_to"]), "matchers": [severity, f"escalation={quoted(entry['escalate_to'])}"], **repeat}
    _known(entry["receiver"], names, f"{where}.receiver")
    yield {"receiver": str(entry["receiver"]), "matchers": [severity], **repeat}


def _read(entry: Any, where: str) -> None:
    if not isinstance(entry, Mapping) or not entry.get("severity") or not entry.get("receiver"):
        raise InvalidOption(f"{where} is no route", hint="Write {severity: critical, receiver: on-call}")
    for key in entry:
        if key not in _ROUTE:
            raise InvalidOption(f"{where}: unknown key {key!r}", hint=f"Known are {', '.join(sorted(_ROUTE))}")
    if (entry.get("escalate_after") is None) != (entry.get("escalate_to") is None):
        raise InvalidOption(f"{where}: escalate_after and escalate_to belong together", hint="Give both, or none")


def _receiver(entry: Any, where: str) -> dict[str, Any]:
    if not isinstance(entry, Mapping) or not str(entry.get("name") or "").strip():
        raise InvalidOption(f"{where} has no name", hint="Write {name: on-call, webhook_configs: [{url: …}]}")
    for key in entry:
        if key != "name" and not str(key).endswith("_configs"):
            raise InvalidOption(f"{where}: unknown key {key!r}", hint="A receiver has name and, in Alertmanager's words, webhook_configs, "
                                "slack_configs, email_configs, pagerduty_configs, …")
    _refuse_secrets(entry, where)
    return dict(entry)


def _refuse_secrets(value: Any, where: str) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in _SECRETS and inner:
                raise InvalidOption(f"{where}.{key} is a secret, and this file is none",
                                    hint=f"Put it into a file of its own and give {_SECRETS[key]}")
            _refuse_secrets(inner, f"{where}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        for index, inner in enumerate(value):
            _refuse_secrets(inner, f"{where}[{index}]")


def _known(name: Any, names: Sequence[str], where: str) -> None:
    if str(name) not in names:
        raise InvalidOption(f"{where}: there is no receiver {name!r}", hint=f"There are {', '.join(names) or 'none'}")


def _seconds(value: Any, where: str) -> str:
    return f"{math.ceil(parse_duration(value, option=where))}s"
