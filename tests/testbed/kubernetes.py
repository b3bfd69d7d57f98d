# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real API servers of Kubernetes on an etcd of their own; no controllers, so that what is there stays as it was put."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.parts import part
from tests.testbed.postgres import free_port
from tests.testbed.tls import Authority

# Admission plugins whose work is ended by a controller, and no controller runs here: token secrets, and the finalizer of volumes in use.
_CONTROLLED = ("ServiceAccount", "StorageObjectInUseProtection")


@contextlib.contextmanager
def serve_kubernetes(servers: int = 1) -> Iterator[list[Path]]:
    """API servers until the block ends, each with objects of its own; yields an administrator's kubeconfig for each.

    :raises FileNotFoundError: where etcd or kube-apiserver cannot be built
    """
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-kubernetes-"))
    running: list[subprocess.Popen] = []
    commands = Commands()
    authority = Authority.create("Testbed Kubernetes")
    authority.write(folder)
    certificate, key = authority.issue(["127.0.0.1", "localhost"]).write(folder)
    accounts = authority.issue(["accounts"], key="rsa").write(folder, "accounts")
    token = secrets.token_hex(16)
    (folder / "tokens.csv").touch(mode=0o600)
    (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')

    def start(argv: list[str], log: str) -> None:
        with (folder / log).open("wb") as stream:
            running.append(commands.start(argv, stdout=stream.fileno(), stderr=subprocess.STDOUT, cwd=str(folder)))

    try:
        client, peer = free_port(), free_port()
        etcd = f"http://127.0.0.1:{client}"
        start([part("etcd"), f"--data-dir={folder}/etcd", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
               f"--listen-peer-urls=http://127.0.0.1:{peer}", "--unsafe-no-fsync", "--log-level=error"], "etcd.log")
        configurations = []
        for number in range(servers):
            port = free_port()
            start([part("kube-apiserver"), f"--etcd-servers={etcd}", f"--etcd-prefix=/server-{number}", f"--secure-port={port}",
                   "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
                   f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}", f"--cert-dir={folder}/certificates-{number}",
                   f"--token-auth-file={folder}/tokens.csv", "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/24",
                   "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={accounts[1]}",
                   f"--service-account-signing-key-file={accounts[1]}", "--disable-admission-plugins=" + ",".join(_CONTROLLED)],
                  f"server-{number}.log")
            configurations.append(_kubeconfig(folder, number, port, token))
        for number, one in enumerate(configurations):
            process, log = running[number + 1], folder / f"server-{number}.log"
            wait_until(lambda one=one, process=process, log=log: _ready(one, process, log), deadline=Deadline(SystemClock(), 240),
                       what="an API server to be ready", interval=0.3)
        yield configurations
    finally:
        for process in reversed(running):
            end_group(process)
        shutil.rmtree(folder, ignore_errors=True)


def _kubeconfig(folder: Path, number: int, port: int, token: str) -> Path:
    path = folder / f"kubeconfig-{number}"
    path.touch(mode=0o600)
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "testbed",
        "clusters": [{"name": "testbed", "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority": f"{folder}/ca.crt"}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "admin"}}],
    }))
    return path


def _ready(kubeconfig: Path, process: subprocess.Popen, log: Path) -> bool:
    from kubernetes import client, config

    if process.poll() is not None:
        raise RuntimeError(f"kube-apiserver ended: {log.read_text(errors='replace')[-3000:]}")
    settings = client.Configuration()
    settings.retries = False
    config.load_kube_config(str(kubeconfig), client_configuration=settings)
    try:
        with client.ApiClient(settings) as api:
            client.CoreV1Api(api).read_namespace("kube-system", _request_timeout=10)
            return True
    except Exception:
        return False
