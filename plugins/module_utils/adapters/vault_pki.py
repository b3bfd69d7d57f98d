# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HashiCorp Vault's PKI engine has issued and keeps, through hvac."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..core.errors import AccessDenied, CommandFailed, Damaged, InvalidOption, LibraryMissing, NotFound, OpsError, TimedOut, Unreachable
from ..core.files import storage_errors
from ..core.quantities import format_duration, parse_duration
from .blocking import in_thread
from .held_certificate import Parse
from .rest import Rest, RestTarget, translated

_AT_A_TIME = 8  # serials that are read together: Vault answers each from its storage, and others ask it too
_GOODBYE_SECONDS = 5


@dataclass(frozen=True)
class PkiMount:
    """What a mount keeps: ``certificates`` as DER and the instant of their revocation (RFC 3339, empty for none), and the chain
    of each issuer, its own certificate first. ``gone`` were removed between being listed and being read.
    """

    certificates: tuple[tuple[bytes, str], ...]
    issuers: tuple[tuple[bytes, ...], ...]
    gone: int = 0


class Vault:
    """One Vault and its namespace; asked when a mount is first read, each mount once.

    What logs in here (AppRole, Kubernetes) gets a token for one mount and gives it back. hvac's own look at VAULT_TOKEN, VAULT_ADDR
    and ``~/.vault-token`` has no part in it.
    """

    def __init__(self, options: Mapping[str, Any], parse: Parse) -> None:
        self._options, self._parse = options, parse
        self._read: dict[tuple[str, str | None], PkiMount | OpsError] = {}

    def mount(self, path: str, serial: str | None = None) -> PkiMount:
        """What the PKI engine at ``path`` keeps, or just the certificate with this serial number, and its issuers.

        :raises LibraryMissing: without hvac
        :raises InvalidOption: where no Vault is named, or nothing to log in with
        :raises AccessDenied: for credentials or a token that are refused, or that may not read this
        :raises NotFound: where no PKI engine is mounted there, or it has no such serial number
        :raises Unreachable, TimedOut, Damaged, CommandFailed: where Vault is sealed, does not answer in time, or is none
        """
        if (path, serial) not in self._read:
            try:
                self._read[path, serial] = self._mount(path, serial)
            except OpsError as error:
                self._read[path, serial] = error  # of twenty names in one mount, each would wait for it
        found = self._read[path, serial]
        if isinstance(found, OpsError):
            raise found
        return found

    def _mount(self, path: str, serial: str | None) -> PkiMount:
        if not self._options:
            raise InvalidOption("no Vault is named", hint="Give the option vault: url, and what to log in with")
        within = parse_duration(self._options["within"], option="vault.within")
        timeout = parse_duration(self._options["request_timeout"], option="vault.request_timeout")
        if min(timeout, within) <= 0:
            raise InvalidOption("vault: a time of nothing is no time to answer", hint="Write such as 30s for one request, 2m for a mount")
        rest = Rest(RestTarget(self._options["url"].rstrip("/"), ca_cert=self._options.get("ca_cert"), timeout=timeout), what="Vault")
        reading = _Reading(rest, self._options, self._parse, path)
        try:
            return asyncio.run(reading.all(serial, within))
        finally:
            rest.close()


