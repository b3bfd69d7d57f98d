# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that talks to AnsibleModule: every module's ``main`` is ``run_module(OPTIONS, run)``."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from . import progress
from .clock import Clock, SystemClock
from .errors import Interrupted, InvalidOption, OpsError
from .options import OptionGroup
from .outcome import Outcome

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@dataclass(frozen=True)
class Request:
    """What one run was asked for: checked options, the mode, the clock."""

    options: Mapping[str, Any]
    check_mode: bool = False
    clock: Clock = field(default_factory=SystemClock)

    def __getitem__(self, name: str) -> Any:
        return self.options[name]

    def count(self, name: str) -> int:
        """An option that is a number of things.

        :raises InvalidOption: below 1
        """
        if self.options[name] < 1:
            raise InvalidOption(f"{name}: {self.options[name]} is no number of {name}", hint="Give 1 or more")
        return self.options[name]


def run_module(options: OptionGroup, run: Callable[[Request], Outcome]) -> None:
    """Check the options, run, and answer Ansible; an OpsError becomes a failure with its hint and evidence.

    SIGTERM, SIGHUP and SIGINT (a timeout of the task, a closed connection, Ctrl-C) are raised as `Interrupted` inside
    ``run``, so that every ``finally`` on the way out gets its turn; once, for a second one would cut that short.
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
        for number in _ENDING:
            signal.signal(number, _interrupt)
    request = Request(module.params, module.check_mode)
    progress.start(os.environ, request.clock)
    try:
        try:
            outcome = run(request)
        finally:
            _ignore_signals()  # the answer is under way
            progress.finish()
    except (OpsError, Interrupted) as error:
        module.fail_json(**error.as_result())
    for warning in outcome.warnings:
        module.warn(warning)
    module.exit_json(**outcome.as_result(with_diff=module._diff), invocation={"module_args": _given(module.params)})


def _given(value: Any) -> Any:
    """Options without those that nobody gave: of hundreds of targets with twenty options each, they are most of an answer."""
    if isinstance(value, dict):
        return {key: _given(one) for key, one in value.items() if one is not None}
    return [_given(one) for one in value] if isinstance(value, list) else value


def _interrupt(number: int, frame: object) -> None:
    _ignore_signals()
    raise Interrupted(f"The run was ended by {signal.Signals(number).name}",
                      hint="Run it again: what was begun is taken up or cleared away")


def _ignore_signals() -> None:
    if threading.current_thread() is threading.main_thread():
        for number in _ENDING:
            signal.signal(number, _heed_not)  # not SIG_IGN, which programs that are started now would inherit


def _heed_not(number: int, frame: object) -> None:
    pass
