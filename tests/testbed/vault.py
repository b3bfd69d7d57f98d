# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HashiCorp Vault on the loopback, by TLS, that keeps everything in memory: initialised, unsealed, with a PKI of its own.

    with serve_vault() as vault:
        vault.issue("api.shop.test")        # by the intermediate at shop/pki, which the root at pki signed
        vault.client.sys.seal()
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.parts import part
from tests.testbed.postgres import free_port
from tests.testbed.tls import Authority

ROOT, INTERMEDIATE, ROLE = "pki", "shop/pki", "servers"
# A policy: what docs/certificates.md says is needed to read the intermediate's certificates.
READ = f'path "{INTERMEDIATE}/certs" {{ capabilities = ["list"] }} path "{INTERMEDIATE}/issuer*" {{ capabilities = ["list", "read"] }}'


@dataclass(frozen=True)
class RunningVault:
    """``client`` is hvac's, with the root token; ``ca_cert`` whom to trust at ``url``, ``issued_by`` the root of what it issues."""

    url: str
    ca_cert: Path
    issued_by: Path
    client: Any
    unseal_key: str

    def issue(self, name: str, *, ttl: str = "90d", **more: Any) -> dict[str, Any]:
        """A new certificate: ``certificate``, ``private_key``, ``serial_number``, ``ca_chain``, …"""
        return self.client.secrets.pki.generate_certificate(ROLE, name, {"ttl": ttl, **more}, mount_point=INTERMEDIATE)["data"]

    def token(self, policy: str, **limits: Any) -> str:
        """A token that may do what the policy (HCL) says, and look itself up."""
        name = f"test-{abs(hash(policy))}"
        self.client.sys.create_or_update_policy(name, policy)
        return self.client.auth.token.create(policies=[name], ttl="10m", **limits)["auth"]["client_token"]


@contextlib.contextmanager
def serve_vault() -> Iterator[RunningVault]:
    """Until the block ends.

    :raises FileNotFoundError: where it cannot be built
    """
    import hvac

    program, folder, port = part("vault"), Path(tempfile.mkdtemp(prefix="evenkeel-vault-")), free_port()
    authority = Authority.create("Testbed Vault server")
    ca_cert = authority.write(folder)
    certificate, key = authority.issue(["127.0.0.1", "localhost"]).write(folder)
    (folder / "vault.json").write_text(json.dumps({
        "storage": {"inmem": {}}, "disable_mlock": True, "api_addr": f"https://127.0.0.1:{port}", "log_level": "warn",
        "max_lease_ttl": "87600h",
        "listener": {"tcp": {"address": f"127.0.0.1:{port}", "tls_cert_file": str(certificate), "tls_key_file": str(key)}}}))
    with (folder / "log").open("wb") as log:
        process = Commands().start([program, "server", "-config", str(folder / "vault.json")], cwd=str(folder), env={"HOME": str(folder)},
                                   stdout=log.fileno(), stderr=subprocess.STDOUT, text=False)
    client = hvac.Client(url=f"https://127.0.0.1:{port}", token="", verify=str(ca_cert), timeout=30)

    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"vault ended: {(folder / 'log').read_text(errors='replace')[-3000:]}")
        with contextlib.suppress(requests.exceptions.ConnectionError):
            return client.sys.read_health_status(method="GET") is not None
        return False

    try:
        wait_until(ready, deadline=Deadline(SystemClock(), 60), what="vault to answer", interval=0.1)
        begun = client.sys.initialize(secret_shares=1, secret_threshold=1)
        client.token, unseal_key = begun["root_token"], begun["keys"][0]
        client.sys.submit_unseal_key(unseal_key)
        wait_until(lambda: client.sys.read_leader_status()["is_self"] or not client.sys.read_leader_status()["ha_enabled"],
                   deadline=Deadline(SystemClock(), 60), what="vault to be active", interval=0.1)
        (folder / "issued-by.pem").write_text(_authorities(client))
        yield RunningVault(client.url, ca_cert, folder / "issued-by.pem", client, unseal_key)
    finally:
        client.adapter.close()
        end_group(process)
        shutil.rmtree(folder, ignore_errors=True)


def _authorities(client: Any) -> str:
    """A root, an intermediate that it signed, and a role that issues by the latter for every name; the root in PEM."""
    for mount in (ROOT, INTERMEDIATE):
        client.sys.enable_secrets_engine("pki", path=mount, config={"max_lease_ttl": "87600h"})
    pki = client.secrets.pki
    root = pki.generate_root("internal", "Shop root", {"ttl": "3650d", "key_type": "ec"}, mount_point=ROOT)["data"]["certificate"]
    request = pki.generate_intermediate("internal", "Shop issuing CA", {"key_type": "ec"}, mount_point=INTERMEDIATE)["data"]["csr"]
    signed = pki.sign_intermediate(request, "Shop issuing CA", {"ttl": "1825d"}, mount_point=ROOT)["data"]["certificate"]
    pki.set_signed_intermediate(f"{signed}\n{root}", mount_point=INTERMEDIATE)
    pki.create_or_update_role(ROLE, {"allow_any_name": True, "enforce_hostnames": False, "key_type": "ec", "max_ttl": "2000d"},
                              mount_point=INTERMEDIATE)
    return root
