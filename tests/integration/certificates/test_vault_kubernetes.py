# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""certificate_check logs in to a real Vault as a service account, whose token a real API server of Kubernetes reviews."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.integration.certificates.conftest import said
from tests.testbed.kubernetes import serve_kubernetes
from tests.testbed.parts import built
from tests.testbed.postgres import free_port
from tests.testbed.silence import serve_words
from tests.testbed.vault import INTERMEDIATE, READ, RunningVault

SPACE, ROLE = "operations", "certificates"
SOURCE = f"{INTERMEDIATE}/pod.shop.test"
ACCOUNTS = ("reader", "other", "reviewer")


@dataclass(frozen=True)
class Pods:
    """An API server with service accounts; the reviewer is the one that may create tokenreviews."""

    core: Any
    host: str
    ca_cert: str
    signing_key: bytes = field(repr=False)

    def token(self, account: str) -> str:
        """As the kubelet puts one into a pod: by the TokenRequest API."""
        from kubernetes.client import AuthenticationV1TokenRequest, V1TokenRequestSpec

        wanted = AuthenticationV1TokenRequest(spec=V1TokenRequestSpec(audiences=[], expiration_seconds=3600))
        return self.core.create_namespaced_service_account_token(account, SPACE, wanted).status.token

    def expired(self, account: str) -> str:
        """One that ended a minute ago, signed by the API server's key: it grants none for less than ten minutes."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        header, claims, _signature = self.token(account).split(".")
        now = int(time.time())
        told = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"iat": now - 3660, "nbf": now - 3660, "exp": now - 60}
        signed = f"{header}.{_unpadded(json.dumps(told).encode())}"
        return f"{signed}.{_unpadded(load_pem_private_key(self.signing_key, None).sign(signed.encode(), PKCS1v15(), SHA256()))}"


def _unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.fixture(scope="module")
def pods() -> Iterator[Pods]:
    from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
    from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until
    from kubernetes import client, config

    for name in ("etcd", "kube-apiserver"):
        if not built(name) and os.environ.get("CI") is None:
            missing(f"{name} (tools/go-part {name})")
    with serve_kubernetes() as (path,):
        settings = client.Configuration()
        config.load_kube_config(str(path), client_configuration=settings)
        with client.ApiClient(settings) as api:
            core = client.CoreV1Api(api)
            core.create_namespace({"metadata": {"name": SPACE}})
            for account in ACCOUNTS:
                core.create_namespaced_service_account(SPACE, {"metadata": {"name": account}})
            client.RbacAuthorizationV1Api(api).create_cluster_role_binding({
                "metadata": {"name": "vault"}, "subjects": [{"kind": "ServiceAccount", "name": "reviewer", "namespace": SPACE}],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"}})
            asked = {"spec": {"user": f"system:serviceaccount:{SPACE}:reviewer", "resourceAttributes": {
                "group": "authentication.k8s.io", "resource": "tokenreviews", "verb": "create"}}}
            # A new server makes its own roles, and takes bindings into account, a moment after it is ready.
            wait_until(lambda: client.AuthorizationV1Api(api).create_subject_access_review(asked).status.allowed,
                       deadline=Deadline(SystemClock(), 120), what="the reviewer's right", interval=0.3)
            yield Pods(core, settings.host, Path(settings.ssl_ca_cert).read_text(), (path.parent / "accounts.key").read_bytes())


@pytest.fixture(scope="module")
def trust(vault: RunningVault, pods: Pods) -> Callable[..., None]:
    """``trust(mount)`` enables the login at auth/mount, with a role for the reader; ``host`` is the API server that reviews."""

    def enable(mount: str, *, reviewer: str = "reviewer", host: str = pods.host) -> None:
        method = vault.client.auth.kubernetes
        vault.client.sys.enable_auth_method("kubernetes", path=mount)
        method.configure(host, kubernetes_ca_cert=pods.ca_cert, token_reviewer_jwt=pods.token(reviewer), mount_point=mount)
        method.create_role(ROLE, ["reader"], [SPACE], ttl="5m", policies=["reads-pki"], mount_point=mount)

    vault.client.sys.create_or_update_policy("reads-pki", READ)
    vault.issue("pod.shop.test")
    enable("kubernetes")
    return enable


@pytest.fixture
def check(run_module, vault: RunningVault, trust, tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Log in by a file with this token and read: status of what was to be read, and what was said where it could not be.

    Vault has as many tokens after as before, and nothing of the given one is in the answer.
    """

    def run(token: str | None, **login: Any) -> tuple[str, str]:
        path = tmp_path / "token"
        if token is not None:
            path.write_text(token)
        before = vault.client.list("auth/token/accessors")["data"]["keys"]
        answer = run_module("certificate_check", {
            "sources": [{"vault": SOURCE, "ca_cert": str(vault.issued_by)}], "policy": {"warn_days": 30, "fail_days": 14},
            "vault": {"url": vault.url, "ca_cert": str(vault.ca_cert), "request_timeout": "30s", "auth": "kubernetes", "role": ROLE,
                      "jwt_file": str(path), **login}})
        assert not answer.get("failed"), answer
        assert sorted(vault.client.list("auth/token/accessors")["data"]["keys"]) == sorted(before)
        told = json.dumps(answer)
        assert not any(part in told for part in ["hvs.", *(token or "").strip().split(".")] if part), told
        statuses = {finding["status"] for finding in answer["findings"] if finding["subject"] == SOURCE}
        if statuses != {"unknown"}:
            assert [one["source"] for one in answer["certificates"] if one["source"] == SOURCE] == [SOURCE], answer
            return "".join(sorted(statuses)), ""
        assert not answer["certificates"] and all(finding["hint"] for finding in answer["findings"]), answer
        return "unknown", said(answer, "reachable")

    return run


