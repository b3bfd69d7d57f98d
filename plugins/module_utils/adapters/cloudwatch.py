# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of Amazon CloudWatch through boto3."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..core.errors import CommandFailed, InvalidOption, LibraryMissing
from ..core.options import OptionGroup
from .amazon import ACCOUNT, client_of, translated

OPTIONS = OptionGroup(
    fragment="cloudwatch",
    options={
        "cloudwatch": {"type": "dict", "options": {
            "region": {"type": "str", "required": True},
            **ACCOUNT,
        }},
    },
)
_UNREADABLE = (CommandFailed, "CloudWatch cannot read this metric", "Check namespace, metric, dimensions and statistic")
_KNOWN = dict.fromkeys(("ValidationError", "InvalidParameterValue", "InvalidParameterCombination", "MissingParameter"), _UNREADABLE)


class CloudWatch:
    """Reads statistics of metrics."""

    def __init__(self, options: Mapping[str, Any] | None) -> None:
        """:raises InvalidOption: where no region is given
        :raises LibraryMissing: without boto3
        """
        if not options:
            raise InvalidOption("cloudwatch says no region", hint="Give cloudwatch: {region: eu-central-1}")
        try:
            import botocore.exceptions
        except ImportError as error:
            raise LibraryMissing("boto3") from error
        try:
            self._client = client_of("cloudwatch", options, region=options["region"])
        except (botocore.exceptions.BotoCoreError, ValueError) as error:
            raise InvalidOption(f"CloudWatch cannot be asked: {error}", hint="Check region, profile and endpoint_url") from error

    def values(self, metric: Mapping[str, Any], name: str, statistic: str, since: datetime, until: datetime) -> dict[datetime, float]:
        """The values of a metric by the instant at which each of its periods (``every`` seconds) begins.

        :raises AccessDenied: for credentials that may not
        :raises CommandFailed: where CloudWatch says no, or says that a part is missing
        :raises Unreachable: where nothing answers
        """
        query = {"Id": "m", "MetricStat": {
            "Metric": {"Namespace": metric["namespace"], "MetricName": name,
                       "Dimensions": [{"Name": str(key), "Value": str(value)} for key, value in (metric.get("dimensions") or {}).items()]},
            "Period": int(metric["every"]), "Stat": statistic}}
        found: dict[datetime, float] = {}
        with translated("CloudWatch", "cloudwatch", rights="cloudwatch:GetMetricData", known=_KNOWN):
            for page in self._client.get_paginator("get_metric_data").paginate(
                    MetricDataQueries=[query], StartTime=since, EndTime=until, ScanBy="TimestampAscending"):
                for result in page["MetricDataResults"]:
                    if result.get("StatusCode", "Complete") not in ("Complete", "PartialData"):  # PartialData: more pages come
                        raise CommandFailed(f"CloudWatch could not read {name}: {result['StatusCode']}", hint="Ask again in a minute")
                    found.update(zip(result["Timestamps"], map(float, result["Values"]), strict=True))
        return found
