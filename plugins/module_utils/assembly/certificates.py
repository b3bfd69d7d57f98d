# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where certificates are kept besides files, and who is asked about them, put together from a module's options.

Imported late, all of it: a run over endpoints and files needs none of it, and importing costs more than many handshakes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..adapters import acm, kubernetes_certificates, vault
from ..adapters.x509 import X509
from ..certificates.ports import Elsewhere, Held, Inquiry
from ..certificates.sources import Source
from ..core.edge import Request
from ..core.errors import InvalidOption
from ..core.options import own
from ..core.quantities import parse_duration

OPTIONS = own(resolver={"type": "str"}) + kubernetes_certificates.OPTIONS + acm.OPTIONS
# Of a check; what is renewed is nowhere read from Vault.
CHECK_OPTIONS = OPTIONS + vault.OPTIONS


def elsewhere(request: Request, reader: X509) -> Elsewhere:
    """Nothing is opened or asked before a source needs it."""
    resolver = _resolver(request["resolver"])
    timeout = parse_duration(request["timeout"], option="timeout")

    @lru_cache(maxsize=1)
    def cluster() -> kubernetes_certificates.ClusterCertificates:
        return kubernetes_certificates.ClusterCertificates(lambda: cluster_of(request), reader.parse)

    @lru_cache(maxsize=1)
    def amazon() -> acm.CertificateStore:
        return acm.CertificateStore(request["acm"] or {}, reader.parse)

    @lru_cache(maxsize=1)
    def inquiry() -> Inquiry:
        from ..adapters import revocation

        return revocation.Inquiry(request.clock, timeout=timeout, resolver=resolver)

    @lru_cache(maxsize=1)
    def authority() -> Any:
        from ..adapters.vault_pki import Vault

        return Vault(request["vault"] or {}, reader.parse)

    def issued_by(source: Source) -> Sequence[Held]:
        from ..certificates import issued

        path, wanted = issued.split(source.vault or "")
        mount = authority().mount(path, wanted.lower() if issued.SERIAL.fullmatch(wanted) else None)
        return issued.issued(mount, source, reader, request.clock.now())

    return Elsewhere({
        "secret": lambda source: cluster().secrets(source.secret or ""),
        "certificate": lambda source: cluster().certificates(source.certificate or ""),
        "acm": lambda source: amazon().certificates(source.acm or ""),
        "vault": issued_by,
    }, inquiry)


def cluster_of(request: Request) -> Any:
    """The cluster that the option ``kubernetes`` names.

    :raises InvalidOption: where it names none
    """
    from ..adapters.kubernetes import open_cluster

    return open_cluster(request["kubernetes"] or {})


def _resolver(text: Any) -> tuple[str, int] | None:
    if not text:
        return None
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:]+)\]|([0-9.]+))(?::([0-9]{1,5}))?", str(text))
    if not match or not 0 < int(match[3] or 53) < 65536:
        raise InvalidOption(f"resolver: {text!r} is no address of a resolver", hint="Write 192.0.2.53 or [2001:db8::53]:5353")
    return match[1] or match[2], int(match[3] or 53)
