# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""backups/objects.py: what belongs to a copy, without what the cluster wrote, in order, and compared."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.backups.objects import (
    clean,
    differences,
    in_order,
    left_out,
    read,
    relocated,
    written,
)
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import Damaged


def one(kind: str, name: str = "x", **more) -> dict:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **more.pop("metadata", {})}, **more}


@pytest.mark.parametrize(("thing", "belongs"), [
    (one("Deployment"), True),
    (one("Event"), False),
    (one("Pod", metadata={"ownerReferences": [{"controller": True}]}), False),
    (one("Pod"), True),
    (one("ConfigMap", metadata={"ownerReferences": [{"kind": "App"}]}), True),
    (one("ConfigMap", "kube-root-ca.crt"), False),
    (one("Secret", type="kubernetes.io/service-account-token"), False),
    (one("Secret", type="Opaque"), True),
    (one("Endpoints", "web"), False),
    (one("Endpoints", "outside"), True),
    (one("EndpointSlice", metadata={"labels": {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}}), False),
    (one("EndpointSlice"), True),
])
def test_what_belongs_to_a_copy(thing, belongs):
    assert (left_out(thing, {"web"}) == "") is belongs


def test_what_the_cluster_wrote_is_taken_out_and_the_object_itself_is_left_alone():
    service = one("Service", metadata={"uid": "1", "resourceVersion": "2", "managedFields": [], "creationTimestamp": "t",
                                       "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
                  spec={"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 80, "nodePort": 30000}]},
                  status={"loadBalancer": {}})
    assert clean(service) == one("Service", spec={"ports": [{"port": 80}]})
    assert service["status"] == {"loadBalancer": {}}
    assert clean(one("Service", spec={"clusterIP": "None"}))["spec"] == {"clusterIP": "None"}
    job = one("Job", spec={"selector": {"matchLabels": {"controller-uid": "1"}},
                           "template": {"metadata": {"labels": {"controller-uid": "1", "app": "x"}}}})
    assert clean(job)["spec"] == {"template": {"metadata": {"labels": {"app": "x"}}}}
    pod = one("Pod", spec={"nodeName": "n", "volumes": [{"name": "kube-api-access-abc"}, {"name": "data"}],
                           "containers": [{"name": "c", "volumeMounts": [{"name": "kube-api-access-abc"}, {"name": "data"}]}]})
    assert clean(pod)["spec"] == {"volumes": [{"name": "data"}], "containers": [{"name": "c", "volumeMounts": [{"name": "data"}]}]}


def test_the_order_of_applying():
    kinds = ["Deployment", "Widget", "Service", "ConfigMap", "CustomResourceDefinition", "Namespace", "Ingress"]
    assert [thing["kind"] for thing in in_order(one(kind) for kind in kinds)] == [
        "Namespace", "CustomResourceDefinition", "ConfigMap", "Service", "Widget", "Deployment", "Ingress"]


def test_documents_are_read_as_they_were_written_whatever_is_in_them():
    things = [one("ConfigMap", data={"a": "x\n---\ny", "b": "---", "c": "é\u2028\"'%{"}), one("Secret")]
    assert read(b"".join(written(things))) == things


@pytest.mark.parametrize("content", [b"---\n{", b"---\n[]\n", b'---\n{"kind": "X"}\n',
                                     b'---\n{"apiVersion": "v1", "kind": "", "metadata": {"name": "x"}}\n'])
def test_what_is_no_object_is_damaged(content):
    with pytest.raises(Damaged, match="Document 1"):
        read(content)


def test_another_namespace():
    binding = one("RoleBinding", metadata={"namespace": "a"}, subjects=[{"name": "s", "namespace": "a"}, {"name": "t", "namespace": "b"}])
    there = relocated(binding, "a", "z")
    assert there["metadata"]["namespace"] == "z" and [each["namespace"] for each in there["subjects"]] == ["z", "b"]
    assert relocated(there, "z", "a") == binding


@pytest.mark.parametrize(("actual", "told"), [
    ({"a": {"b": [1, {"c": 2}]}, "more": 1}, []),
    ({"a": {"b": [1, {"c": 3}]}}, ["a.b[1].c is other than it was"]),
    ({"a": {"b": [1]}}, ["a.b has 1 entries, had 2"]),
    ({"a": {}}, ["a.b is missing"]),
    ({"a": {"b": "x"}}, ["a.b has no entries, had 2"]),
])
def test_fields_are_compared_one_by_one(actual, told):
    assert list(differences({"a": {"b": [1, {"c": 2}]}, "empty": {}}, actual)) == told
