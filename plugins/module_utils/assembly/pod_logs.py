# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs of the containers of pods, one after the other, what was read longest ago first, so that a limit starves none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ..adapters.kubernetes_logs import ContainerLog, PodLogs
from ..core.clock import Clock
from ..core.errors import NotFound, OpsError
from ..core.waiting import Deadline
from ..monitoring.log_judge import Reading
from ..monitoring.log_lines import Bytes, Scanner
from ..monitoring.log_pods import Container, Place, Run, containers_of, gone, plan

_NAMED = 3
_GONE = (400, 404)  # of what an API server says where there is no such log
_LOST_HINT = ("Scan more often than containers restart and their files are rotated (containerLogMaxSize of the kubelet), or read the logs "
              "where they are collected")


class PodScan:
    """One scan of the logs of pods: ``places`` is what an earlier one kept, ``since`` (Unix time) from when on is asked for of a container
    that none has seen, ``take`` counts what a log says.
    """

    def __init__(self, logs: PodLogs, places: Any, *, since: float, limit: int, clock: Clock,
                 take: Callable[[Bytes, bool], Scanner]) -> None:
        known = {str(key): Place.of(one) for key, one in places.items()} if isinstance(places, Mapping) else {}
        self._known: dict[str, Place] = {key: place for key, place in known.items() if place}
        self._logs, self._since, self._limit, self._take = logs, since, limit, take
        self._deadline = Deadline(clock, logs.timeout)
        self._places: dict[str, Place] = {}
        self._lost: list[str] = []

    def kept(self) -> dict[str, Any]:
        """How far each container was read, for the next run."""
        return {key: place.kept() for key, place in self._places.items()}

    def run(self, names: Collection[str], reading: Reading) -> None:
        """Read what is new of the containers ``names``, of all where there are none.

        :raises NotFound: where no pod is meant, or none has such a container
        :raises OpsError: where the pods cannot be listed
        """
        reading.unit = "containers"
        pods = list(self._logs.pods())
        if not pods:
            raise NotFound("there is no pod in this namespace that the selector means", hint="Ask kubectl get pods with both")
        found = [one for pod in pods for one in containers_of(pod, names)]
        if not found and names:
            raise NotFound(f"no pod has run a container {', '.join(sorted(names))}", hint="See the containers' names in the pod's spec")
        away = gone(self._known, {one.key for one in found})
        if away:
            self._lost.append(f"{len(away)} containers are gone, and with them what they wrote since they were read")
        self._places = {one.key: self._known.get(one.key, Place(since=self._since)) for one in found}
        for one in sorted(found, key=lambda one: self._places[one.key].last):
            self._container(one, reading)
        if len(reading.unread) > _NAMED:
            more = len(reading.unread) - _NAMED
            reading.unread[_NAMED:] = [(f"{more} more containers could not be read", "The first ones say why")]
        reading.quiet = not reading.bytes and not reading.unread
        reading.lost, reading.lost_hint = _some(self._lost), _LOST_HINT

    def _container(self, container: Container, reading: Reading) -> None:
        runs, lost = plan(container, self._known.get(container.key), since=self._since)
        spelled = f"{container.pod}/{container.name}"
        if lost:
            self._lost.append(f"{spelled}: {lost}")
        try:
            for run in runs:
                if reading.bytes >= self._limit or not self._read(container, run, reading):
                    reading.left += 1
                    return
        except OpsError as error:
            reading.unread.append((f"{spelled}: {error.message}", error.hint))

    def _read(self, container: Container, run: Run, reading: Reading) -> bool:
        """Whether it was read to its end; how far it was is kept whatever comes."""
        place = run.place
        self._deadline.require("reading the logs of pods")
        log = ContainerLog(partial(self._opened, container, run.previous), last=place.last, same=place.same, since=place.since,
                           limit=self._limit - reading.bytes, final=run.over)
        try:
            scanner = self._take(log, place.within)
        finally:
            log.close()
        reading.bytes += log.bytes
        reading.files += log.bytes > 0
        if log.lost:
            self._lost.append(f"{container.pod}/{container.name}: the line that was read last is no longer in the log")
        if run.previous and log.error and log.error.evidence.get("status") in _GONE:
            self._lost.append(f"{container.pod}/{container.name}: the log of its run before the last restart is no longer kept")
            return True
        self._places[container.key] = replace(
            place, last=log.last, same=log.same, since=None if log.last else place.since, within=scanner.within,
            ended=run.over and log.whole)
        if log.error:
            raise log.error
        return log.whole

    def _opened(self, container: Container, previous: bool, since: float | None) -> Any:
        return self._logs.blocks(container.namespace, container.pod, container.name, previous=previous, since=since,
                                 deadline=self._deadline)


def _some(told: list[str]) -> str:
    more = f"; and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    return "; ".join(told[:_NAMED]) + more
