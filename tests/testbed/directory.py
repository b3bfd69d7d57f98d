# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real LDAP server (OpenLDAP's slapd) on the loopback, with a small tree."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.command import Commands, end_group
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

from tests.testbed.postgres import free_port
from tests.testbed.tls import Identity

SUFFIX = "dc=shop,dc=test"
ADMIN = f"cn=admin,{SUFFIX}"
PASSWORD = "op3n-s3same"
_TREE = f"""dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
dc: shop
o: Shop

dn: ou=people,{SUFFIX}
objectClass: organizationalUnit
ou: people

dn: uid=probe,ou=people,{SUFFIX}
objectClass: inetOrgPerson
uid: probe
cn: Größe 100%
sn: Probe
"""


@dataclass(frozen=True)
class Directory:
    """Ports for LDAP, which also begins TLS, and for LDAP over TLS."""

    port: int
    tls_port: int


@contextlib.contextmanager
def serve_directory(identity: Identity) -> Iterator[Directory]:
    """slapd until the block ends; whoever binds as nobody may read.

    :raises ToolMissing: without slapd
    """
    commands = Commands()
    slapd, slapadd = (commands.find(program, package="slapd") for program in ("slapd", "slapadd"))
    folder = Path(tempfile.mkdtemp(prefix="evenkeel-slapd-"))
    certificate, key = identity.write(folder)
    (folder / "data").mkdir()
    schemas = "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine", "inetorgperson"))
    (folder / "slapd.conf").write_text(
        f"{schemas}modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {folder}/slapd.pid\n"
        f"TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\n"
        f'database mdb\nmaxsize 10485760\nsuffix "{SUFFIX}"\nrootdn "{ADMIN}"\nrootpw {PASSWORD}\ndirectory {folder}/data\n')
    (folder / "tree.ldif").write_text(_TREE, encoding="utf-8")
    process = None
    try:
        commands.run([slapadd, "-f", f"{folder}/slapd.conf", "-l", f"{folder}/tree.ldif"], timeout=120)
        found = Directory(free_port(), free_port())
        process = commands.start(
            [slapd, "-f", f"{folder}/slapd.conf", "-d", "0", "-h", f"ldap://127.0.0.1:{found.port} ldaps://127.0.0.1:{found.tls_port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: listens(found.port) and listens(found.tls_port), deadline=Deadline(SystemClock(), 60), what="slapd",
                   interval=0.05)
        yield found
    finally:
        if process:
            end_group(process)
        shutil.rmtree(folder, ignore_errors=True)


def listens(port: int) -> bool:
    """Whether something accepts there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
