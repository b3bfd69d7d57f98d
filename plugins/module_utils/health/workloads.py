# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a workload of Kubernetes is ready, from its objects as the API server has them. Pure.

The conditions are those of ``kubectl rollout status``: the controller has seen the newest generation, as many replicas as
wanted are of the newest revision, and as many are ready.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidOption, Unreachable
from .expectations import Comparison, Complaint, shown

Object = Mapping[str, Any]
KINDS = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)  # RFC 1123, as the API server has it
_TOLD = 5


@dataclass(frozen=True)
class Workload:
    """A Deployment, StatefulSet or DaemonSet by name, or the pods of a label selector where ``kind`` is Pod."""

    namespace: str
    kind: str
    name: str
    selector: str = ""
    restarts: Comparison | None = None
    kubeconfig: str | None = None
    context: str | None = None

    @property
    def words(self) -> str:
        """For results: ``deployment/shop in default``."""
        return f"{f'pods {self.selector}' if self.kind == 'Pod' else f'{self.kind.lower()}/{self.name}'} in {self.namespace}"

    def pods_of(self, found: Object | None) -> str | None:
        """The label selector of the pods that have to be looked at; None where the object itself says enough.

        :raises Unreachable: where the object is not as Kubernetes has it
        """
        with _understood(self):
            return self.selector if found is None else selector_of(found) if self.restarts else None


def read_workload(options: Mapping[str, Any], restarts: Comparison | None, where: str) -> Workload:
    """Read ``workload: deployment/shop`` or ``selector: app=shop``, with ``namespace``.

    :raises InvalidOption: for neither or both, another kind, or a name that Kubernetes does not allow
    """
    named, selector, namespace = options.get("workload"), options.get("selector"), str(options["namespace"])
    if (named is None) == (selector is None):
        raise InvalidOption(f"{where}: one of workload and selector is needed",
                            hint="Write workload: deployment/shop, or selector: app=shop")
    if not _NAME.fullmatch(namespace):
        raise InvalidOption(f"{where}.namespace: {shown(namespace)!r} is no name of a namespace", hint="See kubectl get namespaces")
    known = {"namespace": namespace, "restarts": restarts, "kubeconfig": options.get("kubeconfig"), "context": options.get("context")}
    if selector is not None:
        if not str(selector).strip() or not str(selector).isprintable():
            raise InvalidOption(f"{where}.selector: {shown(str(selector))!r} selects nothing", hint="Write app=shop")
        return Workload(kind="Pod", name="", selector=str(selector).strip(), **known)
    kind, _slash, name = str(named).partition("/")
    if kind.lower() not in KINDS or not _NAME.fullmatch(name):
        raise InvalidOption(f"{where}.workload: {shown(str(named))!r} is no workload",
                            hint=f"Write one of {', '.join(KINDS)} and its name: deployment/shop")
    return Workload(kind=KINDS[kind.lower()], name=name, **known)


