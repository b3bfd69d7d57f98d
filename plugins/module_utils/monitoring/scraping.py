# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of Prometheus from policy: what is scraped, how often, and who is told. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import InvalidOption
from ..core.quantities import parse_duration

_JOB = {"name", "targets", "interval", "timeout", "path", "scheme", "labels", "ca_cert", "token_file", "params", "honor_labels"}
_TARGET = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]@?#]+):([0-9]{1,5})", re.ASCII)


def configuration(jobs: Sequence[Any], *, interval: str, evaluation: str, alertmanagers: Sequence[str], rule_files: Sequence[str],
                  labels: Mapping[str, str]) -> dict[str, Any]:
    """The whole of prometheus.yml; durations become seconds.

    :raises InvalidOption: for a job that cannot be read, or two of one name
    """
    read = [_job(entry, f"jobs[{index}]") for index, entry in enumerate(jobs)]
    names = [job["job_name"] for job in read]
    for name in names:
        if names.count(name) > 1:
            raise InvalidOption(f"jobs: {name} is there twice", hint="Give each job a name of its own")
    document: dict[str, Any] = {
        "global": {"scrape_interval": _seconds(interval, "scrape_interval"),
                   "evaluation_interval": _seconds(evaluation, "evaluation_interval"),
                   "external_labels": {str(key): str(value) for key, value in labels.items()}},
        "rule_files": list(rule_files), "scrape_configs": read}
    if alertmanagers:
        told = [_target(one, "alertmanagers") for one in alertmanagers]
        document["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": told}]}]}
    return document


def _job(entry: Any, where: str) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        raise InvalidOption(f"{where} is no dictionary", hint="Write {name: api, targets: ['api.example.com:9090']}")
    given = {key: value for key, value in entry.items() if value is not None}
    for key in given:
        if key not in _JOB:
            raise InvalidOption(f"{where}: unknown key {key!r}", hint=f"Known are {', '.join(sorted(_JOB))}")
    name = str(given.get("name") or "").strip()
    if not name or not given.get("targets"):
        raise InvalidOption(f"{where} has no name, or no targets", hint="Write {name: api, targets: ['api.example.com:9090']}")
    scheme = given.get("scheme", "http")
    if scheme not in ("http", "https"):
        raise InvalidOption(f"{where}.scheme: {scheme!r} is unknown", hint="Known are http and https")
    static: dict[str, Any] = {"targets": [_target(one, f"{where}.targets") for one in given["targets"]]}
    if given.get("labels"):
        static["labels"] = {str(key): str(value) for key, value in given["labels"].items()}
    job: dict[str, Any] = {"job_name": name, "scheme": scheme, "metrics_path": str(given.get("path", "/metrics")),
                           "static_configs": [static]}
    for key, word in (("interval", "scrape_interval"), ("timeout", "scrape_timeout")):
        if key in given:
            job[word] = _seconds(given[key], f"{where}.{key}")
    if "ca_cert" in given:
        job["tls_config"] = {"ca_file": str(given["ca_cert"])}
    if "token_file" in given:
        job["authorization"] = {"credentials_file": str(given["token_file"])}
    if "params" in given:
        job["params"] = {str(key): [str(one) for one in (value if isinstance(value, list) else [value])]
                         for key, value in given["params"].items()}
    if "honor_labels" in given:
        job["honor_labels"] = bool(given["honor_labels"])
    return job


def _target(text: Any, where: str) -> str:
    match = _TARGET.fullmatch(str(text))
    if not match or not 0 < int(match[2]) < 65536:
        raise InvalidOption(f"{where}: {text!r} is no address", hint="Write host:port, without http://")
    return str(text)


def _seconds(value: Any, where: str) -> str:
    seconds = parse_duration(value, option=where)
    if seconds < 1:
        raise InvalidOption(f"{where}: {value} is too short", hint="Give at least 1s")
    return f"{math.ceil(seconds)}s"
