# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that talks to AnsibleModule: every module's ``main`` is ``run_module(OPTIONS, run)``."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .clock import Clock, SystemClock
from .errors import Interrupted, OpsError
from .options import OptionGroup
from .outcome import Outcome


@dataclass(frozen=True)
class Request:
    """What one run was asked for: checked options, the mode, the clock."""

    options: Mapping[str, Any]
    check_mode: bool = False
    clock: Clock = SystemClock()

    def __getitem__(self, name: str) -> Any:
        return self.options[name]


def run_module(options: OptionGroup, run: Callable[[Request], Outcome]) -> None:
    """Check the options, run, and answer Ansible; an OpsError becomes a failure with its hint and evidence.

    SIGTERM (a timeout of the task, a closed connection) is raised as `Interrupted` inside ``run``, so that every
    ``finally`` on the way out gets its turn.
    """
    module = AnsibleModule(
        argument_spec=options.options,
        mutually_exclusive=options.mutually_exclusive,
        required_together=options.required_together,
        required_one_of=options.required_one_of,
        required_if=options.required_if,
        supports_check_mode=True,
    )
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)
        signal.signal(signal.SIGHUP, _interrupt)
    try:
        outcome = run(Request(module.params, module.check_mode))
    except OpsError as error:
        module.fail_json(msg=str(error), findings=[], **error.as_dict())
    for warning in outcome.warnings:
        module.warn(warning)
    module.exit_json(**outcome.as_result(with_diff=module._diff))


def _interrupt(number: int, frame: object) -> None:
    raise Interrupted(f"The run was ended by {signal.Signals(number).name}", hint="Run it again: what was begun is taken up or cleared away")
