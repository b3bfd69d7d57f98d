# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of Kubernetes as plain values: which belong to a copy, without what the cluster wrote into them; in which order they are
applied; whether two are the same. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from ..core.errors import Damaged

Object = dict[str, Any]
CRD = "CustomResourceDefinition"
# Written by the API server or by a controller, and different in every cluster (Kubernetes API conventions, "Metadata").
_METADATA = ("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
             "managedFields", "selfLink", "ownerReferences")
_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision",
                "deprecated.daemonset.template.generation", "control-plane.alpha.kubernetes.io/leader",
                "endpoints.kubernetes.io/last-change-trigger-time", "volume.kubernetes.io/selected-node",
                "volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner",
                "pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller", "batch.kubernetes.io/job-tracking")
_JOB_LABELS = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")
# Traces of what happened, and who holds what this minute: nothing that one restores.
_PASSING = {"Event", "Lease", "ControllerRevision"}
# In the order of applying; what is not named is a custom resource, which comes when its services are there.
_ORDER = [
    ["Namespace"], [CRD],
    ["ResourceQuota", "LimitRange", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "Secret", "ConfigMap",
     "PersistentVolumeClaim", "PodTemplate"],
    ["Service", "Endpoints", "EndpointSlice"],
    [],
    ["Pod", "ReplicationController", "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"],
    ["PodDisruptionBudget", "HorizontalPodAutoscaler", "Ingress"],
]
_RANKS = {kind: (rank, place) for rank, kinds in enumerate(_ORDER) for place, kind in enumerate(kinds)}
_CUSTOM = (4, 0)
# Applied to a scratch namespace these change nothing outside of it. All others start work, take addresses or volumes, or are
# acted upon by an operator.
INERT = {"ConfigMap", "Secret", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "LimitRange", "PodTemplate",
         "PodDisruptionBudget"}


def name_of(one: Mapping[str, Any]) -> str:
    """``Deployment web``, for people."""
    return f"{one.get('kind')} {one.get('metadata', {}).get('name')}"


def left_out(one: Mapping[str, Any], services: Iterable[str] = ()) -> str:
    """Why an object does not belong to a copy; empty where it does. ``services`` are the names of those with a selector."""
    kind, metadata = one.get("kind"), one.get("metadata") or {}
    if kind in _PASSING:
        return "it passes"
    if any(owner.get("controller") for owner in metadata.get("ownerReferences") or ()):
        return "a controller makes it"
    if kind == "Secret" and one.get("type") == "kubernetes.io/service-account-token":
        return "the cluster makes it"
    if kind == "ConfigMap" and metadata.get("name") in ("kube-root-ca.crt", "openshift-service-ca.crt"):
        return "the cluster makes it"
    if kind == "Endpoints" and metadata.get("name") in services:
        return "a controller makes it"
    if kind == "EndpointSlice" and (metadata.get("labels") or {}).get("endpointslice.kubernetes.io/managed-by", "").endswith("k8s.io"):
        return "a controller makes it"
    return ""


def clean(one: Mapping[str, Any]) -> Object:
    """A copy of an object without what the cluster wrote into it; applied to another cluster it asks for the same thing."""
    told = deepcopy(dict(one))
    told.pop("status", None)
    metadata = told.setdefault("metadata", {})
    for key in _METADATA:
        metadata.pop(key, None)
    _drop(metadata, "annotations", _ANNOTATIONS)
    if metadata.get("finalizers"):
        metadata["finalizers"] = [word for word in metadata["finalizers"] if not word.startswith("kubernetes.io/")]
        if not metadata["finalizers"]:
            del metadata["finalizers"]
    spec = told.get("spec")
    if isinstance(spec, dict):
        _CLEANERS.get(told.get("kind", ""), lambda _told, _spec: None)(told, spec)
        if not spec and told["kind"] == "Namespace":
            del told["spec"]
    if told.get("kind") == "ServiceAccount":
        told.pop("secrets", None)
    return told


def _clean_namespace(told: Object, spec: Object) -> None:
    spec.pop("finalizers", None)
    _drop(told["metadata"], "labels", ("kubernetes.io/metadata.name",))


