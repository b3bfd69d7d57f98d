# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""age (age-encryption.org/v1) through pyrage, streaming: whoever backs up needs public keys only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import AccessDenied, Damaged, InvalidOption, LibraryMissing
from ..core.files import storage_errors

try:
    import pyrage
except ImportError:  # told when a key is read
    pyrage = None


class AgeCipher:
    """Encrypts for ``recipients`` (``age1…``, or an SSH public key), decrypts with the keys in ``identity_file``.

    The identity file is what age-keygen writes, or an SSH private key without a passphrase.

    :raises LibraryMissing: without pyrage, where there is a key
    :raises InvalidOption: for text that is no key; the text of a private key is not repeated
    :raises StorageFailed: when the identity file cannot be read
    """

    def __init__(self, recipients: Sequence[str] = (), identity_file: str | None = None) -> None:
        if pyrage is None and (recipients or identity_file):
            raise LibraryMissing("pyrage")
        self.recipients = tuple(recipients)
        self._recipients = [_recipient(text) for text in recipients]
        self._identities = _identities(Path(identity_file)) if identity_file else []

    @property
    def can_decrypt(self) -> bool:
        """Whether a private key was given."""
        return bool(self._identities)

    def encrypt(self, reader: Any, writer: Any) -> None:
        """Read ``reader`` to its end and write it encrypted for every recipient.

        :raises InvalidOption: without a recipient
        :raises OSError: the reader's and the writer's own, as they raised them
        """
        if not self._recipients:
            raise InvalidOption("There is no public key to encrypt for",
                                hint="Give at least one recipient (age-keygen -y prints it)")
        with _Watched(reader, writer) as (source, sink):
            pyrage.encrypt_io(source, sink, self._recipients)

    def decrypt(self, reader: Any, writer: Any) -> None:
        """Read ``reader`` to its end and write it decrypted.

        :raises AccessDenied: when none of the private keys fits, or there is none
        :raises Damaged: when the ciphertext was altered or cut
        :raises OSError: the reader's and the writer's own, as they raised them
        """
        if not self._identities:
            raise AccessDenied("It is encrypted, and no private key was given",
                               hint="Name the identity file of one of its recipients")
        try:
            with _Watched(reader, writer) as (source, sink):
                pyrage.decrypt_io(source, sink, self._identities)
        except pyrage.DecryptError as error:
            if "No matching keys" in str(error):
                raise AccessDenied("It is encrypted for another key",
                                   hint="Name the identity file of one of its recipients") from error
            raise Damaged(f"age cannot decrypt it: {error}") from error
        except _NotOurs as error:
            raise Damaged(f"age cannot decrypt it: {error}") from error


class _NotOurs(Exception):
    """An OSError that neither our reader nor our writer raised: age's own word for an authentication that failed."""


class _Watched:
    """Keeps what reader and writer raise inside pyrage, which loses or renames it (1.4: an error in the last write is lost)."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader, self._writer = reader, writer
        self._raised: BaseException | None = None

    def __enter__(self) -> tuple[_Watched, _Watched]:
        return self, self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._raised is not None:
            raise self._raised
        if isinstance(error, OSError):
            raise _NotOurs(str(error)) from error

    def read(self, size: int) -> bytes:
        return self._kept(self._reader.read, size)

    def write(self, block: bytes) -> int:
        self._kept(self._writer.write, block)
        return len(block)

    def flush(self) -> None:
        self._kept(self._writer.flush)

    def _kept(self, call: Callable[..., Any], *arguments: Any) -> Any:
        if self._raised is not None:
            raise OSError("stopped")
        try:
            return call(*arguments)
        except BaseException as error:
            self._raised = error
            raise OSError("stopped") from error


def _recipient(text: str) -> Any:
    kind = pyrage.ssh.Recipient if text.startswith("ssh-") else pyrage.x25519.Recipient
    try:
        return kind.from_str(text.strip())
    except pyrage.RecipientError as error:
        hint = "That is a PRIVATE key: take it out of the inventory and replace it" if text.startswith("AGE-SECRET-KEY") \
            else "Give an age1… key (age-keygen -y prints it) or an ssh-ed25519 or ssh-rsa public key"
        shown = "a text" if text.startswith("AGE-SECRET-KEY") else repr(text)
        raise InvalidOption(f"recipients: {shown} is no public key: {error}", hint=hint) from error


def _identities(path: Path) -> list[Any]:
    with storage_errors(path):
        content = path.read_bytes()
    try:
        if b"PRIVATE KEY-----" in content:
            return [pyrage.ssh.Identity.from_buffer(content)]
        lines = [line.strip() for line in content.decode().splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (pyrage.IdentityError, UnicodeDecodeError) as error:
        raise InvalidOption(f"{path} holds something that is no private key for age",
                            hint="Give a file that age-keygen wrote, or an SSH key without a passphrase") from error
    if not found:
        raise InvalidOption(f"{path} holds no private key", hint="Give a file that age-keygen wrote")
    return found


def version() -> str:
    """Of pyrage."""
    from importlib.metadata import version as installed

    return installed("pyrage")