def test_a_service_account_logs_in_with_its_token_and_reads(check, trust, pods):
    assert check(f"{pods.token('reader')}\n") == ("pass", "")
    trust("clusters/lab")
    assert check(pods.token("reader"), auth_mount="clusters/lab") == ("pass", "")
    assert check(pods.token("reader"), namespace="operations") == ("pass", "")  # Vault's open source has none, and ignores it


def test_a_wrong_role_another_account_and_an_ended_token_are_told(check, pods):
    for token, login, words in (
            (pods.token("reader"), {"role": "admin"}, 'invalid role name "admin"'),
            (pods.token("other"), {}, "service account name not authorized"),
            (pods.expired("reader"), {}, "token is expired"),
            ("canary-7f3a-is-no-token", {}, "permission denied"), ("canary7f3a.canary8e2b.canary9c1d", {}, "permission denied"),
            (pods.token("reader"), {"auth_mount": "elsewhere"}, "permission denied")):
        status, told = check(token, **login)
        mount = login.get("auth_mount", "kubernetes")
        assert status == "unknown" and f"refuses logging in by {mount}: " in told and words in told, told
        assert f"vault read auth/{mount}/role/{login.get('role', ROLE)}" in told, told


def test_what_vault_does_not_tell_is_in_the_hint(check, vault, trust, pods):
    """It says "permission denied" alone where the API server is the one that refuses, or is not there; its log says which."""
    vault.client.adapter.post("/v1/sys/loggers", json={"level": "debug"})
    log = vault.ca_cert.parent / "log"
    token = pods.token("reader")
    header, claims, signature = token.split(".")
    trust("down", host=f"https://127.0.0.1:{free_port()}")
    trust("may-not-review", reviewer="other")
    for given, mount, reason in (
            (token, "down", "connection refused"), (token, "may-not-review", "cannot create resource"),
            (f"{header}.{claims}.{signature[::-1]}", "kubernetes", "lookup failed")):
        begin = log.stat().st_size
        status, told = check(given, auth_mount=mount)
        assert reason in log.read_bytes()[begin:].decode(), reason
        assert status == "unknown" and f"refuses logging in by {mount}: permission denied" in told, told
        assert f"auth/{mount}/config" in told and "tokenreviews" in told, told
    with serve_words() as port:
        trust("silent", host=f"https://127.0.0.1:{port}")
        status, told = check(token, auth_mount="silent", request_timeout="2s")
    assert status == "unknown" and "gave no answer in time" in told, told


def test_a_token_ends_with_its_account_whoever_has_its_name_now(check, pods):
    reader = pods.token("reader")
    pods.core.delete_namespaced_service_account("reader", SPACE)
    pods.core.create_namespaced_service_account(SPACE, {"metadata": {"name": "reader"}})
    status, told = check(reader)
    assert status == "unknown" and "permission denied" in told, told
    assert check(pods.token("reader")) == ("pass", "")


def test_a_file_without_a_token_is_named(check):
    for content, words in ((None, "is not there"), ("\n", "is empty")):
        status, told = check(content)
        assert status == "unknown" and "vault.jwt_file: " in told and words in told, told
