# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name; a watch shows how far it is, and one that is cancelled is recorded before the run ends."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any

from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.run import run_id
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import InvalidOption, OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import format_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.health.watch import WatchPolicy
from ansible_collections.evenkeel.ops.plugins.plugin_utils.following import FollowedAction, Watch, end_after_patience


class PatientWatch(Watch):
    """Where the task is cancelled, the module is told to end as ever; but its answer is waited for.

    ansible-playbook sends its own signal to the worker and then ends it with another: that one comes too early and is passed over.
    """

    cancelled: int | None = None

    def _cancelled(self, number: int, frame: object) -> None:
        if self.cancelled is None:
            self.cancelled = number
            end_after_patience()
            self.end_module()


class ActionModule(FollowedAction):
    """Without ``watch`` the module is run as Ansible runs any."""

    _watching: PatientWatch | None = None

    def run(self, tmp=None, task_vars=None):
        """The module's own result."""
        task_vars = task_vars or {}
        if not self._task.args.get("watch"):
            return super().run(tmp, {**task_vars, "evenkeel_progress_interval": 0})
        with suppress(OpsError, AttributeError, TypeError):  # what is no watch is told by the module
            policy = WatchPolicy.from_options(self._task.args["watch"])
            for word, seconds in (("timeout", self._task.timeout), ("async", self._task.async_val)):
                if seconds and seconds <= policy.length:
                    error = InvalidOption(f"The task's {word} ends it after {format_duration(seconds)}, before the watch of "
                                          f"{format_duration(policy.length)} is over", hint=f"Raise {word}, or watch for less long")
                    return error.as_result()
        self._run = run_id()  # by the time of a cancellation the controlling process may be gone
        return super().run(tmp, task_vars)

    def _watch(self, *arguments):
        self._watching = PatientWatch(self, *arguments)
        return self._watching

    def _execute_module(self, *args, **options):
        result = super()._execute_module(*args, **options)
        if self._watching is not None and self._watching.cancelled is not None:
            self._record(result, options["task_vars"])
            signal.signal(self._watching.cancelled, signal.SIG_DFL)
            signal.raise_signal(self._watching.cancelled)
        return result

    def _record(self, result: dict[str, Any], task_vars: dict[str, Any]) -> None:
        """As the role's own task would: it does not come to its turn any more."""
        os.environ["EVENKEEL_RUN_ID"] = self._run
        task = self._task.copy()
        task.args = {"area": "health", "procedure": "watch", "results": result}
        record = self._shared_loader_obj.action_loader.get(
            "evenkeel.ops.record", task=task, connection=self._connection, play_context=self._play_context, loader=self._loader,
            templar=self._templar, shared_loader_obj=self._shared_loader_obj)
        told = record.run(task_vars=task_vars)
        self._display.display(f"{task_vars.get('inventory_hostname', '')}: {told.get('msg') or told.get('summary')}")
