# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server of Kubernetes: what kinds it has, its objects as plain values, server-side apply. Imports its client late."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..core.errors import AccessDenied, CommandFailed, InvalidOption, LibraryMissing, NotFound, OpsError, TimedOut, Unreachable
from ..core.quantities import parse_duration
from .guarded_pools import guard
from .kubernetes_kind import Kind

_MANAGER = "evenkeel"
_PAGE = 500


class Cluster:
    """One server, by a kubeconfig file.

    :raises LibraryMissing: without the Python library kubernetes
    :raises InvalidOption: for a kubeconfig that cannot be read, or a context that it does not have
    """

    def __init__(self, kubeconfig: str, context: str | None, *, timeout: float) -> None:
        try:
            from kubernetes import client, config, dynamic
        except ImportError as error:
            raise LibraryMissing("kubernetes") from error
        self._timeout = timeout
        settings = client.Configuration()
        settings.retries = False
        try:
            config.load_kube_config(kubeconfig, context=context or None, client_configuration=settings, persist_config=False)
        except (config.ConfigException, OSError, ValueError) as error:
            raise InvalidOption(f"kubernetes.kubeconfig: {kubeconfig} cannot be used: {error}",
                                hint="Name a kubeconfig that this account may read, and one of its contexts") from error
        self.host = str(settings.host)
        api = client.ApiClient(settings)
        guard(api.rest_client.pool_manager)
        self._client = dynamic.DynamicClient(api, discoverer=lambda *_arguments: None)
        self._kinds: dict[tuple[str, str], Kind] = {}

    def version(self) -> str:
        """Such as ``v1.34.4``."""
        return str(self._ask("GET", "/version")["gitVersion"])

    def kinds(self) -> list[Kind]:
        """Every kind in the preferred version of its group; subresources are none.

        :raises CommandFailed: where a group does not answer, since its objects would be missed
        """
        versions = [("", "v1")]
        for group in self._ask("GET", "/apis")["groups"]:
            versions.append((group["name"], group["preferredVersion"]["version"]))
        found = []
        for group, version in versions:
            root = f"/apis/{group}/{version}" if group else f"/api/{version}"
            for entry in self._ask("GET", root)["resources"]:
                if "/" not in entry["name"]:
                    found.append(Kind(entry["kind"], entry["name"], group, version, entry["namespaced"], frozenset(entry["verbs"])))
        self._kinds = {(kind.api_version, kind.name): kind for kind in found}
        return found

    def kind_of(self, one: Mapping[str, Any]) -> Kind:
        """The kind of an object.

        :raises NotFound: where the server does not have it, even when asked anew
        """
        key = (one["apiVersion"], one["kind"])
        if key not in self._kinds:
            self.kinds()
        if key not in self._kinds:
            raise NotFound(f"{self.host} has no kind {one['kind']} of {one['apiVersion']}",
                           hint="Install what defines it (its CustomResourceDefinition), or use a server of the source's version")
        return self._kinds[key]

    def know(self, *kinds: Kind) -> None:
        """Spare the discovery for kinds that every server has under the same path."""
        self._kinds.update({(kind.api_version, kind.name): kind for kind in kinds})

    def list(self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = "") -> Iterator[dict[str, Any]]:
        """All objects of a kind, page by page; each says its kind, which lists leave out."""
        token = ""
        while True:
            query = [("limit", _PAGE), *([("continue", token)] if token else []), *([("labelSelector", labels)] if labels else []),
                     *([("fieldSelector", fields)] if fields else [])]
            page = self._ask("GET", kind.path(namespace), query)
            items, metadata = page.get("items"), page.get("metadata")
            if not isinstance(items, list) or not isinstance(metadata, dict) or not all(isinstance(one, dict) for one in items):
                raise self._odd(f"GET {kind.path(namespace)}", "what is no list of objects")
            for one in items:
                yield {"apiVersion": kind.api_version, "kind": kind.name, **one}
            token = metadata.get("continue") or ""
            if not token:
                return

    def get(self, one: Mapping[str, Any]) -> dict[str, Any]:
        """An object as it is there.

        :raises NotFound: where it is not
        """
        return self._ask("GET", self._path(one))

    def apply(self, one: Mapping[str, Any], *, dry_run: bool = False, manager: str = _MANAGER) -> dict[str, Any]:
        """Server-side apply; the object as it is then, or would be."""
        query = [("fieldManager", manager), ("force", "true"), *([("dryRun", "All")] if dry_run else [])]
        return self._ask("PATCH", self._path(one), query, body=dict(one), content_type="application/apply-patch+yaml")

    def delete(self, one: Mapping[str, Any]) -> None:
        """Delete an object, what it owns with it; one that is gone is no error."""
        try:
            self._ask("DELETE", self._path(one), [("propagationPolicy", "Background"), ("gracePeriodSeconds", 0)])
        except NotFound:
            return

    def _path(self, one: Mapping[str, Any]) -> str:
        return self.kind_of(one).path(one["metadata"].get("namespace"), one["metadata"]["name"])

    @contextmanager
    def opened(self, path: str, query: Sequence[tuple[str, Any]] = ()) -> Iterator[Any]:
        """What a path answers, to be read while it comes: the response of urllib3, each of whose reads may take ``timeout``.

        :raises NotFound, AccessDenied, CommandFailed, TimedOut, Unreachable: also while it is read
        """
        with self._told("GET", path):
            answer = self._client.request("GET", path, serialize=False, query_params=list(query), header_params={"Accept": "*/*"},
                                          _request_timeout=self._timeout)
            try:
                yield answer
            finally:
                answer.close()

    def _ask(self, method: str, path: str, query: Sequence[tuple[str, Any]] = (), *, body: Any = None,
             content_type: str = "application/json") -> dict[str, Any]:
        with self._told(method, path):
            answer = self._client.request(method, path, body=body, serialize=False, query_params=list(query), content_type=content_type,
                                          header_params={"Accept": "application/json"}, _request_timeout=self._timeout)
            try:
                told = json.loads(answer.data)
            except (ValueError, RecursionError) as error:
                raise self._odd(f"{method} {path}", "no JSON") from error
            if not isinstance(told, dict):
                raise self._odd(f"{method} {path}", "what is no object")
            return told

    def _odd(self, asked: str, what: str) -> CommandFailed:
        return CommandFailed(f"{self.host} answered {asked} with {what}", hint="See what answers at that address")

    @contextmanager
    def _told(self, method: str, path: str) -> Iterator[None]:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ApiException as error:
            raise _refusal(error, method, path, self.host) from error
        except HTTPError as error:
            if "timed out" in str(error).lower():
                raise TimedOut(f"{self.host} did not answer {method} {path} in time", hint="See how busy it is, or allow more with "
                               "kubernetes.request_timeout") from error
            raise Unreachable(f"{self.host} cannot be reached: {error}", hint="See the address in the kubeconfig, its certificate "
                              "authority, and the network between") from error


