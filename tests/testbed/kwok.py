# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods with logs in a real API server. kwok stands for the kubelet: it reads logs with the kubelet's own library, from files as the
container runtime writes them (CRI); no container runs, and what pods are like is told to the API server by the test.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.parts import part
from tests.testbed.postgres import free_port
from tests.testbed.tls import Authority

NAMESPACE, _NODE = "production", "node-1"


class Pods:
    """Pods on one node, and the files in which their logs are."""

    def __init__(self, kubeconfig: str, folder: Path, port: int) -> None:
        from kubernetes import client, config

        settings = client.Configuration()
        config.load_kube_config(kubeconfig, client_configuration=settings)
        self.kubeconfig, self._folder, self._api = kubeconfig, folder, client.CoreV1Api(client.ApiClient(settings))
        self._ids: dict[tuple[str, str], list[str]] = {}
        self._api.create_namespace({"metadata": {"name": NAMESPACE}})
        self._api.create_node({"metadata": {"name": _NODE}, "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}], "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}})

    def start(self, name: str, app: str, containers: Sequence[str]) -> None:
        """A pod that runs."""
        self._api.create_namespaced_pod(NAMESPACE, {
            "metadata": {"name": name, "labels": {"app": app}},
            "spec": {"nodeName": _NODE, "containers": [{"name": one, "image": "none.invalid/none"} for one in containers]}})
        for one in containers:
            self._ids[name, one] = [f"containerd://{name}-{one}-0"]
            self.path(name, one).touch()
        self._tell(name)

    def restart(self, name: str, container: str) -> None:
        """End a container and run it again: its log begins anew, the former one is kept."""
        ids = self._ids[name, container]
        ids.append(f"containerd://{name}-{container}-{len(ids)}")
        os.replace(self.path(name, container), self.path(name, container, previous=True))
        self.path(name, container).touch()
        self._tell(name)

    def delete(self, name: str) -> None:
        """At once."""
        self._api.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)
        self._ids = {key: ids for key, ids in self._ids.items() if key[0] != name}

    def path(self, name: str, container: str, *, previous: bool = False) -> Path:
        """The file of a log."""
        return self._folder / f"{name}_{container}{'.previous' if previous else ''}.log"

    def write(self, name: str, container: str, lines: Sequence[str], *, ago: float = 60.0, at: datetime | None = None,
              previous: bool = False) -> None:
        """Lines as containerd writes them, from so many seconds ago on, a millisecond apart; ``at`` gives all the same instant."""
        begin = datetime.now(timezone.utc) - timedelta(seconds=ago)
        with self.path(name, container, previous=previous).open("a") as stream:
            for number, line in enumerate(lines):
                instant = at or begin + timedelta(milliseconds=number)
                stream.write(f"{instant.strftime('%Y-%m-%dT%H:%M:%S.%f')}123Z stdout F {line}\n")

    def _tell(self, name: str) -> None:
        """What a kubelet would say of a pod."""
        told, began = [], "2026-01-01T00:00:00Z"
        for (pod, container), ids in self._ids.items():
            if pod == name:
                ended = {"exitCode": 1, "containerID": ids[-2:][0], "startedAt": began, "finishedAt": began}
                told.append({"name": container, "image": "none", "imageID": "none", "ready": True, "restartCount": len(ids) - 1,
                             "containerID": ids[-1], "state": {"running": {"startedAt": began}},
                             "lastState": {"terminated": ended} if len(ids) > 1 else {}})
        self._api.patch_namespaced_pod_status(name, NAMESPACE, {"status": {"phase": "Running", "containerStatuses": told}})


@contextlib.contextmanager
def serve_pods(kubeconfig: str, containers: Mapping[str, Sequence[str]]) -> Iterator[Pods]:
    """A kubelet for these pods, by their containers' names; none of them is started yet.

    :raises FileNotFoundError: where kwok cannot be built
    """
    program, port, folder = part("kwok"), free_port(), Path(tempfile.mkdtemp(prefix="evenkeel-kwok-"))
    certificate, key = Authority.create("Testbed kubelet").issue(["127.0.0.1"]).write(folder)
    pods = Pods(kubeconfig, folder, port)
    (folder / "kwok.yaml").write_text("---\n".join(json.dumps({
        "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Logs", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"logs": [{"containers": [one], "logsFile": str(pods.path(name, one)),
                           "previousLogsFile": str(pods.path(name, one, previous=True))} for one in ones]}}) + "\n"
        for name, ones in containers.items()))
    argv = [program, f"--kubeconfig={kubeconfig}", f"--config={folder}/kwok.yaml", f"--server-address=127.0.0.1:{port}",
            f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}", "--manage-all-nodes=false", "--manage-single-node=none"]
    with (folder / "log").open("wb") as log:
        process = Commands().start(argv, env={"HOME": str(folder)}, stdout=log.fileno(), stderr=subprocess.STDOUT, text=False,
                                   cwd=str(folder))

    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"kwok ended: {(folder / 'log').read_text(errors='replace')[-3000:]}")
        return _listens(port)

    try:
        wait_until(ready, deadline=Deadline(SystemClock(), 60), what="kwok to listen", interval=0.1)
        yield pods
    finally:
        end_group(process)
        shutil.rmtree(folder, ignore_errors=True)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
