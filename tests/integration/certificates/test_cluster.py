# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates in a real API server of Kubernetes: TLS secrets, cert-manager's objects, and a renewal that goes there too."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.kubernetes import Cluster

from tests.conftest import missing
from tests.integration.certificates.conftest import no_key_in
from tests.testbed.kubernetes import serve_kubernetes
from tests.testbed.parts import built
from tests.testbed.tls import Authority, Identity, serve_tls

DAY = timedelta(days=1)
NOW = datetime.now(timezone.utc).replace(microsecond=0)
POLICY = {"warn_days": 30, "fail_days": 14, "min_protocol": "TLSv1.2"}
SPACE = "production"
# The kind as data, reduced to what is stored and its status; no cert-manager runs here, the tests write what it would.
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "certificates.cert-manager.io"},
    "spec": {"group": "cert-manager.io", "scope": "Namespaced",
             "names": {"plural": "certificates", "singular": "certificate", "kind": "Certificate", "listKind": "CertificateList"},
             "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                 "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}


def secret(name: str, content: dict[str, bytes], kind: str = "kubernetes.io/tls") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": SPACE}, "type": kind,
            "data": {key: base64.b64encode(value).decode() for key, value in content.items()}}


def tls_secret(name: str, identity: Identity) -> dict[str, Any]:
    return secret(name, {"tls.crt": identity.full_chain_pem, "tls.key": identity.key_pem})


def certificate(name: str, hosts: list[str], *, into: str, ready: str | None, message: str = "") -> dict[str, Any]:
    reason = "Ready" if ready == "True" else "Failed"
    conditions = [{"type": "Ready", "status": ready, "reason": reason, "message": message}] if ready else []
    return {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": name, "namespace": SPACE},
            "spec": {"secretName": into, "dnsNames": hosts}, "status": {"conditions": conditions, "renewalTime": "2026-12-01T00:00:00Z"}}


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[str]:
    for name in ("etcd", "kube-apiserver"):
        if not built(name) and os.environ.get("CI") is None:
            missing(f"{name} (tools/go-part {name})")
    with serve_kubernetes() as (path,):
        cluster = Cluster(str(path), None, timeout=30)
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
        cluster.apply(DEFINITION)
        yield str(path)


@pytest.fixture(scope="module")
def cluster(kubeconfig: str) -> Cluster:
    from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.kubernetes_certificates import CERTIFICATE, SECRET
    from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
    from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import NotFound
    from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

    cluster = Cluster(kubeconfig, None, timeout=30)
    cluster.know(SECRET, CERTIFICATE)

    def served() -> bool:
        try:
            return list(cluster.list(CERTIFICATE, SPACE)) == []
        except NotFound:
            return False

    wait_until(served, deadline=Deadline(SystemClock(), 120), what="the kind to be served", interval=0.2)
    return cluster


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority.create("Cluster root")


def amiss(answer: dict[str, Any]) -> dict[str, dict[str, str]]:
    assert not answer.get("failed"), answer
    found: dict[str, dict[str, str]] = {}
    for finding in answer["findings"]:
        one = found.setdefault(finding["subject"], {})
        if finding["status"] != "pass":
            assert finding["hint"], finding
            one[finding["check"].removeprefix("certificate.")] = finding["status"]
    return found


def test_secrets_are_read_and_compared_with_what_is_served(run_module, cluster, kubeconfig, root, tmp_path):
    ca_cert = str(root.write(tmp_path))
    old, new = root.issue(["shop.test"], not_before=NOW - 30 * DAY), root.issue(["shop.test"])
    cluster.apply(tls_secret("renewed", new))
    cluster.apply(tls_secret("ended", root.issue(["x"], not_after=NOW - DAY)))
    cluster.apply(secret("mixed", {"tls.crt": new.cert_pem, "tls.key": old.key_pem}))
    cluster.apply(secret("opaque", {"password": b"canary-7d1f"}, "Opaque"))
    with serve_tls(old) as port, serve_tls(new) as right:
        answer = run_module("certificate_check", {"policy": POLICY, "kubernetes": {"kubeconfig": kubeconfig}, "sources": [
            {"secret": f"{SPACE}/*", "ca_cert": ca_cert},
            {"secret": f"{SPACE}/renewed", "ca_cert": ca_cert, "hosts": ["shop.test"], "served_at": [
                {"name": "old node", "endpoint": f"127.0.0.1:{port}", "server_name": "shop.test"},
                {"name": "new node", "endpoint": f"127.0.0.1:{right}", "server_name": "shop.test"}]},
            {"secret": f"{SPACE}/gone"}, {"secret": f"{SPACE}/opaque"}]})
    assert amiss(answer) == {
        f"{SPACE}/ended": {"expiry": "fail"}, f"{SPACE}/mixed": {"key_match": "fail"}, f"{SPACE}/renewed": {},
        "old node": {"served": "fail"}, "new node": {}, f"{SPACE}/gone": {"reachable": "unknown"}, f"{SPACE}/opaque": {"record": "fail"}}
    [served] = [one for one in answer["findings"] if one["check"] == "certificate.served" and one["status"] == "fail"]
    assert "renewed but not served" in served["message"] and served["observed"] == f"{old.certificate.serial_number:x}"
    assert "canary" not in json.dumps(answer) and no_key_in(answer, new.key_pem)


