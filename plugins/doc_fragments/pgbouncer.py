# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/adapters/pgbouncer.py."""

from __future__ import annotations


class ModuleDocFragment:
    """How PgBouncer's admin console is reached."""

    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - Host of PgBouncer, or the folder of its socket.
      - Empty for the local socket.
    type: str
    default: ""
    aliases: [host]
  login_port:
    description: Port of PgBouncer.
    type: int
    default: 6432
    aliases: [port]
  login_user:
    description: User to log in as, one of C(stats_users) or C(admin_users).
    type: str
    default: pgbouncer
    aliases: [user]
  login_password:
    description: Its password.
    type: str
    aliases: [password]
  ssl_mode:
    description: How TLS is used, as libpq's C(sslmode).
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description: Certificate authorities that PgBouncer's certificate is checked against, a PEM file.
    type: path
    aliases: [ssl_rootcert]
  connect_timeout:
    description: Seconds until a PgBouncer that does not answer is given up, at least 2.
    type: int
    default: 10
requirements:
  - psycopg >= 3.2
"""
