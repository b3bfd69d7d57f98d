# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""certbot: issues and renews certificates by ACME (RFC 8555), and keeps them in its own folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import Busy, CommandFailed, InvalidOption
from ..core.files import storage_errors
from ..core.options import OptionGroup
from ..core.quantities import parse_duration
from .certificate_content import CertificateContent
from .command import Commands, failure

OPTIONS = OptionGroup(
    fragment="certbot",
    options={
        "certbot": {"type": "dict", "apply_defaults": True, "options": {
            "config_dir": {"type": "path", "default": "/etc/letsencrypt"},
            "work_dir": {"type": "path", "default": "/var/lib/letsencrypt"},
            "logs_dir": {"type": "path", "default": "/var/log/letsencrypt"},
            "server": {"type": "str"},
            "server_ca_cert": {"type": "path"},
            "email": {"type": "str"},
            "agree_tos": {"type": "bool", "default": False},
            "authenticator": {"type": "str", "choices": ["webroot", "standalone", "dns-rfc2136"]},
            "webroot": {"type": "path"},
            "http_port": {"type": "int"},
            "credentials": {"type": "path"},
            "propagation": {"type": "str", "default": "60s"},
            "key_type": {"type": "str", "choices": ["ecdsa", "rsa"], "default": "ecdsa"},
            "timeout": {"type": "str", "default": "10m"},
        }},
    },
)
# How lines begin in which certbot says what was wrong.
_TELLING = ("Detail:", "Error:", "An unexpected error")


class Certbot:
    """certbot in the folders that the options of `OPTIONS` name."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._commands = Commands()
        self._seconds = parse_duration(options["timeout"], option="certbot.timeout")
        if self._seconds <= 0:
            raise InvalidOption(f"certbot.timeout: {options['timeout']} is no time", hint="Write one such as 10m")

    def live(self, name: str) -> tuple[str, str]:
        """Paths of the certificate (with its intermediates) and the key that it keeps by a name."""
        folder = Path(self._options["config_dir"], "live", name)
        return str(folder / "fullchain.pem"), str(folder / "privkey.pem")

    def keeps(self, name: str) -> bool:
        """Whether it keeps a certificate by this name.

        :raises StorageFailed: where that cannot be seen
        """
        with storage_errors(self._options["config_dir"]):
            return Path(self._options["config_dir"], "renewal", f"{name}.conf").exists() or os.path.lexists(self.live(name)[0])

    def content(self, name: str) -> CertificateContent:
        """What it keeps.

        :raises StorageFailed: where it cannot be read
        """
        certificate, key = self.live(name)
        with storage_errors(certificate):
            return CertificateContent(Path(certificate).read_bytes(), Path(key).read_bytes())

    def issue(self, name: str, hosts: Sequence[str], *, same_names: bool) -> None:
        """A new certificate: renewed as certbot remembers it where ``same_names``, else asked for with these names.

        :raises ToolMissing: without certbot
        :raises InvalidOption: where a first certificate is asked for and options say not how
        :raises Busy: when another certbot works in these folders
        :raises CommandFailed, TimedOut: when it is not issued; the one that is there stays
        """
        told = self._options
        program = self._commands.find("certbot", package="certbot")
        shared = ["--cert-name", name, "--non-interactive", "--force-renewal", "--config-dir", told["config_dir"], "--work-dir",
                  told["work_dir"], "--logs-dir", told["logs_dir"]]
        argv = [program, "renew", *shared, "--no-random-sleep-on-renew"] if same_names else [
            program, "certonly", *shared, "--renew-with-new-domains", "--key-type", told["key_type"], *self._first(), *_domains(hosts)]
        # Debian's certbot verifies the ACME server with requests, which takes its authorities from here.
        env = {"REQUESTS_CA_BUNDLE": told["server_ca_cert"]} if told["server_ca_cert"] else None
        done = self._commands.run(argv, timeout=self._seconds, env=env, check=False)
        if done.returncode == 0:
            return
        error, said = failure(done), done.stdout + done.stderr
        if "Another instance of Certbot" in said:
            raise Busy("another certbot works in these folders", hint="Wait for it, then run again", evidence=error.evidence)
        detail = next((line.strip() for line in said.splitlines() if line.strip().startswith(_TELLING)), "")
        raise CommandFailed(f"certbot did not get it: {detail or error.message}",
                            hint=f"See {told['logs_dir']}/letsencrypt.log; the one that is there stays in use", evidence=error.evidence)

    def _first(self) -> list[str]:
        """What certbot cannot remember yet."""
        told = self._options
        if not told["agree_tos"]:
            raise InvalidOption("certbot.agree_tos is not set", hint="Read the terms of the authority, then set it to true")
        if not told["authenticator"]:
            raise InvalidOption("certbot.authenticator is not set", hint="Say how to prove the names: webroot, standalone or dns-rfc2136")
        words = ["--agree-tos", *(["--email", told["email"]] if told["email"] else ["--register-unsafely-without-email"]),
                 *(["--server", told["server"]] if told["server"] else [])]
        if told["authenticator"] == "webroot":
            if not told["webroot"]:
                raise InvalidOption("certbot.webroot is not set", hint="Name the folder that the web server shows on port 80")
            return [*words, "--webroot", "--webroot-path", told["webroot"]]
        if told["authenticator"] == "standalone":
            return [*words, "--standalone", *(["--http-01-port", str(told["http_port"])] if told["http_port"] else [])]
        if not told["credentials"]:
            raise InvalidOption("certbot.credentials is not set", hint="Name the file with the key for dynamic updates (dns_rfc2136_…)")
        seconds = parse_duration(told["propagation"], option="certbot.propagation")
        return [*words, "--dns-rfc2136", "--dns-rfc2136-credentials", told["credentials"],
                "--dns-rfc2136-propagation-seconds", str(max(1, round(seconds)))]


def _domains(hosts: Sequence[str]) -> list[str]:
    return [word for host in hosts for word in ("-d", host)]
