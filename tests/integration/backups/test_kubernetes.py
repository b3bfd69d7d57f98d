# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine kubernetes on real API servers: backup, backup_verify, restore_drill, backup_restore."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.kubernetes import Cluster
from ansible_collections.evenkeel.ops.plugins.module_utils.backups import objects
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import CommandFailed, NotFound

from tests.conftest import missing
from tests.testbed.kubernetes import serve_kubernetes
from tests.testbed.parts import built

SHOP = "shop"


def thing(kind: str, name: str, api: str = "v1", **more: Any) -> dict[str, Any]:
    namespace = {} if kind in ("Namespace", "CustomResourceDefinition") else {"namespace": SHOP}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **namespace, **more.pop("metadata", {})}, **more}


def template(name: str) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [
        {"name": "c", "image": "example.com/shop:1", "env": [{"name": "ODD", "value": "quo\"te' $(x) {{ y }}\n---\n%s é"}],
         "resources": {"requests": {"cpu": "0.5", "memory": "64Mi"}}}]}}


OBJECTS = [
    thing("Namespace", SHOP, metadata={"labels": {"team": "shop"}}),
    thing("CustomResourceDefinition", "widgets.evenkeel.test", "apiextensions.k8s.io/v1", spec={
        "group": "evenkeel.test", "scope": "Namespaced", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}),
    thing("ConfigMap", "settings", data={"shop.conf": "a: 1\n---\nb: \"2\"\n", "odd.key": "é\u2028%s"}),
    thing("Secret", "password", type="Opaque", data={"password": base64.b64encode(b"canary-5b1f").decode()}),
    thing("ServiceAccount", "shop"),
    thing("Role", "reader", "rbac.authorization.k8s.io/v1", rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]),
    thing("RoleBinding", "reader", "rbac.authorization.k8s.io/v1",
          roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
          subjects=[{"kind": "ServiceAccount", "name": "shop", "namespace": SHOP}]),
    thing("PersistentVolumeClaim", "data", spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}),
    thing("Service", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}], "type": "NodePort"}),
    thing("Service", "headless", spec={"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"port": 5432}]}),
    thing("Deployment", "web", "apps/v1", spec={"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template("web")}),
    thing("StatefulSet", "db", "apps/v1", spec={"serviceName": "headless", "selector": {"matchLabels": {"app": "db"}},
                                                "template": template("db")}),
    thing("CronJob", "nightly", "batch/v1", spec={"schedule": "0 2 * * *", "jobTemplate": {"spec": {"template": {
        **template("nightly"), "spec": {**template("nightly")["spec"], "restartPolicy": "Never"}}}}}),
    thing("Job", "once", "batch/v1", spec={"template": {
        **template("once"), "spec": {**template("once")["spec"], "restartPolicy": "Never"}}}),
    thing("Ingress", "web", "networking.k8s.io/v1", spec={"rules": [{"host": "shop.example.com", "http": {"paths": [
        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}),
    thing("HorizontalPodAutoscaler", "web", "autoscaling/v2", spec={
        "maxReplicas": 4, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}),
    thing("Pod", "bare", spec=template("bare")["spec"]),
    thing("Widget", "one", "evenkeel.test/v1", spec={"size": 3}),
]
# What a copy does not have.
PASSING = [
    thing("Event", "happened", involvedObject={"kind": "Pod", "name": "bare", "namespace": SHOP}, reason="Tested", message="x"),
    thing("Lease", "held", "coordination.k8s.io/v1", spec={"holderIdentity": "x"}),
    thing("ConfigMap", "kube-root-ca.crt", data={"ca.crt": "x"}),
]


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Path]]:
    """Two API servers, the first with a shop in it; building them takes many minutes, so that is done beforehand."""
    if not built("kube-apiserver") or not built("etcd"):
        missing("kube-apiserver (tools/go-part etcd; tools/go-part kube-apiserver)")
    try:
        running = serve_kubernetes(2)
        configurations = running.__enter__()
    except FileNotFoundError as error:
        missing(str(error))
    try:
        cluster = Cluster(str(configurations[0]), None, timeout=30)
        for one in [*OBJECTS, *PASSING]:
            put(cluster, one)
        owner = cluster.get(OBJECTS[10])["metadata"]["uid"]
        put(cluster, thing("ReplicaSet", "web-1", "apps/v1", metadata={"ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner, "controller": True}]},
            spec={"selector": {"matchLabels": {"app": "web"}}, "template": template("web")}))
        yield configurations
    finally:
        running.__exit__(None, None, None)


def put(cluster: Cluster, one: dict[str, Any]) -> None:
    """Apply; a definition takes a moment until it is served."""
    for _attempt in range(300):
        try:
            cluster.apply(one)
            return
        except Exception as error:
            if "Widget" not in str(error) and "widgets" not in str(error):
                raise
            time.sleep(0.2)
    raise AssertionError(one)


@pytest.fixture
def options(servers, tmp_path) -> dict[str, Any]:
    return {"repository": str(tmp_path / "repository"), "plan": "cluster", "engine": "kubernetes",
            "kubernetes": {"kubeconfig": str(servers[0]), "namespace": SHOP}}


@pytest.fixture
def scratch_folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        yield folder
        assert os.listdir(folder) == []


def exported(run_module: Callable[..., Any], tmp_path: Path, **more: Any) -> list[dict[str, Any]]:
    """The objects of the newest backup, as backup_restore writes them."""
    target = tmp_path / "restored"
    answer = run_module("backup_restore", {"repository": str(tmp_path / "repository"), "plan": "cluster", "path": str(target), **more})
    assert not answer.get("failed"), answer
    return objects.read((target / "objects.yaml").read_bytes())


def test_a_namespace_is_exported_without_what_the_cluster_wrote(run_module, options, tmp_path):
    made = run_module("backup", options)
    assert made.get("changed"), made
    [verified] = run_module("backup_verify", {"repository": options["repository"]})["verifications"]
    assert verified["status"] == "pass" and verified["depth"] == "full", verified
    found = exported(run_module, tmp_path)
    names = [(one["kind"], one["metadata"]["name"]) for one in found]
    assert sorted(names) == sorted((one["kind"], one["metadata"]["name"]) for one in OBJECTS if one["kind"] != "Secret")
    assert names[:2] == [("Namespace", SHOP), ("CustomResourceDefinition", "widgets.evenkeel.test")]
    assert names.index(("ConfigMap", "settings")) < names.index(("Service", "web")) < names.index(("Deployment", "web"))
    text = json.dumps(found)
    for word in ("resourceVersion", "managedFields", "creationTimestamp", '"uid"', '"status"', "nodePort", "canary"):
        assert word not in text, word
    given = {(one["kind"], one["metadata"]["name"]): one for one in OBJECTS}
    # The server writes quantities in its own form: 0.5 is 500m.
    for one in found:
        told = list(objects.differences(given[one["kind"], one["metadata"]["name"]], one))
        assert all(word.startswith("spec.type is") or "resources.requests.cpu is" in word for word in told), (one, told)


def test_a_drill_on_the_same_cluster_starts_nothing_and_leaves_nothing(run_module, options, servers, scratch_folder):
    run_module("backup", options)
    answer = run_module("restore_drill", {"repository": options["repository"], "plan": "cluster", "scratch_dir": scratch_folder})
    assert answer["drill"]["status"] == "pass", answer
    assert answer["drill"]["tables_compared"] == len(OBJECTS) - 2
    assert any("dry run" in note for note in answer["drill"]["notes"])
    left = everything(servers[0])
    assert {one["metadata"]["namespace"] for one in left if one["metadata"].get("namespace", "").startswith("evenkeel-drill")} == set()


def test_a_drill_on_another_server_applies_everything_and_removes_it(run_module, options, servers, scratch_folder):
    run_module("backup", options)
    before = {(one["kind"], one["metadata"]["name"]) for one in everything(servers[1])}
    answer = run_module("restore_drill", {"repository": options["repository"], "plan": "cluster", "scratch_dir": scratch_folder,
                                          "kubernetes": {"scratch_kubeconfig": str(servers[1])}})
    assert answer["drill"]["status"] == "pass", answer
    assert answer["drill"]["tables_compared"] == len(OBJECTS) - 2

    def left() -> set[tuple[str, str]]:
        return {(one["kind"], one["metadata"]["name"]) for one in everything(servers[1])} - before

    for _attempt in range(120):  # the server takes a definition away some time after it was told to
        if not left():
            break
        time.sleep(0.5)
    assert left() == set()


def everything(kubeconfig: Path) -> list[dict[str, Any]]:
    """All objects of all namespaces and all definitions, but namespaces that are going and what the server keeps for itself."""
    cluster = Cluster(str(kubeconfig), None, timeout=30)
    wanted = [kind for kind in cluster.kinds() if {"list", "create"} <= kind.verbs and kind.name not in ("Namespace", "Event", "Lease")]
    found = []
    for kind in wanted:
        if kind.namespaced or kind.name == "CustomResourceDefinition":
            with suppress(NotFound):  # its definition goes just now
                found += cluster.list(kind, None)
    return [one for one in found if not one["metadata"].get("namespace", "").startswith(("kube-", "default"))]


def until_refused(cluster: Cluster, refused: bool) -> None:
    """Until the server has taken in a policy against cron jobs, or that it is gone."""
    job = next(one for one in OBJECTS if one["kind"] == "CronJob")
    for _attempt in range(300):
        try:
            cluster.apply({**job, "metadata": {"name": "asked", "namespace": "default"}}, dry_run=True)
            seen = False
        except CommandFailed as error:
            assert "no cron jobs here" in error.message
            seen = True
        if seen is refused:
            return
        time.sleep(0.2)
    raise AssertionError(refused)


def test_what_the_server_refuses_fails_the_drill_and_nothing_is_left(run_module, options, servers, scratch_folder):
    run_module("backup", options)
    cluster = Cluster(str(servers[1]), None, timeout=30)
    policy = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "no-jobs"},
              "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [
                  {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["cronjobs"]}]},
                  "validations": [{"expression": "false", "message": "no cron jobs here"}]}}
    binding = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "no-jobs"},
               "spec": {"policyName": "no-jobs", "validationActions": ["Deny"]}}
    cluster.apply(policy)
    cluster.apply(binding)
    try:
        until_refused(cluster, True)
        answer = run_module("restore_drill", {"repository": options["repository"], "plan": "cluster", "scratch_dir": scratch_folder,
                                              "kubernetes": {"scratch_kubeconfig": str(servers[1])}})
    finally:
        cluster.delete(binding)
        cluster.delete(policy)
    until_refused(cluster, False)
    [finding] = [one for one in answer["findings"] if one["check"] == "recovery.restore"]
    assert finding["status"] == "fail" and "no cron jobs here" in finding["message"], answer
    left = [one for one in everything(servers[1]) if one["metadata"].get("namespace", "").startswith("evenkeel-drill")]
    assert left == []