def _clean_service(_told: Object, spec: Object) -> None:
    if spec.get("clusterIP") != "None":  # a headless service says so, any other is given an address
        for key in ("clusterIP", "clusterIPs"):
            spec.pop(key, None)
    spec.pop("healthCheckNodePort", None)
    for port in spec.get("ports") or ():
        port.pop("nodePort", None)


def _clean_claim(_told: Object, spec: Object) -> None:
    spec.pop("volumeName", None)


def _clean_job(_told: Object, spec: Object) -> None:
    if not spec.get("manualSelector"):
        spec.pop("selector", None)
        _drop(spec.get("template", {}).get("metadata", {}), "labels", _JOB_LABELS)
        _drop(_told["metadata"], "labels", _JOB_LABELS)
    _drop(spec.get("template", {}).get("metadata", {}), "", ("creationTimestamp",))


def _clean_pod(_told: Object, spec: Object) -> None:
    spec.pop("nodeName", None)
    token = {volume["name"] for volume in spec.get("volumes") or () if volume.get("name", "").startswith("kube-api-access-")}
    if token:
        spec["volumes"] = [volume for volume in spec["volumes"] if volume["name"] not in token]
        for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
            container["volumeMounts"] = [mount for mount in container.get("volumeMounts") or () if mount["name"] not in token]


_CLEANERS = {"Namespace": _clean_namespace, "Service": _clean_service, "PersistentVolumeClaim": _clean_claim, "Job": _clean_job,
             "Pod": _clean_pod}


def _drop(holder: Object, key: str, names: Iterable[str]) -> None:
    """Take names out of a dictionary below ``key`` (of ``holder`` itself where it is empty), and it too when nothing is left."""
    inner = holder.get(key) if key else holder
    if isinstance(inner, dict):
        for name in names:
            inner.pop(name, None)
        if key and not inner:
            del holder[key]


def in_order(objects: Iterable[Object]) -> list[Object]:
    """Namespaces, definitions, configuration, services, custom resources, workloads; by kind and name within."""
    return sorted(objects, key=lambda one: (*_RANKS.get(one["kind"], _CUSTOM), one["kind"], one.get("apiVersion", ""),
                                            one["metadata"].get("name", "")))


def written(objects: Iterable[Object]) -> Iterator[bytes]:
    """YAML documents that are JSON, one for each object: what ``kubectl apply --server-side -f`` reads, and every parser alike."""
    for one in objects:
        yield b"---\n" + json.dumps(one, indent=1, sort_keys=True).encode() + b"\n"


def read(content: bytes) -> list[Object]:
    """The inverse of `written`; every document has an apiVersion, a kind and a name.

    :raises Damaged: names the document that has not
    """
    found = []
    for number, document in enumerate(content.split(b"---\n")[1:], 1):
        try:
            one = json.loads(document)
            complete = all(isinstance(one[key], str) and one[key] for key in ("apiVersion", "kind")) and one["metadata"]["name"]
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(f"Document {number} is no object of Kubernetes: {error!r}", hint="Restore from another backup") from error
        if not complete:
            raise Damaged(f"Document {number} has no kind or no name", hint="Restore from another backup")
        found.append(one)
    return found


def relocated(one: Mapping[str, Any], source: str, target: str) -> Object:
    """The object as it would be in another namespace: its own, and what it says of accounts in the old one."""
    told = deepcopy(dict(one))
    if told["metadata"].get("namespace") == source:
        told["metadata"]["namespace"] = target
    for subject in told.get("subjects") or ():
        if subject.get("namespace") == source:
            subject["namespace"] = target
    return told


def differences(expected: Any, actual: Any, path: str = "") -> Iterator[str]:
    """Where ``actual`` lacks what is ``expected`` or says otherwise, field by field; what it has beyond that is the cluster's."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            where = f"{path}.{key}" if path else str(key)
            if not isinstance(actual, dict) or key not in actual:
                if value not in ({}, [], None, ""):  # the API leaves out what is empty
                    yield f"{where} is missing"
            else:
                yield from differences(value, actual[key], where)
    elif isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            yield f"{path} has {len(actual) if isinstance(actual, list) else 'no'} entries, had {len(expected)}"
        else:
            for place, (one, other) in enumerate(zip(expected, actual, strict=True)):
                yield from differences(one, other, f"{path}[{place}]")
    elif expected != actual:
        yield f"{path} is other than it was"
