# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real RabbitMQ on the loopback, with its own epmd, so that neither outlives the block."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.directory import listens
from tests.testbed.postgres import free_port
from tests.testbed.tls import Identity

USER, PASSWORD, VHOST, QUEUE = "monitor", "op3n-s3same", "shop", "orders"
_SCRIPTS = ["/usr/lib/rabbitmq/bin"]


@dataclass(frozen=True)
class Broker:
    """Ports for AMQP, and for AMQP over TLS."""

    port: int
    tls_port: int


@contextlib.contextmanager
def serve_rabbitmq(identity: Identity) -> Iterator[Broker]:
    """A broker until the block ends, with an account, a virtual host and an empty queue.

    :raises ToolMissing: without rabbitmq-server
    """
    commands = Commands()
    server = commands.find("rabbitmq-server", package="rabbitmq-server", folders=_SCRIPTS)
    epmd = commands.find("epmd", package="erlang-base")
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-rabbitmq-"))
    certificate, key = identity.write(folder)
    (folder / "definitions.json").write_text(json.dumps({
        "users": [{"name": USER, "password": PASSWORD, "tags": ""}], "vhosts": [{"name": VHOST}, {"name": "/"}],
        "permissions": [{"user": USER, "vhost": VHOST, "configure": "", "write": "", "read": ".*"}],
        "queues": [{"name": QUEUE, "vhost": VHOST, "durable": True, "auto_delete": False, "arguments": {}}]}))
    found = Broker(free_port(), free_port())
    names, distribution = free_port(), free_port()
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{found.port}\nlisteners.ssl.1 = 127.0.0.1:{found.tls_port}\nloopback_users = none\n"
        f"ssl_options.certfile = {certificate}\nssl_options.keyfile = {key}\nssl_options.verify = verify_none\n"
        f"load_definitions = {folder}/definitions.json\nlog.file.level = error\nlog.console = false\n"
        "vm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 1MB\n")
    (folder / "enabled_plugins").write_text("[].\n")
    settings = {
        "HOME": str(folder), "ERL_EPMD_PORT": str(names), "ERL_EPMD_ADDRESS": "127.0.0.1", "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_NODENAME": f"probe{found.port}@localhost", "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
        "RABBITMQ_MNESIA_BASE": f"{folder}/data", "RABBITMQ_LOG_BASE": f"{folder}/log", "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +A 4 -kernel inet_dist_use_interface {127,0,0,1}"}
    running = []
    try:
        running.append(commands.start([epmd, "-port", str(names), "-address", "127.0.0.1"], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL))
        with (folder / "server.log").open("wb") as log:
            running.append(commands.start([server], env=settings, stdout=log.fileno(), stderr=subprocess.STDOUT, cwd=str(folder)))
        wait_until(lambda: listens(found.port) and listens(found.tls_port), deadline=Deadline(SystemClock(), 300),
                   what="RabbitMQ", interval=0.2)
        yield found
    finally:
        for process in reversed(running):
            end_group(process)
        shutil.rmtree(folder, ignore_errors=True)
