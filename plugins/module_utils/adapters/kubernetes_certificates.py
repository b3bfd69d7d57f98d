# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates in a cluster: TLS secrets, and the Certificate objects of cert-manager with the secrets that they fill."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..core.errors import AccessDenied, Damaged, NotFound
from ..core.options import OptionGroup
from .held_certificate import HeldCertificate, Parse
from .kubernetes_kind import Kind

if TYPE_CHECKING:
    from .kubernetes import Cluster

OPTIONS = OptionGroup(
    fragment="kubernetes_certificates",
    options={
        "kubernetes": {"type": "dict", "options": {
            "kubeconfig": {"type": "path", "required": True},
            "context": {"type": "str"},
            "request_timeout": {"type": "str", "default": "30s"},
        }},
    },
)
SECRET = Kind("Secret", "secrets", "", "v1", True, frozenset({"get", "list", "patch"}))
CERTIFICATE = Kind("Certificate", "certificates", "cert-manager.io", "v1", True, frozenset({"get", "list"}))
TLS_TYPE = "kubernetes.io/tls"


class ClusterCertificates:
    """Reads them; the cluster is opened when it is first asked. Names are ``namespace/name`` or ``namespace/*``."""

    def __init__(self, open_cluster: Callable[[], Cluster], parse: Parse) -> None:
        self._open, self._parse = open_cluster, parse
        self._opened: Cluster | None = None

    @property
    def cluster(self) -> Cluster:
        """The API server."""
        if self._opened is None:
            self._opened = self._open()
            self._opened.know(SECRET, CERTIFICATE)
        return self._opened

    def secrets(self, name: str) -> list[HeldCertificate]:
        """The secret of this name, or every secret of type kubernetes.io/tls in the namespace.

        :raises NotFound: where there is none of this name
        :raises Damaged: where it is none for TLS
        """
        namespace, _slash, single = name.partition("/")
        found = self.cluster.list(SECRET, namespace, fields=f"type={TLS_TYPE}") if single == "*" else [self._get(SECRET, namespace, single)]
        return [self._held(one) for one in found]

    def certificates(self, name: str) -> list[HeldCertificate]:
        """The Certificate of this name, or every one in the namespace, with what its secret holds.

        :raises NotFound: where there is none of this name, or the cluster has no cert-manager
        """
        namespace, _slash, single = name.partition("/")
        found = self.cluster.list(CERTIFICATE, namespace) if single == "*" else [self._get(CERTIFICATE, namespace, single)]
        return [self._issued(one) for one in found]

    def _get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any]:
        return self.cluster.get({"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"namespace": namespace, "name": name}})

    def _held(self, secret: Mapping[str, Any]) -> HeldCertificate:
        name = f"{secret['metadata']['namespace']}/{secret['metadata']['name']}"
        try:
            content = secret_content(secret)
            chain, key = self._parse(content["tls.crt"] + b"\n" + content["tls.key"])
        except (Damaged, AccessDenied) as error:
            return HeldCertificate(name, record=("bad", f"the secret cannot be used: {error.message}", error.hint, "damaged"))
        return HeldCertificate(name, tuple(chain), key)

    def _issued(self, certificate: Mapping[str, Any]) -> HeldCertificate:
        namespace, spec = certificate["metadata"]["namespace"], certificate.get("spec") or {}
        name = f"{namespace}/{certificate['metadata']['name']}"
        hosts = tuple(str(one).lower() for one in (*(spec.get("dnsNames") or ()), *(spec.get("ipAddresses") or ())))
        record, secret = _record(certificate), str(spec.get("secretName") or "")
        try:
            held = self._held(self._get(SECRET, namespace, secret))
        except NotFound:
            missing = ("bad", f"its secret {secret} is not there", f"kubectl describe certificate -n {namespace} says why", "no secret")
            return HeldCertificate(name, hosts=hosts, record=record if record[0] == "bad" else missing)
        except AccessDenied as error:
            return HeldCertificate(name, hosts=hosts, record=("unknown", f"its secret {secret} may not be read", error.hint, ""))
        return HeldCertificate(name, held.chain, held.key, hosts, held.record or record)


def secret_content(secret: Mapping[str, Any]) -> dict[str, bytes]:
    """``tls.crt`` and ``tls.key`` of a secret.

    :raises Damaged: where one is missing, or no base64
    """
    data = secret.get("data") or {}
    try:
        return {key: base64.b64decode(data[key], validate=True) for key in ("tls.crt", "tls.key")}
    except KeyError as error:
        raise Damaged(f"it has no {error.args[0]}", hint="Apply it again as a secret of type kubernetes.io/tls") from error
    except (binascii.Error, TypeError, ValueError) as error:
        raise Damaged("its data is no base64", hint="Apply it again as a secret of type kubernetes.io/tls") from error


def _record(certificate: Mapping[str, Any]) -> tuple[str, str, str, str]:
    status, name = certificate.get("status") or {}, certificate["metadata"]
    ready = next((one for one in status.get("conditions") or () if one.get("type") == "Ready"), None)
    look = f"kubectl describe certificate {name['name']} -n {name['namespace']}, then its CertificateRequest, Order and Challenge"
    if ready is None:
        return ("unknown", "cert-manager has said nothing of it yet", f"See that cert-manager runs; {look}", "")
    if ready.get("status") != "True":
        said = " ".join(str(ready.get("message") or ready.get("reason") or "no reason given").split())[:300]
        return ("bad", f"cert-manager says that it is not ready: {said}", look, str(ready.get("reason") or "not ready"))
    renewal = status.get("renewalTime")
    return ("good", "cert-manager says that it is ready" + (f" and will be renewed at {renewal}" if renewal else ""), "", "ready")
