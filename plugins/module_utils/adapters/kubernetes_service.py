# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Service of Kubernetes as a switch of maintenance mode: it points at the pods of a maintenance page instead of the application's.

What was before, and who switched it on, is in annotations of the Service itself, so that any run from anywhere can switch it back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..core.errors import Busy, Damaged, InvalidOption
from .kubernetes_kind import Kind

if TYPE_CHECKING:
    from .kubernetes import Cluster

_SERVICE = Kind("Service", "services", "", "v1", True, frozenset({"get", "patch"}))
# A field manager of its own: what it stops to apply is removed, so it must own nothing else (Kubernetes documentation, Server-Side Apply).
MANAGER = "evenkeel-maintenance"
KEPT, RECORD = "evenkeel.ops/maintenance-kept", "evenkeel.ops/maintenance-record"


class ServiceSwitch:
    """See `maintenance.mode.Switch` and `maintenance.mode.Store`; it is both.

    A state has the ``selector`` and what is ``kept`` of it, each as text. Kept are the selector from before and the page's: where somebody
    changed the selector meanwhile, it is left alone.
    """

    def __init__(self, open_cluster: Callable[[], Cluster], *, name: str, namespace: str, service: str, page: Mapping[str, str]) -> None:
        """:raises InvalidOption: for a page without labels"""
        if not page or not all(isinstance(value, str) for value in page.values()):
            raise InvalidOption("kubernetes.page: these labels select no pods",
                                hint="Give the labels of the page's pods, as {app: maintenance-page}")
        self._open, self._opened = open_cluster, None
        self._name, self._page = name, dict(page)
        self._where = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": service}}

    @property
    def _title(self) -> str:
        return f"Service {self._where['metadata']['namespace']}/{self._where['metadata']['name']}"

    def state(self) -> dict[str, str | None]:
        """:raises NotFound, AccessDenied, TimedOut, Unreachable, CommandFailed: see `kubernetes.Cluster`"""
        service = self._get()
        return {"selector": _text(_selector(service)), "kept": _annotations(service).get(KEPT)}

    def wanted(self, on: bool) -> dict[str, str | None]:
        """On, the page; off, what was before, where nobody has changed it meanwhile.

        :raises Busy: where it shows the page of another switch
        :raises InvalidOption: for a Service without a selector, whose endpoints are made by hand
        """
        state = self.state()
        before, kept = json.loads(state["selector"]), self._kept(state)
        shown = kept is not None and kept["page"] == before
        if not on:
            return {"selector": _text(kept["before"]) if shown else state["selector"], "kept": None}
        if not before:
            raise InvalidOption(f"{self._title} has no selector",
                                hint="Its endpoints are made elsewhere: switch those, or what is in front of it")
        if not shown and before == self._page:
            raise InvalidOption(f"{self._title} selects the page's pods without having been switched",
                                hint="Give it the application's labels")
        return {"selector": _text(self._page),
                "kept": _text({"name": self._name, "before": kept["before"] if shown else before, "page": self._page})}

    def is_on(self, state: Mapping[str, str | None]) -> bool:
        """The page is selected, and we did it."""
        kept = self._kept(state)
        return kept is not None and _text(kept["page"]) == state["selector"]

    def apply(self, state: Mapping[str, str | None]) -> None:
        """One request: selector and annotation change together or not at all.

        :raises Busy: where somebody changed the selector between the look and this
        """
        service, kept = self._get(), self._kept(state)
        now = _annotations(service).get(KEPT)
        if kept is not None and now is None and kept["before"] != _selector(service):
            raise Busy(f"The selector of {self._title} was changed a moment ago", hint="See who deploys; then run this again")
        selector = json.loads(state["selector"])
        selector = _owned(service) if selector == _selector(service) else selector  # what stays as it is stays whose it is
        self._apply(service, selector=selector, kept=state["kept"], record=_annotations(service).get(RECORD))

    def read(self) -> dict[str, Any] | None:
        """:raises Damaged: where the annotation is none of ours"""
        text = _annotations(self._get()).get(RECORD)
        return None if text is None else self._read(text, RECORD)

    def write(self, values: Mapping[str, Any]) -> None:
        """Into the annotation."""
        service = self._get()
        self._apply(service, selector=_owned(service), kept=_annotations(service).get(KEPT), record=_text(dict(values)))

    def remove(self) -> None:
        """Nothing where nothing is written."""
        service = self._get()
        if RECORD in _annotations(service):
            self._apply(service, selector=_owned(service), kept=_annotations(service).get(KEPT), record=None)

    def _get(self) -> dict[str, Any]:
        if self._opened is None:
            self._opened = self._open()
            self._opened.know(_SERVICE)
        return self._opened.get(self._where)

    def _apply(self, service: Mapping[str, Any], *, selector: Mapping[str, str] | None, kept: str | None, record: str | None) -> None:
        """Everything that is ours; the version makes the server refuse it where the Service has changed since it was read."""
        notes = {key: value for key, value in ((KEPT, kept), (RECORD, record)) if value is not None}
        metadata = {**self._where["metadata"], "resourceVersion": service["metadata"]["resourceVersion"], "annotations": notes}
        self._opened.apply({**self._where, "metadata": metadata, **({"spec": {"selector": dict(selector)}} if selector else {})},
                           manager=MANAGER)

    def _kept(self, state: Mapping[str, str | None]) -> dict[str, Any] | None:
        if state["kept"] is None:
            return None
        kept = self._read(state["kept"], KEPT)
        if not isinstance(kept.get("before"), dict) or not kept["before"] or not isinstance(kept.get("page"), dict):
            raise Damaged(f"Annotation {KEPT} of {self._title} does not say what was before",
                          hint="Give the Service the application's selector, and remove the annotation")
        if kept.get("name") != self._name:
            raise Busy(f"{self._title} is switched as {kept.get('name')!r}, not as {self._name!r}", hint="Switch it off by that name")
        return kept

    def _read(self, text: str, annotation: str) -> dict[str, Any]:
        try:
            values = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise Damaged(f"Annotation {annotation} of {self._title} cannot be read", hint="Look at it; remove it if it is none of ours")
        return values


def _selector(service: Mapping[str, Any]) -> dict[str, str]:
    return dict((service.get("spec") or {}).get("selector") or {})


def _annotations(service: Mapping[str, Any]) -> dict[str, str]:
    return dict(service["metadata"].get("annotations") or {})


def _owned(service: Mapping[str, Any]) -> dict[str, str] | None:
    """The selector where it is ours: to apply without it would remove it."""
    ours = any(one.get("manager") == MANAGER and "f:selector" in ((one.get("fieldsV1") or {}).get("f:spec") or {})
               for one in service["metadata"].get("managedFields") or ())
    return _selector(service) if ours else None


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True)
