# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads and pods of Kubernetes for probes: in a thread, since its client blocks."""

from __future__ import annotations

from typing import Any

from .blocking import in_thread
from .kubernetes import Kind, open_cluster
from .sockets import Stage

_VERBS = frozenset({"get", "list"})
_PODS = Kind("Pod", "pods", "", "v1", True, _VERBS)
_KINDS = {name: Kind(name, f"{name.lower()}s", "apps", "v1", True, _VERBS) for name in ("Deployment", "StatefulSet", "DaemonSet")}


async def read(kubeconfig: str | None, context: str | None, namespace: str, kind: str, name: str, *, pods_of: Any, timeout: float,
               stage: Stage) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The object, None for kind Pod, and the pods that the label selector ``pods_of(object)`` means; none where that is None.

    :raises LibraryMissing, InvalidOption, AccessDenied, NotFound, TimedOut, Unreachable: see `kubernetes.Cluster`
    """
    def work() -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        cluster = open_cluster({"kubeconfig": kubeconfig, "context": context, "request_timeout": f"{max(1, int(timeout))}s"})
        cluster.know(_PODS, *_KINDS.values())
        found = None if kind == "Pod" else cluster.get(
            {"apiVersion": "apps/v1", "kind": kind, "metadata": {"namespace": namespace, "name": name}})
        labels = pods_of(found)
        return found, [] if labels is None else list(cluster.list(_PODS, namespace, labels=labels))

    stage("the API server of Kubernetes")
    return await in_thread(work)