def open_cluster(options: Mapping[str, Any], remembered: Mapping[str, Any] | None = None, *, scratch: bool = False) -> Cluster:
    """The cluster that ``options`` name, else the one that a backup ``remembered``; with ``scratch`` the one to drill in, where
    there is one of its own.

    :raises InvalidOption: where nothing names a kubeconfig
    """
    told = {**(remembered or {}), **{key: value for key, value in options.items() if value not in (None, "")}}
    if scratch and told.get("scratch_kubeconfig"):
        told |= {"kubeconfig": told["scratch_kubeconfig"], "context": told.get("scratch_context")}
    if not told.get("kubeconfig"):
        raise InvalidOption("kubernetes: there is no kubeconfig", hint="Name the file in kubernetes.kubeconfig")
    return Cluster(told["kubeconfig"], told.get("context"),
                   timeout=parse_duration(told.get("request_timeout", "30s"), option="kubernetes.request_timeout"))


def _refusal(error: Any, method: str, path: str, host: str) -> OpsError:
    try:
        said = str(json.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        said = str(error.reason)
    evidence = {"status": error.status, "method": method, "path": path, "message": said[:2000]}
    if error.status == 404:
        return NotFound(f"{host} has no {path}: {said}", hint="See namespace and name", evidence=evidence)
    if error.status in (401, 403):
        return AccessDenied(f"{host} refuses {method} {path}: {said}", hint="Give this account the right to it, or leave the kind out with "
                            "kubernetes.exclude_kinds", evidence=evidence)
    return CommandFailed(f"{host} answered {method} {path} with {error.status}: {said}", hint="The evidence has what it said",
                         evidence=evidence)
