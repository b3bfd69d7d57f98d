# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a renewal of a certificate is handed, put together from the module's options."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ..adapters.certificate_content import CertificateContent, FilePlace, SecretPlace
from ..adapters.command import Commands
from ..adapters.kubernetes_certificates import SECRET
from ..adapters.tls import Tls
from ..adapters.x509 import X509
from ..certificates.observe import Effort, observe
from ..certificates.renew import Issuer, Tools
from ..certificates.renewal import Place, Renewal, RenewalPolicy
from ..core.edge import Request
from ..core.errors import OpsError
from .certificates import cluster_of, elsewhere

_AT_A_TIME = 20  # endpoints of one certificate that are looked at together


def renewal_tools(request: Request, issuer: Issuer, policy: RenewalPolicy) -> Callable[[Renewal], Tools]:
    """What each renewal is handed."""
    reader, prober, commands = X509(), Tls(), Commands()
    more = elsewhere(request, reader)
    effort = Effort.from_options(request["timeout"], 0, _AT_A_TIME)

    @lru_cache(maxsize=1)
    def cluster() -> Any:
        opened = cluster_of(request)
        opened.know(SECRET)
        return opened

    def fits(content: CertificateContent) -> bool:
        try:
            chain, key = reader.parse(content.certificate + b"\n" + content.key)
            return bool(chain) and key is not None and reader.describe(chain[0])["key"] == key
        except OpsError:
            return False

    def store(place: Place) -> FilePlace | SecretPlace:
        if place.secret:
            return SecretPlace(cluster, place.secret)
        return FilePlace(str(place.certificate), str(place.key), owner=place.owner, group=place.group, mode=place.mode, fits=fits)

    return lambda renewal: Tools(
        issuer, [store(place) for place in renewal.places],
        lambda: observe(renewal.sources, reader, prober, request.clock, effort, more),
        lambda argv: commands.run(argv, timeout=policy.command_timeout), request.clock)
