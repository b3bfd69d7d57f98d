# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elasticsearch and OpenSearch: the documents that a query string finds in a time, page by page, all of one moment."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple
from urllib.parse import quote

from ..core.clock import format_instant
from ..core.errors import CommandFailed, InvalidOption, NotFound, OpsError, Unreachable
from ..core.options import OptionGroup
from ..core.quantities import parse_duration
from .rest import Rest, RestTarget

OPTIONS = OptionGroup(
    fragment="elasticsearch",
    options={
        "elasticsearch": {"type": "dict", "options": {
            "url": {"type": "str", "required": True},
            "index": {"type": "str", "required": True},
            "query": {"type": "str", "default": "*"},
            "time_field": {"type": "str", "default": "@timestamp"},
            "delay": {"type": "str", "default": "1m"},
            "late": {"type": "str", "default": "1h"},
            "user": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "api_key": {"type": "str", "no_log": True},
            "ca_cert": {"type": "path"},
            "timeout": {"type": "str", "default": "30s"},
        }},
    },
)
_PAGE = 1000
_ID = 8
_KEPT_OPEN = "2m"  # how long the server keeps its answer between two pages


class Hit(NamedTuple):
    """A document: ``id`` are 8 bytes that tell it from any other, ``at`` its instant in milliseconds since 1970, None where the server
    does not say.
    """

    id: bytes
    at: int | None
    fields: Mapping[str, Any]


class Elasticsearch:
    """One index, or a pattern of them."""

    def __init__(self, rest: Rest, index: str, time_field: str) -> None:
        self._rest, self._index, self._time = rest, quote(index, safe="*,-_."), time_field

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Elasticsearch:
        """:raises InvalidOption: for half of a pair of credentials, an index that is none, an address that is none"""
        if bool(options.get("user")) != bool(options.get("password")) or (options.get("user") and options.get("api_key")):
            raise InvalidOption("elasticsearch: user and password belong together, and api_key stands alone", hint="Give one way to log in")
        if not options["index"].strip() or options["index"].startswith(("-", "_")):
            raise InvalidOption(f"elasticsearch.index: {options['index']!r} is no index", hint="Write it as logs-* or app-2026.01.15")
        said = f"ApiKey {options['api_key']}" if options.get("api_key") else ""
        if options.get("user"):
            said = "Basic " + base64.b64encode(f"{options['user']}:{options['password']}".encode()).decode()
        target = RestTarget(str(options["url"]).rstrip("/"), headers={"Authorization": said} if said else {},
                            ca_cert=options.get("ca_cert"), timeout=parse_duration(options["timeout"], option="elasticsearch.timeout"))
        return cls(Rest(target, what="Elasticsearch"), options["index"], options["time_field"])

    def count(self, query: str, since: float | None, until: float) -> int:
        """How many documents a query finds.

        :raises NotFound: where no index matches
        :raises OpsError: where the answer is of a part only
        """
        answer = self._whole(self._rest.ask("POST", f"/{self._index}/_search", body={
            "size": 0, "track_total_hits": True, "query": self._query(query, since, until)}))
        return int(answer["hits"]["total"]["value"])

    def documents(self, query: str, since: float | None, until: float) -> Iterator[Hit]:
        """What a query finds from ``since`` until just before ``until``, in no order.

        :raises OpsError: as `count`
        """
        scroll = ""
        try:
            answer = self._whole(self._rest.ask("POST", f"/{self._index}/_search", query={"scroll": _KEPT_OPEN}, body={
                "size": _PAGE, "sort": ["_doc"], "query": self._query(query, since, until),
                "docvalue_fields": [{"field": self._time, "format": "epoch_millis"}]}))
            while answer["hits"]["hits"]:
                scroll = answer.get("_scroll_id") or scroll
                for hit in answer["hits"]["hits"]:
                    yield self._hit(hit)
                answer = self._whole(self._rest.ask("POST", "/_search/scroll", body={"scroll": _KEPT_OPEN, "scroll_id": scroll}))
            scroll = answer.get("_scroll_id") or scroll
        finally:
            if scroll:
                with contextlib.suppress(OpsError):  # the server lets go of it by itself
                    self._rest.ask("DELETE", "/_search/scroll", body={"scroll_id": [scroll]})

    def delete(self, query: str) -> None:
        """The first documents that a query finds, one by one: deleting by query is a module that not every server has."""
        answer = self._whole(self._rest.ask("POST", f"/{self._index}/_search", body={
            "_source": False, "size": _PAGE, "query": {"query_string": {"query": query}}}))
        for hit in answer["hits"]["hits"]:
            self._rest.ask("DELETE", f"/{quote(str(hit['_index']), safe='')}/_doc/{quote(str(hit['_id']), safe='')}")

    def _hit(self, hit: Mapping[str, Any]) -> Hit:
        said = (hit.get("fields") or {}).get(self._time) or [None]
        at = None if said[-1] is None else int(float(said[-1]))  # of several the latest; of date_nanos with a fraction
        return Hit(hashlib.sha256(f"{hit.get('_index')}\0{hit.get('_id')}".encode()).digest()[:_ID], at, hit.get("_source") or {})

    def _query(self, query: str, since: float | None, until: float) -> dict[str, Any]:
        span = {"lt": _instant(until), "format": "strict_date_time", **({"gte": _instant(since)} if since is not None else {})}
        return {"bool": {"must": [{"query_string": {"query": query}}], "filter": [{"range": {self._time: span}}]}}

    def _whole(self, answer: Any) -> Mapping[str, Any]:
        try:
            shards, hits = answer["_shards"], answer["hits"]
            failed, total, late = int(shards["failed"]), int(shards["total"]), bool(answer.get("timed_out"))
            hits["hits"]
        except (TypeError, KeyError, ValueError) as error:
            raise Unreachable(f"{self._rest.target.url} answers, but not as Elasticsearch does",
                              hint="Check the port and path of the URL") from error
        if failed or late:
            raise CommandFailed(f"the answer is partial: {failed} of {total} shards failed{', and time ran out' if late else ''}",
                                hint="See the health of the cluster: GET _cluster/health", evidence={"shards": dict(shards)})
        if not total:
            raise NotFound(f"no index matches {self._index}", hint="GET _cat/indices says which there are; see what ships the logs")
        return answer


def _instant(at: float) -> str:
    return format_instant(datetime.fromtimestamp(at, timezone.utc))