def test_secrets_are_exported_only_when_asked_for_and_encrypted(run_module, options, keys, scratch_folder, tmp_path):
    options["kubernetes"]["include_secrets"] = True
    refused = run_module("backup", options)
    assert refused["error"] == "InvalidOption"
    made = run_module("backup", {**options, "recipients": [keys[1]]})
    assert made.get("changed"), made
    for path in Path(options["repository"]).rglob("*"):
        assert not path.is_file() or base64.b64encode(b"canary-5b1f") not in path.read_bytes()
    drilled = run_module("restore_drill", {"repository": options["repository"], "plan": "cluster", "identity_file": keys[0],
                                           "scratch_dir": scratch_folder})
    assert drilled["drill"]["status"] == "pass" and drilled["drill"]["tables_compared"] == len(OBJECTS) - 1, drilled
    assert any(one["kind"] == "Secret" for one in exported(run_module, tmp_path, identity_file=keys[0]))


def test_what_was_restored_is_applied_by_kubectl(run_module, options, servers, tmp_path):
    run_module("backup", options)
    run_module("backup_verify", {"repository": options["repository"]})
    exported(run_module, tmp_path)
    argv = ["kubectl", f"--kubeconfig={servers[1]}", "apply", "--server-side", "-f", str(tmp_path / "restored/objects.yaml")]
    done = subprocess.run(argv, text=True, capture_output=True, check=False)
    # A custom object may come before its definition is served: kubectl is run again, as its users do.
    for _attempt in range(60):
        if not done.returncode:
            break
        time.sleep(1)
        done = subprocess.run(done.args, text=True, capture_output=True, check=False)
    cluster = Cluster(str(servers[1]), None, timeout=30)
    for one in reversed(OBJECTS):
        cluster.delete(one)
    assert done.returncode == 0, done.stderr
    assert "deployment.apps/web serverside-applied" in done.stdout


@pytest.mark.parametrize(("change", "error"), [
    ({"namespace": "nowhere"}, "NotFound"), ({"namespace": "../x"}, "InvalidOption"), ({"namespace": ""}, "InvalidOption"),
    ({"context": "nobody"}, "InvalidOption"), ({"kubeconfig": "/nonexistent"}, "InvalidOption"),
    ({"request_timeout": "soon"}, "InvalidOption")])
def test_what_cannot_be_exported_is_told(run_module, options, change, error):
    answer = run_module("backup", {**options, "kubernetes": {**options["kubernetes"], **change}})
    assert answer.get("error") == error and answer["hint"], answer


def test_a_server_that_is_gone_is_unreachable(run_module, options, tmp_path):
    told = json.loads(Path(options["kubernetes"]["kubeconfig"]).read_text())
    told["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "kubeconfig").write_text(json.dumps(told))
    answer = run_module("backup", {**options, "kubernetes": {**options["kubernetes"], "kubeconfig": str(tmp_path / "kubeconfig")}})
    assert answer["error"] == "Unreachable" and answer["hint"], answer