class _Reading:
    """One mount, read once."""

    def __init__(self, rest: Rest, options: Mapping[str, Any], parse: Parse, path: str) -> None:
        try:
            import hvac
        except ImportError as error:
            raise LibraryMissing("hvac") from error
        self._options, self._parse, self._path = options, parse, path
        self._url = rest.target.url
        # The session verifies by its own ca_cert. A redirect would carry the token to whoever it names; ?list=true passes proxies
        # that know no LIST.
        self._client = hvac.Client(url=self._url, token="", session=rest.session, timeout=rest.target.timeout, allow_redirects=False,
                                   namespace=options.get("namespace") or None, strict_http=True)
        self._errors = hvac.exceptions
        self._done = self._listed = 0
        self._lent = False

    async def all(self, serial: str | None, within: float) -> PkiMount:
        """Everything, in threads that nobody waits for longer than ``within`` seconds, whatever a server drips."""
        try:
            async with asyncio.timeout(within):
                await in_thread(self._log_in)
                return await self._everything(serial)
        except TimeoutError as error:
            read = f" after {self._done} of {self._listed} certificates" if self._listed else ""
            raise TimedOut(f"{self._where}: reading {self._path} was given up{read}, at {format_duration(within)}",
                           hint=f"Remove what has expired (vault write {self._path}/tidy tidy_cert_store=true), name single "
                           "serial numbers, or allow more time in vault.within") from error
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    await in_thread(self._log_out)

    async def _everything(self, serial: str | None) -> PkiMount:
        serials = [serial] if serial else await in_thread(self._serials)
        issuers = await in_thread(self._issuers)
        self._listed = len(serials)
        gate = asyncio.Semaphore(_AT_A_TIME)

        async def read(number: str) -> tuple[bytes, str] | None:
            async with gate:
                found = await in_thread(lambda: self._certificate(number))
            self._done += 1
            return found

        found = await asyncio.gather(*(read(number) for number in serials))
        kept = tuple(one for one in found if one is not None)
        if serials and not kept:
            raise NotFound(f"{self._where}: {self._path} has no certificate {serial}" if serial else
                           f"{self._where}: {self._path} lists {len(serials)} entries, and none is a certificate",
                           hint="Correct serial number and mount: vault secrets list shows those of type pki")
        return PkiMount(kept, tuple(issuers), len(found) - len(kept))

    def _log_in(self) -> None:
        given, auth = self._options, self._client.auth
        mount = given.get("auth_mount") or given["auth"]
        if given["auth"] == "token":
            if not given.get("token") and not given.get("token_file"):
                raise InvalidOption("vault: there is nothing to log in with", hint="Give vault.token or vault.token_file, or auth "
                                    "approle with role_id and secret_id, or auth kubernetes with role")
            self._client.token = given.get("token") or _secret(given["token_file"], "vault.token_file")
            return
        refused = f"Check the credentials, and that {given['auth']} is enabled at auth/{mount}"
        if given["auth"] == "kubernetes":  # whom its role takes Vault says, but not what came of asking the API server
            refused = (f"See that kubernetes is enabled at auth/{mount}, and whom the role takes: vault read auth/{mount}/role/"
                       f"{given['role']}. Why permission is denied is in Vault's log at level debug: the file holds no token, or one that "
                       f"ended with its service account; the API server of auth/{mount}/config does not answer Vault; its reviewer may "
                       "not create tokenreviews")
        with self._translated(f"logging in by {mount}", refused=refused):
            if given["auth"] == "approle":
                auth.approle.login(given["role_id"], given["secret_id"], mount_point=mount)
            else:
                auth.kubernetes.login(given["role"], _secret(given["jwt_file"], "vault.jwt_file"), mount_point=mount)
        self._lent = True

    def _log_out(self) -> None:
        if self._lent:
            with suppress(Exception):  # the token ends by itself, and what was read is no less true
                self._client.auth.token.revoke_self()

    def _serials(self) -> list[str]:
        with self._translated("listing its certificates"):
            try:
                listed = self._client.secrets.pki.list_certificates(mount_point=self._path)
            except self._errors.InvalidPath as error:
                if error.json is None or error.errors:
                    raise
                return []  # so Vault says that a list is empty
            return [str(number) for number in self._data(listed)["keys"]]

    def _issuers(self) -> list[tuple[bytes, ...]]:
        """Each issuer's chain; that of the default issuer alone where others may not be read, or Vault is older than 1.11."""
        pki = self._client.secrets.pki
        with self._translated("reading its issuers"):
            try:
                names = self._data(pki.list_issuers(mount_point=self._path))["keys"]
                read = [self._data(pki.read_issuer(name, mount_point=self._path)) for name in names]
                chains = [(one["certificate"], *(one.get("ca_chain") or ())) for one in read]
            except (self._errors.Forbidden, self._errors.InvalidPath):
                chains = [(pki.read_ca_certificate_chain(mount_point=self._path),)]
        found = [tuple(dict.fromkeys(self._certificates("\n".join(chain), "an issuer"))) for chain in chains]
        return [chain for chain in found if chain]

    def _certificate(self, serial: str) -> tuple[bytes, str] | None:
        with self._translated(f"reading {serial}"):
            try:
                data = self._data(self._client.secrets.pki.read_certificate(serial, mount_point=self._path))
            except self._errors.InvalidPath as error:
                if error.json is None or "no handler" in str(error):
                    raise
                return None
        [certificate, *_chain] = self._certificates(data.get("certificate") or "", serial) or [None]
        if certificate is None:
            return None
        revoked = data.get("revocation_time") or 0
        return certificate, f"{datetime.fromtimestamp(int(revoked), timezone.utc):%Y-%m-%dT%H:%M:%SZ}" if revoked else ""

    def _certificates(self, pem: str, what: str) -> list[bytes]:
        try:
            return self._parse(pem.encode())[0] if pem.strip() else []
        except Damaged as error:
            raise Damaged(f"{self._where}: {self._path}: {what}: {error.message}", hint=error.hint) from error

    def _data(self, answer: Any) -> dict[str, Any]:
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict):
            raise self._no_vault(getattr(answer, "text", ""))
        return data

    def _no_vault(self, said: str) -> Unreachable:
        return Unreachable(f"{self._url} answers, but not as Vault does", hint="See what listens there; check host, port and scheme of "
                           "vault.url. A redirect is not followed: name the node that it leads to", evidence={"said": said[:1000]})

    @property
    def _where(self) -> str:
        return f"Vault at {self._url}"

    @contextmanager
    def _translated(self, doing: str, *, refused: str = "") -> Iterator[None]:
        """What Vault says, in our words. ``doing`` is what it was asked for, ``refused`` what to do when it takes no credentials.

        :raises AccessDenied, NotFound, Unreachable, TimedOut, CommandFailed: by what it said
        """
        errors = self._errors
        try:
            with translated(self._where, {"url": self._url, "mount": self._path}):
                yield
        except errors.VaultError as error:
            if error.json is None:
                raise self._no_vault(error.text or "") from error
            said = "; ".join(str(one) for one in error.errors or ()) or "it gave no reason"
            evidence = {"mount": self._path, "said": said[:1000]}
            if isinstance(error, errors.VaultDown) and "sealed" in said:
                raise Unreachable(f"{self._where} is sealed", evidence=evidence, hint="Unseal it (vault operator unseal), or name an "
                                  "unsealed node in vault.url") from error
            if isinstance(error, (errors.Forbidden, errors.Unauthorized, errors.InvalidRequest)):
                raise self._refusal(doing, said, refused, evidence) from error
            if isinstance(error, errors.InvalidPath):
                raise NotFound(f"{self._where} has no PKI engine at {self._path}: {said}", evidence=evidence,
                               hint="Correct the mount: vault secrets list shows those of type pki") from error
            raise CommandFailed(f"{self._where}: {doing} failed: {said}", hint="See Vault's log", evidence=evidence) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # JSON of another shape, here or within hvac
            raise self._no_vault("") from error

    def _refusal(self, doing: str, said: str, refused: str, evidence: dict[str, Any]) -> AccessDenied:
        if refused:
            return AccessDenied(f"{self._where} refuses {doing}: {said}", hint=refused, evidence=evidence)
        # "permission denied" is its answer to a token that ended as well as to one that may not.
        try:
            with translated(self._where, evidence):
                self._client.auth.token.lookup_self()
        except self._errors.VaultError:
            return AccessDenied(f"{self._where} does not know this token, {doing} in {self._path} was refused", evidence=evidence,
                                hint="It expired, was revoked or was used up: get a new one")
        return AccessDenied(f"{self._where}: the token's policies do not allow {doing} in {self._path}, or nothing is mounted there",
                            evidence=evidence, hint=f'Allow it: path "{self._path}/certs" {{ capabilities = ["list"] }} and path '
                            f'"{self._path}/issuer*" {{ capabilities = ["list", "read"] }}')


def _secret(path: str, option: str) -> str:
    hint = "Name the file that holds it, or see what is to fill it"
    with storage_errors(path):
        try:
            content = Path(path).read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError as error:  # to make its folder, as is said where something is to be written, is no help
            raise InvalidOption(f"{option}: {path} is not there", hint=hint) from error
    if not content:
        raise InvalidOption(f"{option}: {path} is empty", hint=hint)
    return content
