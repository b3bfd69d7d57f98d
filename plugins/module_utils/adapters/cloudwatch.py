# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of Amazon CloudWatch through boto3."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..core.errors import AccessDenied, CommandFailed, InvalidOption, LibraryMissing, Unreachable
from ..core.options import OptionGroup
from .amazon import ACCOUNT, client_of

OPTIONS = OptionGroup(
    fragment="cloudwatch",
    options={
        "cloudwatch": {"type": "dict", "options": {
            "region": {"type": "str", "required": True},
            **ACCOUNT,
        }},
    },
)
_DENIED = ("AccessDenied", "AccessDeniedException", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken",
           "UnrecognizedClientException")


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
        self._errors = botocore.exceptions
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
        try:
            for page in self._client.get_paginator("get_metric_data").paginate(
                    MetricDataQueries=[query], StartTime=since, EndTime=until, ScanBy="TimestampAscending"):
                for result in page["MetricDataResults"]:
                    if result.get("StatusCode", "Complete") not in ("Complete", "PartialData"):  # PartialData: more pages come
                        raise CommandFailed(f"CloudWatch could not read {name}: {result['StatusCode']}", hint="Ask again in a minute")
                    found.update(zip(result["Timestamps"], map(float, result["Values"]), strict=True))
        except self._errors.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _DENIED:
                raise AccessDenied(f"CloudWatch refuses these credentials: {code}", hint="They need cloudwatch:GetMetricData") from error
            raise CommandFailed(f"CloudWatch says no: {error}", hint="Check namespace, metric, dimensions and statistic") from error
        except self._errors.BotoCoreError as error:
            raise Unreachable(f"CloudWatch cannot be asked: {error}", hint="Check region, credentials and the network") from error
        return found
