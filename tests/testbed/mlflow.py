# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers of MLflow on the loopback, and models in them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.mlflow import Mlflow
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.mlflow_server import MlflowServer
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline

from tests.testbed import CHECKOUT
from tests.testbed.postgres import free_port

ODD = "scorer é 'quoted' 50%"


def program() -> str:
    """The path of the program; its environment is made when it is not here yet.

    :raises FileNotFoundError: where it cannot be made; says why
    """
    done = subprocess.run([str(CHECKOUT / "tools/mlflow-home")], text=True, capture_output=True, timeout=1800, check=False)
    if done.returncode:
        raise FileNotFoundError(f"mlflow could not be installed: {done.stderr[-2000:]}")
    return done.stdout.strip()


@contextlib.contextmanager
def serve_mlflow() -> Iterator[Mlflow]:
    """A server until the block ends, with a folder of its own; yields a client of it."""
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-mlflow-"))
    server = MlflowServer(Commands(), SystemClock(), program=program())
    try:
        client = Mlflow(server.start(folder / "server", Deadline(SystemClock(), 180), port=free_port()))
        yield client
        client.close()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def fill(client: Mlflow, folder: Path) -> None:
    """Two models: one with versions 1 and 3 of one run each, a stage, an alias and files in folders; one of an odd name."""
    experiment = client.experiment("training")
    for number in (1, 2, 3):
        run_id, root = client.create_run(experiment, name=f"run {number}", started=1_760_000_000_000 + number, user="trainer")
        client.log(run_id, params=[{"key": "depth", "value": str(number)}], tags=[{"key": "team", "value": "é 'quoted'"}],
                   metrics=[{"key": "loss", "value": 1 / (step + number), "timestamp": 1_760_000_000_000 + step, "step": step}
                            for step in range(5)])
        client.end_run(run_id, status="FINISHED", ended=1_760_000_060_000)
        _upload(client, folder, root, "model/MLmodel", f"flavors: {number}\n".encode())
        _upload(client, folder, root, "model/data/model.bin", os.urandom(200_000))
        _upload(client, folder, root, "model/data/empty", b"")
        if number == 1:
            client.create_model("churn", description="who leaves", tags=[{"key": "owner", "value": "analytics"}])
        client.create_version("churn", source=f"mlflow-artifacts:/{root}/model", run_id=run_id, description=f"of run {number}",
                              tags=[{"key": "validated", "value": "yes"}])
        if number == 3:
            client.create_model(ODD, description="", tags=[])
            client.create_version(ODD, source=f"mlflow-artifacts:/{root}/model/data", run_id=run_id)
    client.delete_version("churn", "2")
    client.set_stage("churn", "3", "Production")
    client.set_alias("churn", "champion", "3")


def _upload(client: Mlflow, folder: Path, root: str, path: str, content: bytes) -> None:
    local = folder / "upload"
    local.write_bytes(content)
    with local.open("rb") as stream:
        client.upload(root, path, stream)
    local.unlink()
