# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The silhouette of an action that runs a long module as Ansible runs any, and shows meanwhile how far it is."""

from __future__ import annotations

import copy
import os
import secrets
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Thread, Timer, current_thread, main_thread
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.ops.plugins.module_utils.core import progress
from ansible_collections.evenkeel.ops.plugins.module_utils.core.clock import SystemClock
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import OpsError
from ansible_collections.evenkeel.ops.plugins.module_utils.core.quantities import parse_duration
from ansible_collections.evenkeel.ops.plugins.module_utils.core.waiting import Deadline, wait_until

# For inventories that do not set evenkeel_progress_interval.
_INTERVAL = "10s"
_ENDING = (signal.SIGTERM, signal.SIGINT)
# How long a task that is cancelled may take to end its module. Ansible itself waits for nobody.
_PATIENCE = 15.0
# How long a module may take from its beginning until its process can be told.
_START_UP = 3.0


class FollowedAction(ActionBase):
    """The module runs in the foreground, so its result, check mode, become, no_log and timeouts are Ansible's own. Beside it a thread
    reads the module's progress file over a connection of its own; a module that ends before the first look costs nothing.
    """

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp=None, task_vars=None):
        """The module's own result, unchanged."""
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        in_background = self._task.async_val and not self._connection.has_native_async
        try:
            interval = parse_duration(self._templar.template(task_vars.get("evenkeel_progress_interval", _INTERVAL)),
                                      option="evenkeel_progress_interval")
        except OpsError as error:
            return {**result, **error.as_result()}
        if in_background or self._task.check_mode or not interval:
            result |= self._execute_module(task_vars=task_vars, wrap_async=in_background)
        else:
            folder = self.get_shell_option("system_tmpdirs", default=["/tmp"])[0]
            path = self._connection._shell.join_path(folder, f"evenkeel-progress-{secrets.token_hex(16)}")
            watch = self._watch(path, interval, self._tell(task_vars))
            with self._environment({progress.VARIABLE: path}), watch:
                result |= self._execute_module(task_vars=task_vars)
            if "findings" not in result:  # it was ended too hard to remove the file itself
                watch.on_host(f"rm -f {shlex.quote(path)}")
        if not in_background:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _watch(self, *arguments: Any) -> Watch:
        return Watch(self, *arguments)

    def _tell(self, task_vars: Mapping[str, Any]) -> Callable[[progress.Reading], None]:
        host = task_vars.get("inventory_hostname", "")
        return lambda reading: None if self._task.no_log else self._display.display(f"{host}: {reading.line}")

    @contextmanager
    def _environment(self, more: Mapping[str, str]) -> Iterator[None]:
        before = self._task.environment
        self._task.environment = [*(before or []), dict(more)]
        try:
            yield
        finally:
            self._task.environment = before


class Watch:
    """Looks at a progress file on the host while this is open. Where the task is cancelled meanwhile, the module is told to end: it
    would else go on without anybody waiting for it, since a connection that closes does not end what runs at its other side.
    """

    def __init__(self, action: ActionBase, path: str, interval: float, tell: Callable[[progress.Reading], None]) -> None:
        self._path, self._interval, self._tell = path, interval, tell
        # A connection plugin keeps what one command needs in itself (prompts, sockets): beside it another one talks.
        self._action = copy.copy(action)
        self._action._connection = copy.copy(action._connection)
        if action._connection.become is not None:
            self._action._connection.become = copy.copy(action._connection.become)
        self._over = Event()
        self._thread = Thread(target=self._follow, daemon=True)
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Watch:
        # Python answers a signal in the main thread, which waits for the module: one that the kernel hands to the other thread would not
        # wake it. A thread begins with the mask of the one that starts it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if current_thread() is main_thread():
            for number in _ENDING:
                self._handlers[number] = signal.signal(number, self._cancelled)
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._give_back()
        self._thread.join(timeout=5)  # a look that hangs must not hold up the result

    def on_host(self, command: str) -> None:
        """Run a command as the module ran, whatever comes of it."""
        with suppress(Exception):
            self._action._low_level_execute_command(command)

    def _follow(self) -> None:
        last = None
        while not self._over.wait(self._interval):
            with suppress(Exception):  # the next look may do better; the work goes on in any case
                reading = self._look()
                if reading and reading.what and reading != last and not self._over.is_set():
                    self._tell(reading)
                    last = reading

    def _look(self) -> progress.Reading | None:
        # Anybody may read the file, so this needs no become, whose every use is logged.
        _status, content, _errors = self._action._connection.exec_command(f"cat {shlex.quote(self._path)}", sudoable=False)
        return progress.read(content)

    def end_module(self) -> None:
        """Tell it to end, as far as that can be done."""
        with suppress(Exception):
            reading = wait_until(self._look, deadline=Deadline(SystemClock(), _START_UP), what="the module's process")
            # Anybody may have made a file of that name before the module: its process must have been told the name.
            self.on_host(f"grep -qF {shlex.quote(self._path)} /proc/{reading.pid}/environ && kill -TERM {reading.pid}")

    def _give_back(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _cancelled(self, number: int, frame: object) -> None:
        # ansible-playbook sends its worker more of them right away, each of which would end it before the host is told.
        for one in self._handlers:
            signal.signal(one, _pass_over)
        over = end_after_patience()
        self.end_module()
        over.cancel()
        self._give_back()
        before = self._handlers[number]
        if callable(before):
            before(number, frame)
        else:
            signal.raise_signal(number)


def end_after_patience() -> Timer:
    """Begin to wait for what may hang: after a while this process, which is a worker of Ansible's, is ended."""
    over = Timer(_PATIENCE, os.kill, (os.getpid(), signal.SIGKILL))
    over.daemon = True
    over.start()
    return over


def _pass_over(number: int, frame: object) -> None:
    pass
