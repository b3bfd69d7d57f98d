# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keystores in Java's own formats (JKS, JCEKS), read by Java's own keytool; PKCS#12, the default since Java 9, is read without it.

The Python library for them has not been kept for years, and keytool is there wherever something uses such a file.
"""

from __future__ import annotations

from ..core.errors import AccessDenied, Damaged
from .command import Commands

_SECONDS = 60.0
_VARIABLE = "EVENKEEL_STORE_PASSWORD"


def keystore_certificates(path: str, password: str | None) -> bytes:
    """All certificates of all entries, PEM. Without a password the store's own integrity is not verified.

    :raises AccessDenied: when the password is not the store's
    :raises Damaged: when it is no keystore that can be read
    :raises ToolMissing: without keytool
    :raises TimedOut: when keytool does not end
    """
    commands = Commands()
    program = commands.find("keytool", package="default-jre-headless")
    argv = [program, "-J-Duser.language=en", "-list", "-rfc", "-keystore", f"./{path}" if path.startswith("-") else path]
    # Through the environment: arguments are for all to see.
    done = commands.run([*argv, *(["-storepass:env", _VARIABLE] if password else [])], timeout=_SECONDS, check=False, stdin="\n",
                        env={_VARIABLE: password} if password else None)
    if done.returncode == 0:
        return done.stdout.encode()
    said = (done.stdout + done.stderr).strip()
    if "password" in said.lower():
        raise AccessDenied("it cannot be opened with this password" if password else "it cannot be opened without a password",
                           hint="Give the right password; if it is right, the file is damaged")
    line = next((line for line in said.splitlines() if line.strip()), "keytool said nothing")
    raise Damaged(f"it is no keystore that can be read: {line[:300]}", hint="Look at it with keytool -list, then make it anew")
