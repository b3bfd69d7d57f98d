# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate with its key, and the places that it is installed in: files and TLS secrets."""

from __future__ import annotations

import base64
import errno
import grp
import os
import pwd
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import Damaged, InvalidOption, NotFound
from ..core.files import storage_errors, sync_folder, write_atomically

_CERTIFICATE_MODE = 0o644
_PREVIOUS = ".previous"


@dataclass(frozen=True)
class CertificateContent:
    """PEM: the certificate with its intermediates, and its key. No key is ever shown."""

    certificate: bytes
    key: bytes = field(repr=False)


class FilePlace:
    """Two files. What is replaced stays beside them, with ``.previous`` in its name, as private as the key was.

    ``fits`` says whether a key belongs to its certificate.

    :raises InvalidOption: for an owner or group that this host does not have
    """

    def __init__(self, certificate: str, key: str, *, owner: str | None, group: str | None, mode: int,
                 fits: Callable[[CertificateContent], bool]) -> None:
        self._certificate, self._key, self._mode, self._fits = certificate, key, mode, fits
        self._owner = (_id(pwd.getpwnam, owner, "owner"), _id(grp.getgrnam, group, "group"))
        self._found: dict[str, bytes | None] = {}

    def in_order(self) -> bool:
        """Whether the key is as private as it was told, and both files are whose they should be; true where there are none.

        :raises StorageFailed: where that cannot be seen
        """
        with storage_errors(self._key):
            seen = [os.stat(path) for path in (self._certificate, self._key) if os.path.exists(path)]
        user, group = self._owner
        return all(user in (None, one.st_uid) and group in (None, one.st_gid) for one in seen) \
            and (len(seen) < 2 or stat.S_IMODE(seen[1].st_mode) == self._mode)

    def read(self) -> CertificateContent | None:
        """What is there, or was: where a run was killed between both files, the pair that it replaced. None where there is none.

        :raises StorageFailed: where it cannot be read, or is a link
        """
        with storage_errors(self._certificate):
            for path in (self._certificate, self._key):
                if os.path.islink(path):
                    raise OSError(errno.ELOOP, "it is a link, and would be replaced by a file", path)
            pairs = [(self._certificate, self._key), (self._certificate + _PREVIOUS, self._key + _PREVIOUS)]
            found = [CertificateContent(Path(certificate).read_bytes(), Path(key).read_bytes()) for certificate, key in pairs
                     if os.path.exists(certificate) and os.path.exists(key)]
        return next((one for one in found if self._fits(one)), None)

    def write(self, content: CertificateContent) -> None:
        """Install it; each file is whole at every moment, the key first.

        :raises StorageFailed: where a file cannot be written
        """
        old = self.read()
        with storage_errors(self._certificate):
            self._found = {path: Path(path).read_bytes() if os.path.exists(path) else None for path in (self._key, self._certificate)}
        kept = {self._key: old.key, self._certificate: old.certificate} if old else self._found
        for path, data in kept.items() if old != content else ():
            if data is not None:
                write_atomically(path + _PREVIOUS, data, mode=0o600, owner=self._owner_of(path))
        self._put(content)

    def restore(self, content: CertificateContent | None) -> None:
        """Put back what `read` gave; where that was nothing, what `write` found, be it no files or such as do not fit together.

        :raises StorageFailed: where that cannot be done
        """
        if content is not None:
            self._put(content)
            return
        for path, data in self._found.items():
            if data is not None:
                write_atomically(path, data, mode=self._mode, owner=self._owner_of(path))
                continue
            with storage_errors(path):
                Path(path).unlink(missing_ok=True)
                sync_folder(Path(path).parent)

    def _put(self, content: CertificateContent) -> None:
        for path, data, mode in ((self._key, content.key, self._mode), (self._certificate, content.certificate, _CERTIFICATE_MODE)):
            write_atomically(path, data, mode=mode, owner=self._owner_of(path))

    def _owner_of(self, path: str) -> tuple[int, int]:
        """As told, else as the file that is there has it, else as this process."""
        with storage_errors(path):
            there = os.stat(path) if os.path.exists(path) else None
        user, group = self._owner
        return (user if user is not None else there.st_uid if there else os.geteuid(),
                group if group is not None else there.st_gid if there else os.getegid())


class SecretPlace:
    """A secret of type kubernetes.io/tls, written by server-side apply; ``cluster`` opens the API server when it is first needed."""

    def __init__(self, cluster: Callable[[], Any], name: str) -> None:
        self._cluster = cluster
        self._namespace, _slash, self._name = name.partition("/")

    def in_order(self) -> bool:
        """A secret has no mode and no owner."""
        return True

    def read(self) -> CertificateContent | None:
        """What it holds; None where there is no such secret.

        :raises Damaged: where it is none for TLS
        :raises OpsError: as the cluster says
        """
        from .kubernetes_certificates import secret_content

        try:
            content = secret_content(self._cluster().get(self._object()))
        except NotFound:
            return None
        return CertificateContent(content["tls.crt"], content["tls.key"])

    def write(self, content: CertificateContent) -> None:
        """Apply it.

        :raises OpsError: as the cluster says
        """
        data = {"tls.crt": content.certificate, "tls.key": content.key}
        applied = self._cluster().apply({**self._object(), "type": "kubernetes.io/tls", "data": {
            key: base64.b64encode(value).decode("ascii") for key, value in data.items()}})
        if base64.b64decode(applied["data"]["tls.crt"]) != content.certificate:
            raise Damaged("the cluster took the secret and answers with another certificate", hint="See its admission webhooks")

    def restore(self, content: CertificateContent | None) -> None:
        """Put back what `read` gave: applied, or deleted.

        :raises OpsError: as the cluster says
        """
        if content is None:
            self._cluster().delete(self._object())
        else:
            self.write(content)

    def _object(self) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": self._namespace, "name": self._name}}


def _id(look_up: Callable[[str], Any], name: str | None, what: str) -> int | None:
    if not name:
        return None
    try:
        found = look_up(str(name))
    except KeyError as error:
        raise InvalidOption(f"{what}: this host has no {name!r}", hint="Create the user or group, or name another") from error
    return found.pw_uid if what == "owner" else found.gr_gid
