# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thirty servers, each with one thing right or wrong about its certificate, in the manner of badssl.com, on the loopback.

    with serve_cases() as cases:
        for case in cases: case.name, case.port, case.wrong      # the checks that must fail, and no other
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.testbed import CHECKOUT
from tests.testbed.nginx import serve_nginx
from tests.testbed.postgres import free_port
from tests.testbed.revocation import serve_register
from tests.testbed.tls import DAY, Authority, Identity, self_signed, serve_tls

HOST = "www.shop.test"
POLICY = {"warn_days": 30, "fail_days": 14, "max_age": "365d", "min_rsa_bits": 2048, "min_ec_bits": 256,
          "signature_hashes": ["sha256", "sha384", "sha512"], "min_protocol": "TLSv1.2", "refuse_older": True}


@dataclass(frozen=True)
class Case:
    """``wrong`` are the checks that must fail; ``options`` are keys of its source."""

    name: str
    port: int
    wrong: frozenset[str]
    ca_cert: Path
    options: Mapping[str, Any] = field(default_factory=dict)

    def source(self) -> dict[str, Any]:
        """As an entry of ``sources``."""
        return {"name": self.name, "endpoint": f"127.0.0.1:{self.port}", "server_name": HOST, "ca_cert": str(self.ca_cert), **self.options}


@contextlib.contextmanager
def serve_cases() -> Iterator[list[Case]]:
    """All of them, until the block ends."""
    now = datetime.now(timezone.utc).replace(microsecond=0)
    names = [HOST]
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-cases-"))
    root, old_root = Authority.create("Known root", key="rsa"), Authority.create("Ended root", not_after=now - DAY)
    ca_cert = root.write(folder)
    try:
        with contextlib.ExitStack() as stack:
            above = stack.enter_context(serve_register(root))
            middle = root.intermediate("Known intermediate", key="rsa", extensions=above.where())
            above.register(middle.certificate)
            fallen = root.intermediate("Revoked intermediate", extensions=above.where())
            above.register(fallen.certificate, revoked=True)
            register, below = stack.enter_context(serve_register(middle)), stack.enter_context(serve_register(fallen))
            ended = root.intermediate("Ended intermediate", not_before=now - 99 * DAY, not_after=now - DAY)
            stranger = Authority.create("Unknown root").intermediate()
            leaf, impostor = middle.issue(names), middle.issue(names)
            twin = Identity(leaf.certificate, leaf.key, (root.intermediate("Known intermediate", key="rsa").certificate,))
            asked = {"policy": {"verify_revocation": True}}
            plain: list[tuple[str, Identity, dict[str, Any], str, dict[str, Any]]] = [
                ("good", leaf, {}, "", {}),
                ("good, RSA", middle.issue(names, key="rsa"), {}, "", {}),
                ("good, wildcard", middle.issue(["*.shop.test"]), {}, "", {}),
                ("good, address", middle.issue(["127.0.0.1"]), {}, "", {"server_name": None}),
                ("good, not revoked", register.issue(names), {}, "", asked),
                ("expired", middle.issue(names, not_after=now - 3 * DAY), {}, "expiry", {}),
                ("not yet valid", middle.issue(names, not_before=now + 3 * DAY), {}, "expiry", {}),
                ("ends in five days", middle.issue(names, not_after=now + 5 * DAY), {}, "expiry", {}),
                ("valid for 398 days", middle.issue(names, not_after=now + 397 * DAY), {}, "lifetime", {}),
                ("wrong host", middle.issue(["elsewhere.test"]), {}, "host_name", {}),
                ("wildcard too high", middle.issue(["*.shop.test"]), {}, "host_name", {"server_name": f"a.{HOST}"}),
                ("name only in CN", middle.issue([], common_name=HOST), {}, "host_name", {}),
                ("self-signed", self_signed(names), {}, "self_signed", {}),
                ("untrusted root", stranger.issue(names), {}, "chain", {}),
                ("incomplete chain", middle.issue(names).without_chain(), {}, "chain", {}),
                ("expired intermediate", ended.issue(names), {}, "chain expiry", {}),
                ("expired root", old_root.issue(names), {}, "chain", {"ca_cert": str(old_root.write(folder, "old-ca"))}),
                ("issued by a leaf", Authority(impostor.certificate, impostor.key, middle).issue(names), {}, "chain", {}),
                ("wrong intermediate", twin, {}, "chain", {}),
                ("for clients only", middle.issue(names, purpose=ExtendedKeyUsageOID.CLIENT_AUTH), {}, "chain", {}),
                ("RSA with 1024 bits", middle.issue(names, key="rsa1024"), {}, "key", {}),
                ("SHA-1", middle.issue(names, digest="sha1"), {}, "signature", {}),
                ("MD5", middle.issue(names, digest="md5"), {}, "signature", {}),
                ("TLS 1.0", leaf, {"minimum": "TLSv1", "maximum": "TLSv1"}, "protocol", {}),
                ("TLS 1.1", leaf, {"minimum": "TLSv1", "maximum": "TLSv1_1"}, "protocol", {}),
                ("TLS 1.0 too", leaf, {"minimum": "TLSv1"}, "protocol", {}),
                ("revoked, by OCSP", register.issue(names, crl=False, revoked=True), {}, "revocation", asked),
                ("revoked, by a list", register.issue(names, ocsp=False, revoked=True), {}, "revocation", asked),
                ("revoked intermediate", below.issue(names), {}, "revocation", asked),
            ]
            cases = [Case(name, stack.enter_context(serve_tls(identity, **how)), frozenset(wrong.split()), ca_cert, options)
                     for name, identity, how, wrong, options in plain]
            answer = register.staple(register.issue(names))
            certificate, key = register.issue(names, revoked=True).write(folder, "stapled")
            port = free_port()
            block = f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; " \
                    f"ssl_stapling on; ssl_stapling_file {answer}; return 204; }}"
            stack.enter_context(serve_nginx(folder, [block], port=port))
            cases.append(Case("staples another's answer", port, frozenset({"stapling"}), ca_cert, {"policy": {"require_stapling": True}}))
            yield cases
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ask_get_certificate(cases: list[Case]) -> dict[str, str]:
    """What ``community.crypto.get_certificate`` says of each: good, expired, or why it failed. It is given all that it takes."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip([case.name for case in cases], pool.map(_ask, cases), strict=True))


def _ask(case: Case) -> str:
    name = case.options.get("server_name", HOST)
    arguments = {"host": "127.0.0.1", "port": case.port, "ca_cert": case.options.get("ca_cert", str(case.ca_cert)), "timeout": 10,
                 **({"server_name": name} if name else {})}
    done = subprocess.run([sys.executable, "-m", "tests.testbed.module", "community.crypto.get_certificate"], text=True, cwd=CHECKOUT,
                          input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), capture_output=True, timeout=60, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stdout[-2000:] + done.stderr[-2000:]
    answer = json.loads(lines[-1])
    if answer.get("failed"):
        return " ".join(str(answer["msg"]).split())[-120:]
    return "expired" if answer["expired"] else "good"
