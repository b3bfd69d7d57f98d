# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""See DOCUMENTATION. The work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_history
short_description: Read what earlier maintenance of databases took and left
description:
  - Reads from the ledger what M(evenkeel.ops.postgresql_maintenance) returned in earlier runs, for its option O(ignore:history).
  - Works on the controller. Changes nothing; in check mode it does the same.
  - Where the ledger cannot be read the history is empty, and a warning says so. Maintenance goes on without it.
author: The evenkeel.ops founders (@evenkeel)
version_added: 0.2.0
options:
  procedure:
    description: The procedure of the area databases under which it was recorded.
    type: str
    default: maintain
  over:
    description: How far back it is read, as V(90d).
    type: str
    required: true
  samples:
    description: How many of the newest durations are kept of each piece of work.
    type: int
    required: true
requirements:
  - SQLAlchemy >= 2.0 on the controller
seealso:
  - module: evenkeel.ops.postgresql_maintenance
extends_documentation_fragment:
  - evenkeel.ops.attributes
"""

EXAMPLES = r"""
- name: Read what maintenance took in the last quarter
  evenkeel.ops.postgresql_history:
    over: 90d
    samples: 5
  register: databases_history
"""

RETURN = r"""
history:
  description: By system identifier of the server, a slash and the name of the database, what was seen, oldest first.
  returned: success
  type: dict
  contains:
    samples: {description: "What each piece of work took: relation, action, bytes, seconds.", type: list, returned: success}
    waiting: {description: "What the newest run left: relation, action, runs, since, tried_seconds.", type: list, returned: success}
    counts: {description: "The server's transactions and multixacts: at, transactions, multixacts.", type: list, returned: success}
findings:
  description: C(database.history), where the ledger cannot be read.
  returned: always
  type: list
  elements: dict
summary:
  description: How much there is.
  returned: success
  type: str
"""