def selector_of(workload: Object) -> str:
    """The pods of a workload as a label selector in the API's words."""
    selector = workload.get("spec", {}).get("selector") or {}
    parts = [f"{label}={value}" for label, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or ():
        key, word, values = one["key"], one["operator"], ",".join(one.get("values") or ())
        parts.append({"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}.get(word, f"!{key}"))
    return ",".join(parts)


def complaints_of_workload(asked: Workload, found: Object | None, pods: Sequence[Object]) -> list[Complaint]:
    """What keeps it from being ready; ``found`` is the object, None where pods were asked for.

    :raises Unreachable: where an object is not as Kubernetes has it
    """
    with _understood(asked):
        complaints = _of_pods(asked, pods) if found is None else _of_replicas(found, _COUNTED[asked.kind](found))
        if asked.restarts:
            complaints += _of_restarts(asked.restarts, pods)
        return complaints


@contextmanager
def _understood(asked: Workload) -> Iterator[None]:
    """What answers may be no API server: shapes are not looked at one by one."""
    try:
        yield
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise Unreachable(f"what is said of {asked.words} is not as Kubernetes has it: {type(error).__name__}: {shown(str(error))}",
                          hint="See what answers at the address in the kubeconfig") from error


@dataclass(frozen=True)
class _Counts:
    wanted: int
    updated: int
    updated_wanted: int
    ready: int
    available: int


def _deployment(found: Object) -> _Counts:
    wanted, status = _wanted(found), found.get("status") or {}
    return _Counts(wanted, status.get("updatedReplicas") or 0, wanted, status.get("readyReplicas") or 0,
                   status.get("availableReplicas") or 0)


def _stateful_set(found: Object) -> _Counts:
    """Those below ``partition`` keep their old revision, and with OnDelete all do."""
    wanted, status, strategy = _wanted(found), found.get("status") or {}, found["spec"].get("updateStrategy") or {}
    kept = wanted if strategy.get("type") == "OnDelete" else (strategy.get("rollingUpdate") or {}).get("partition") or 0
    ready = status.get("readyReplicas") or 0
    return _Counts(wanted, status.get("updatedReplicas") or 0, max(0, wanted - kept), ready, status.get("availableReplicas", ready) or 0)


def _daemon_set(found: Object) -> _Counts:
    status, strategy = found.get("status") or {}, found["spec"].get("updateStrategy") or {}
    wanted = status.get("desiredNumberScheduled") or 0
    return _Counts(wanted, status.get("updatedNumberScheduled") or 0, 0 if strategy.get("type") == "OnDelete" else wanted,
                   status.get("numberReady") or 0, status.get("numberAvailable") or 0)


_COUNTED: dict[str, Callable[[Object], _Counts]] = {"Deployment": _deployment, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set}


def _wanted(found: Object) -> int:
    replicas = found["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)  # the API's own default


def _of_replicas(found: Object, counts: _Counts) -> list[Complaint]:
    status, generation = found.get("status") or {}, found["metadata"].get("generation") or 0
    seen = status.get("observedGeneration") or 0
    if seen < generation:
        return [Complaint(f"its controller has seen generation {seen} of {generation}", seen, generation,
                          "Wait a moment; if it stays so, see that kube-controller-manager runs")]
    if not counts.wanted:
        return [Complaint("no replica is wanted", 0, 1, "It is scaled to 0, or no node fits: kubectl scale, or take this target out")]
    complaints = [
        Complaint(f"{number} of {wanted} replicas are {what}", number, wanted, hint)
        for number, wanted, what, hint in (
            (counts.ready, counts.wanted, "ready", "kubectl describe its pods: image, readiness probe, room on the nodes"),
            (counts.available, counts.wanted, "available", "They were ready for less than minReadySeconds, or are not"),
            (counts.updated, counts.updated_wanted, "of the newest revision", "A rollout is under way or stuck: kubectl rollout status"))
        if number < wanted]
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("status") == "False":
            reason = shown(str(condition.get("reason")))
            complaints.append(Complaint(f"its rollout does not progress: {reason}", reason, None,
                                        "kubectl rollout undo, or mend what its pods say"))
    return complaints


def _of_pods(asked: Workload, pods: Sequence[Object]) -> list[Complaint]:
    """Pods that ended well or are going are not counted."""
    living = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp") and (pod.get("status") or {}).get("phase") != "Succeeded"]
    if not living:
        return [Complaint(f"no pod has {shown(asked.selector)}", 0, 1, "Compare with kubectl get pods --show-labels")]
    sick = [f"{pod['metadata']['name']} ({_why(pod)})" for pod in living if not _ready(pod)]
    if not sick:
        return []
    listed = ", ".join(shown(one) for one in sick[:_TOLD]) + (" and more" if len(sick) > _TOLD else "")
    return [Complaint(f"{len(living) - len(sick)} of {len(living)} pods are ready; not {listed}", len(living) - len(sick), len(living),
                      "kubectl describe them: image, readiness probe, room on the nodes")]


def _ready(pod: Object) -> bool:
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in (pod.get("status") or {}).get("conditions") or ())


def _why(pod: Object) -> str:
    """What a container waits for, else the phase."""
    for container in _containers(pod):
        reason = ((container.get("state") or {}).get("waiting") or {}).get("reason")
        if reason:
            return str(reason)
    return str((pod.get("status") or {}).get("phase", "unknown phase"))


def _containers(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _of_restarts(restarts: Comparison, pods: Sequence[Object]) -> list[Complaint]:
    counted = [(container.get("restartCount") or 0, f"{pod['metadata']['name']}/{container.get('name')}")
               for pod in pods for container in _containers(pod)]
    bad = sorted((one for one in counted if not restarts.holds(one[0])), reverse=True)
    return [Complaint(f"{shown(name)} was restarted {number} times, expected {restarts.words}", number, restarts.words,
                      "kubectl logs --previous says why it ended") for number, name in bad[:1]]
