# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twin of the option group in plugins/module_utils/databases/budget.py."""

from __future__ import annotations


class ModuleDocFragment:
    """What a run of maintenance may take."""

    DOCUMENTATION = r"""
options:
  time_budget:
    description:
      - How long the run may take, as a duration. Nothing is begun that is not expected to fit.
      - What still runs at its end is cancelled by the server and cleared up.
    type: str
    default: 30m
  connection_budget:
    description: How many sessions may work at once, the module's own among them.
    type: int
    default: 2
  lock_timeout:
    description: How long one lock is waited for, as a duration; a relation that is locked for longer is left for the next run.
    type: str
    default: 5s
  gentle:
    description:
      - What the run does for the sake of others; every key may be left out, and then it does not do that.
      - "C(cost_delay) and C(cost_limit): the server's own brake on VACUUM and ANALYZE (its settings vacuum_cost_delay, as a duration of
        V(100ms) at most, and vacuum_cost_limit)."
      - "C(replication_lag) and C(replication_lag_size): nothing is begun while a standby is further behind, in time or as a size."
      - "C(active_sessions): nothing is begun while more sessions of others run a statement. C(blocked_sessions): the same of
        sessions that wait for a lock, longer than deadlock_timeout where the server tells it (from PostgreSQL 14 on)."
      - "C(io_pressure) and C(cpu_pressure): nothing is begun while the tasks of the server's host waited for its disks, or for a processor,
        in more than so many percent of the last ten seconds (Linux, pressure stall information). C(load_per_core): the same of the load
        average of a minute by processor."
      - "C(on_host): whether the module runs on the server's own host, whose load that is. By default that is found out by the server's
        data directory, which has to be readable here. C(unknown_load): what is done where the load cannot be told, V(warn) (the default)
        and go on, V(refuse) or V(ignore)."
      - "C(patience): how long the run waits for all of these together, as a duration; the whole time budget where it is left out. What is
        not begun then is left for the next run. A load of the host that may be that of the run's other sessions uses up no patience."
      - "C(cancel_after): a rebuild or a rewrite, which the server cannot slow down, is cancelled and left for the next run when one of
        these limits was exceeded for so long while it worked."
      - "C(give_way): a statement that keeps another session waiting for a lock for so long is cancelled and left for the next run, a
        rewrite by pg_repack too. One more session looks on for it, beside the connection budget."
      - "C(end_idle_transactions): a session of somebody else that has been idle in a transaction for so long, and keeps our statement
        waiting for a lock, is ended. In check mode a warning names those that would be. Without it nobody else's session is ever ended."
      - Work that is urgent (beyond C(urgent_age)) has no brake, waits for nobody and gives way to nobody.
    type: dict
    default: {}
"""
