# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections of urllib3, and so of requests and of Kubernetes' client, that go to no address which `core.addresses` refuses.

Whether a client follows redirects is its own matter; where it did, a name in one is judged here as every other.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import Any

from ..core.addresses import is_numeric
from .blocking_sockets import resolve


def guard(manager: Any) -> None:
    """Have a ``urllib3.PoolManager`` judge the addresses of names before it connects; what it connects to is what was judged.

    The connections raise `core.errors.Refused`, which passes through urllib3 and requests as it is.
    """
    manager.pool_classes_by_scheme = _pool_classes()


@lru_cache(maxsize=1)
def _pool_classes() -> dict[str, Any]:
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    class Judged:
        def _new_conn(self: Any) -> socket.socket:
            host = self._dns_host
            if is_numeric(host.strip("[]")):
                return super()._new_conn()
            try:
                addresses = resolve(host, self.port)
            except (OSError, UnicodeError) as error:
                raise NewConnectionError(self, f"{host} does not resolve: {getattr(error, 'strerror', None) or error}") from error
            failure: Exception = NewConnectionError(self, f"{host} has no address")
            try:
                for _family, address in addresses:
                    self._dns_host = address[0]
                    try:
                        return super()._new_conn()
                    except (NewConnectionError, ConnectTimeoutError) as error:
                        failure = error
            finally:
                self._dns_host = host  # what TLS verifies and the request names
            raise failure

    class Plain(HTTPConnectionPool):
        ConnectionCls = type("Connection", (Judged, HTTPConnectionPool.ConnectionCls), {})

    class Secure(HTTPSConnectionPool):
        ConnectionCls = type("Connection", (Judged, HTTPSConnectionPool.ConnectionCls), {})

    return {"http": Plain, "https": Secure}