def test_certificates_of_cert_manager(run_module, cluster, kubeconfig, root, tmp_path):
    cluster.apply(tls_secret("in-order", root.issue(["a.test", "b.test"])))
    cluster.apply(certificate("well", ["a.test", "b.test"], into="in-order", ready="True"))
    cluster.apply(certificate("narrow", ["a.test", "c.test"], into="in-order", ready="True"))
    cluster.apply(certificate("failing", ["a.test"], into="in-order", ready="False", message="the order is refused: 429"))
    cluster.apply(certificate("new", ["a.test"], into="not-yet", ready="False", message="issuing"))
    cluster.apply(certificate("emptied", ["a.test"], into="deleted", ready="True"))
    cluster.apply(certificate("unseen", ["a.test"], into="in-order", ready=None))
    options = {"policy": POLICY, "kubernetes": {"kubeconfig": kubeconfig},
               "sources": [{"certificate": f"{SPACE}/*", "ca_cert": str(root.write(tmp_path))}]}
    answer = run_module("certificate_check", options)
    assert amiss(answer) == {
        f"{SPACE}/well": {}, f"{SPACE}/narrow": {"host_name": "fail"}, f"{SPACE}/failing": {"record": "fail"},
        f"{SPACE}/new": {"record": "fail"}, f"{SPACE}/emptied": {"record": "fail"}, f"{SPACE}/unseen": {"record": "unknown"}}
    assert "429" in json.dumps(answer["findings"])
    assert {one["source"] for one in answer["certificates"]} == {f"{SPACE}/{name}" for name in ("well", "narrow", "failing", "unseen")}


def test_a_cluster_that_cannot_be_asked_is_unknown(run_module, kubeconfig, tmp_path):
    missing_one = run_module("certificate_check", {"sources": [{"secret": "a/b"}], "policy": POLICY})
    assert amiss(missing_one) == {"a/b": {"reachable": "unknown"}} and "no kubeconfig" in missing_one["findings"][0]["message"]
    other = json.loads(Path(kubeconfig).read_text())
    other["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "config").write_text(json.dumps(other))
    answer = run_module("certificate_check", {"sources": [{"certificate": "a/*"}], "policy": POLICY,
                                              "kubernetes": {"kubeconfig": str(tmp_path / "config"), "request_timeout": "3s"}})
    assert amiss(answer) == {"a/*": {"reachable": "unknown"}}


def test_a_renewal_goes_into_a_secret_too(run_module, cluster, kubeconfig, shop):
    def held() -> dict[str, str]:
        return cluster.get({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cronos-ai-tls", "namespace": SPACE}})

    entry = shop.entry(places=[*shop.entry()["places"], {"secret": f"{SPACE}/cronos-ai-tls"}])
    options = shop.options(entry, kubernetes={"kubeconfig": kubeconfig})
    planned = run_module("certificate_renew", options, check=True)
    assert [step["step"] for step in planned["renewals"][0]["steps"]] == ["issue", "install", "install", "test", "reload", "prove"], planned
    issued = run_module("certificate_renew", options)
    assert issued["renewals"][0]["status"] == "renewed", issued
    first = held()
    assert first["type"] == "kubernetes.io/tls" and base64.b64decode(first["data"]["tls.crt"]) == shop.kept()
    assert no_key_in(issued, base64.b64decode(first["data"]["tls.key"]))
    assert not run_module("certificate_renew", options)["changed"]

    idle = {**options, "renewals": [{**entry, "reload": ["true"]}], "force": ["shop.test"], "prove_within": "1s"}
    assert run_module("certificate_renew", idle)["renewals"][0]["status"] == "rolled_back"
    assert held()["data"] == first["data"] and base64.b64decode(first["data"]["tls.crt"]) != shop.kept()
    ended = run_module("certificate_renew", options)
    assert ended["renewals"][0]["status"] == "renewed" and base64.b64decode(held()["data"]["tls.crt"]) == shop.kept()
