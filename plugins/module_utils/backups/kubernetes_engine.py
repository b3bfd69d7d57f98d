# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine ``kubernetes``: the objects of a namespace, as they would be applied again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..core.clock import Clock
from ..core.errors import Damaged, InvalidOption, NotFound, Refused
from ..core.finding import Finding, Status
from .engine import Product, Source
from .objects import CRD, Object, clean, in_order, left_out, read, written
from .payload import Codecs, load, store
from .repository import Backup
from .streams import Collected, Produced

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)  # RFC 1123, as Kubernetes wants it
_NEEDED = {"list", "create"}  # what cannot be made cannot be restored


class Api(Protocol):
    """`adapters.kubernetes.Cluster`."""

    host: str

    def version(self) -> str:
        """Of the server."""

    def kinds(self) -> list[Any]:
        """What it has."""

    def list(self, kind: Any, namespace: str | None, *, labels: str = "") -> Iterator[Object]:
        """Objects of a kind."""

    def get(self, one: Mapping[str, Any]) -> Object:
        """One object."""

    def apply(self, one: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        """Apply one object."""

    def delete(self, one: Mapping[str, Any]) -> None:
        """Delete one object."""


@dataclass(frozen=True)
class ExportPolicy:
    """What is exported; ``remembered`` finds the cluster again (paths, no secrets)."""

    namespace: str
    include_secrets: bool = False
    exclude_kinds: tuple[str, ...] = ()
    compress: bool = True
    remembered: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not _NAMESPACE.fullmatch(self.namespace or ""):
            raise InvalidOption(f"kubernetes.namespace: {self.namespace!r} cannot name a namespace",
                                hint="Use up to 63 small letters, digits and dashes")


class KubernetesEngine:
    """See `engine.Engine`."""

    name = "kubernetes"

    def __init__(self, api: Api, policy: ExportPolicy, clock: Clock) -> None:
        self._api, self._policy, self._clock = api, policy, clock

    def inspect(self) -> Source:
        """The namespace must be there.

        :raises NotFound: where it is not
        """
        self._namespace()
        return Source(self._description(), 0)

    def produce(self, data: Path, staging: Path, codecs: Codecs, *, encrypt: bool) -> Product:
        """Nothing is staged: a secret is never on the disk in clear."""
        if self._policy.include_secrets and not encrypt:
            raise Refused("Secrets are exported only into an encrypted backup", hint="Give recipients, or leave secrets out")
        data_at, began = self._clock.now(), self._clock.monotonic()
        objects = in_order(self._objects())
        stored = store(Produced(written(objects)), data, "objects.yaml", codecs, compress=self._policy.compress, encrypt=encrypt)
        kinds = Counter(one["kind"] for one in objects)
        own = sum(count for kind, count in kinds.items() if kind not in ("Namespace", CRD))
        findings = () if own else (Finding(
            "backup.complete", self._policy.namespace, Status.WARN, "the namespace has no objects", 0, unit="objects",
            hint="See whether it is the right one, and whether this account may list what is in it"),)
        return Product(
            files=(stored,), data_at=data_at, source_bytes=stored.plain_bytes,
            source={**self._description(), "objects": len(objects), "kinds": dict(sorted(kinds.items())),
                    "secrets": self._policy.include_secrets, "remembered": dict(self._policy.remembered or {})},
            compression="zstd" if self._policy.compress else "none", tools={"kubernetes": self._api.version()},
            fingerprint={"format": 1, "mode": "full", "objects": len(objects)},
            timings={"export": round(self._clock.monotonic() - began, 3)}, findings=findings)

    def _objects(self) -> list[Object]:
        policy = self._policy
        excluded = {*policy.exclude_kinds, *(() if policy.include_secrets else ("Secret",))}
        wanted = [kind for kind in self._api.kinds()
                  if kind.namespaced and kind.verbs >= _NEEDED and kind.name not in excluded]
        found = [one for kind in wanted for one in self._api.list(kind, policy.namespace)]
        services = {one["metadata"]["name"] for one in found if one["kind"] == "Service" and (one.get("spec") or {}).get("selector")}
        kept = [clean(one) for one in found if not left_out(one, services)]
        custom = {(kind.group, kind.plural) for kind in wanted for one in kept
                  if (kind.api_version, kind.name) == (one["apiVersion"], one["kind"])}
        return [clean(self._namespace()), *self._definitions(custom), *kept]

    def _definitions(self, plurals: Iterable[tuple[str, str]]) -> list[Object]:
        """The definitions of the kinds that have one: kinds of Kubernetes itself have none, nor have those of another API server."""
        found = []
        for group, plural in sorted(plurals):
            if "." in group:
                with suppress(NotFound):
                    found.append(clean(self._api.get({"apiVersion": "apiextensions.k8s.io/v1", "kind": CRD,
                                                      "metadata": {"name": f"{plural}.{group}"}})))
        return found

    def _namespace(self) -> Object:
        return self._api.get({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._policy.namespace}})

    def _description(self) -> dict[str, Any]:
        return {"host": self._api.host, "namespace": self._policy.namespace}


class KubernetesReader:
    """See `engine.Reader`."""

    def read_in_full(self, backup: Backup, codecs: Codecs, scratch: Path) -> None:
        """Every document parses and has kind and name; as many of each kind as were exported."""
        kinds = Counter(one["kind"] for one in objects_of(backup, codecs))
        if dict(sorted(kinds.items())) != backup.manifest.source.get("kinds"):
            raise Damaged("The objects are not those that were exported", hint="Restore from another backup")


def objects_of(backup: Backup, codecs: Codecs) -> list[Object]:
    """All objects of a backup, in the order of applying.

    :raises Damaged, AccessDenied, StorageFailed: as `payload.load` and `objects.read`
    """
    if len(backup.manifest.files) != 1:
        raise Damaged(f"Backup {backup.id} has {len(backup.manifest.files)} files where an export has one", hint="Use another backup")
    collected = Collected()
    load(backup, backup.manifest.files[0], collected, codecs)
    return read(bytes(collected.content))
