# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API of Route 53, as moto serves it on the loopback."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

CREDENTIALS = {"access_key": "testing", "secret_key": "testing"}


@contextlib.contextmanager
def serve_route53() -> Iterator[tuple[str, Any]]:
    """Yields the URL of the API, and boto3's client for it."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        yield url, boto3.client("route53", endpoint_url=url, region_name="us-east-1", aws_access_key_id="testing",
                                aws_secret_access_key="testing")
    finally:
        server.stop()
