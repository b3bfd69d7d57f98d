# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/postgres.py."""

from __future__ import annotations


class ModuleDocFragment:
    """How a PostgreSQL server is reached."""

    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - Host of the server, or the folder of its socket.
      - Empty for the local socket.
    type: str
    default: ""
    aliases: [host]
  login_port:
    description: Port of the server.
    type: int
    default: 5432
    aliases: [port]
  login_user:
    description: Role to log in as.
    type: str
    default: postgres
    aliases: [user]
  login_password:
    description:
      - Its password.
      - Never put on a command line; programs get it through a passfile of mode 0600.
    type: str
    aliases: [password]
  login_db:
    description: Database to connect to.
    type: str
    default: postgres
    aliases: [database, db]
  ssl_mode:
    description: How TLS is used, as libpq's C(sslmode).
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description: Certificate authorities that the server's certificate is checked against, a PEM file.
    type: path
    aliases: [ssl_rootcert]
  connect_timeout:
    description: Seconds until a server that does not answer is given up, at least 2.
    type: int
    default: 10
requirements:
  - psycopg >= 3.2
"""
