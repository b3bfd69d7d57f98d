# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The silhouette of an action that works on the controller: a module's, with the ledger at hand."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger import Ledger
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.ledger_place import Place, ledger_of
from ansible_collections.evenkeel.ops.plugins.module_utils.core.edge import Request
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.options import OptionGroup
from ansible_collections.evenkeel.ops.plugins.module_utils.core.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class ControllerRequest(Request):
    """What a task was asked for, the host that it is about, and where the ledger is."""

    host: str
    place: Place

    @cached_property
    def ledger(self) -> Ledger:
        """Opened when it is first asked for.

        :raises OpsError: where it cannot be opened, see `Ledger`
        """
        return Ledger(self.place.url)

    def history(self, area: str, procedure: str) -> list[dict[str, Any]]:
        """`Ledger.history` of the system and environment that are operated."""
        return self.ledger.history(system=self.place.system, environment=self.place.environment, area=area, procedure=procedure)

    def runs(self, area: str, procedure: str, *, since: str) -> list[tuple[str, str, dict[str, Any]]]:
        """`Ledger.runs` of the system and environment that are operated."""
        return self.ledger.runs(system=self.place.system, environment=self.place.environment, area=area, procedure=procedure, since=since)


class ControllerAction(ActionBase):
    """Runs where ansible-playbook runs, for each host, over no connection.

    A subclass gives ``OPTIONS``, which its module documents, and ``answer``. A task whose ``answer`` raises an `OpsError` fails with its
    hint and evidence, as a module's ``run`` does.
    """

    TRANSFERS_FILES = False
    _requires_connection = False

    OPTIONS: ClassVar[OptionGroup]

    @abstractmethod
    def answer(self, request: ControllerRequest) -> Outcome:
        """Do the work; in check mode say what it would be, and write nothing."""

    def run(self, tmp=None, task_vars=None):
        """Ansible's way in."""
        super().run(tmp, task_vars)
        _given, options = self.validate_argument_spec(self.OPTIONS.options)
        try:
            outcome = self.answer(ControllerRequest(options, self._task.check_mode, host=task_vars["inventory_hostname"],
                                                    place=ledger_of(self._templar, task_vars)))
        except OpsError as error:
            return error.as_result()
        return {**outcome.as_result(with_diff=self._task.diff), **({"warnings": list(outcome.warnings)} if outcome.warnings else {})}
