# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs of containers, streamed from an API server of Kubernetes, each line once however many runs it takes.

The kubelet is asked for instants (``timestamps=true``). The line that was read last is known by its instant and by how many lines had it;
``sinceTime`` is passed on in whole seconds, so the lines up to that one come again and are passed over. Where it does not come, its file
was rotated away.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ..core.clock import parse_instant
from ..core.errors import AccessDenied, CommandFailed, OpsError
from ..core.options import OptionGroup
from ..core.quantities import parse_duration
from ..core.waiting import Deadline
from .kubernetes_kind import Kind

if TYPE_CHECKING:
    from .kubernetes import Cluster

OPTIONS = OptionGroup(
    fragment="kubernetes_logs",
    options={
        "kubernetes": {"type": "dict", "options": {
            "kubeconfig": {"type": "path", "required": True},
            "context": {"type": "str"},
            "namespace": {"type": "str", "required": True},
            "selector": {"type": "str", "default": ""},
            "containers": {"type": "list", "elements": "str", "default": []},
            "request_timeout": {"type": "str", "default": "30s"},
            "timeout": {"type": "str", "default": "10m"},
        }},
    },
)
_PODS = Kind("Pod", "pods", "", "v1", True, frozenset({"get", "list"}))
_BLOCK = 1 << 18
_LONGEST = 1 << 20  # bytes of a line that are waited for; a longer one is given in pieces
_MARGIN = 2  # seconds: lines of two streams of one container may be out of order by less
_INSTANT = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
_LINE = re.compile(rb"\n(" + _INSTANT + rb") ")
_STRANGE = re.compile(rb"\n(?!" + _INSTANT + rb" )[\s\S]")


class PodLogs:
    """Pods and their logs; ``cluster`` is asked for them."""

    def __init__(self, options: Mapping[str, Any], cluster: Cluster) -> None:
        self._cluster, self._options = cluster, options
        self._cluster.know(_PODS)
        self.timeout = parse_duration(options["timeout"], option="kubernetes.timeout")

    def pods(self) -> Iterator[dict[str, Any]]:
        """The pods that the selector means."""
        return self._cluster.list(_PODS, self._options["namespace"], labels=self._options["selector"])

    def blocks(self, namespace: str, pod: str, container: str, *, previous: bool, since: float | None,
               deadline: Deadline) -> Iterator[bytes]:
        """The log of a container as the kubelet has it, as it comes, each line with its instant; ``since`` is Unix time.

        :raises OpsError: where it cannot be read to its end
        """
        query = [("container", container), ("timestamps", "true"), *([("previous", "true")] if previous else [])]
        if since is not None:
            query.append(("sinceTime", datetime.fromtimestamp(int(since), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")))
        try:
            with self._cluster.opened(f"{_PODS.path(namespace, pod)}/log", query) as answer:
                # For one that trickles: each single byte would be in time.
                alarm = threading.Timer(max(1.0, deadline.left), getattr(answer, "shutdown", answer.close))
                alarm.daemon = True
                alarm.start()
                try:
                    while block := answer.read(_BLOCK):
                        deadline.require(f"reading the log of {pod}")
                        yield block
                finally:
                    alarm.cancel()
            deadline.require(f"reading the log of {pod}")
        except AccessDenied as error:
            raise AccessDenied(error.message, hint=f"Give this account the right to get pods/log in {namespace}", evidence=error.evidence) \
                from error
        except OpsError:
            deadline.require(f"reading the log of {pod}")  # an end that the alarm made
            raise


class ContainerLog:
    """The lines of one log behind the one that was read last, without their instants; ends at ``limit`` bytes, after a whole line.

    ``last`` and ``same`` are the instant of the last line that was given and how many lines have it. ``lost`` where the line to begin
    behind did not come; ``error`` is what ended it too early, ``whole`` that it was read to its end. ``final`` where nothing is written to
    it any more, so that a last line without an end is one, too.
    """

    def __init__(self, opened: Callable[[float | None], Iterator[bytes]], *, last: str, same: int, since: float | None, limit: int,
                 final: bool) -> None:
        self._opened, self._since, self._limit, self._final = opened, since, limit, final
        self.last, self.same = last, same
        self.bytes = 0
        self.lost = self.whole = False
        self.error: OpsError | None = None
        self._begun: bytes | None = None  # the instant of a long line whose end has not come yet
        self._pieces = self._unread() if last else self._lines(since)

    def read(self, _size: int, /) -> bytes:
        """The next lines, or a piece of a long one; none at the end. They are as many as have come, whatever size is asked for."""
        while self.error is None and (self.bytes < self._limit or self._begun is not None):
            try:
                piece = next(self._pieces, None)
            except OpsError as error:
                self.error = error
                break
            if piece is None:
                self.whole = True
                break
            given = self._without_instants(piece)
            self.bytes += len(given)
            if given:
                return given
        return b""

    def close(self) -> None:
        """Give the connection back."""
        self._pieces.close()

    # A piece is whole lines, each with the end of the line before it in front, or a part of a line that is too long to be waited for.

    def _lines(self, since: float | None) -> Iterator[bytes]:
        held, within = b"\n", False
        for block in self._opened(since):
            held += block
            end = held.rfind(b"\n")
            if end > 0 or (within and end == 0):
                yield held[:end + 1]
                held, within = held[end:], False
            elif len(held) > _LONGEST:
                yield held
                held, within = b"", True
        if self._final and (within or len(held) > 1):
            yield held + b"\n"

    def _unread(self) -> Iterator[bytes]:
        """What stands behind the line that was read last; where that one does not come, all that is later."""
        last, same, found = self.last.encode(), self.same, False
        since = int(_seconds(last)) - 1
        for piece in self._lines(since):
            if found:
                yield piece
            elif same <= 0 or (piece.count(_sign(last)) >= same):
                place = -1
                for _time in range(same):
                    place = piece.find(_sign(last), place + 1)
                same, end = 0, piece.find(b"\n", place + 1)
                found = end >= 0  # else it is a long line
                if found:
                    yield piece[end:]
            else:
                same -= piece.count(_sign(last))
                if _far(piece, last):
                    break
        if found:
            return
        self.lost = True
        for piece in self._lines(since):
            if not found:
                first = next((match for match in _LINE.finditer(piece) if _seconds(match[1]) >= _seconds(last)), None)
                found, piece = first is not None, piece[first.start():] if first else b""
            if found:
                yield piece

    def _without_instants(self, piece: bytes) -> bytes:
        """A piece as the container has written it; what has no instant are the kubelet's own words, and end the log."""
        within = self._begun is not None
        strange = _STRANGE.search(piece)
        if strange:
            self.error = CommandFailed("the kubelet's answer has a line without an instant",
                                       hint="See it with kubectl logs --timestamps: it says what keeps the kubelet from reading the log")
            piece = piece[:strange.start() + 1]
        end = piece.rfind(b"\n")
        if end > 0 or (within and end == 0):
            start = piece.rfind(b"\n", 0, end)  # there is none where it is the end of a long line
            instant = _LINE.match(piece, start)[1] if start >= 0 else self._begun
            self.same = piece.count(_sign(instant), 0, end) + (start < 0) + (self.same if instant == self.last.encode() else 0)
            self.last, self._begun = instant.decode(), None
        if not piece.endswith(b"\n") and end >= 0:
            self._begun = _LINE.match(piece, end)[1]
        text = _LINE.sub(b"\n", piece)
        return text if within else text[1:]


def _sign(instant: bytes) -> bytes:
    """What a line of this instant begins with."""
    return b"\n" + instant + b" "


def _seconds(instant: bytes) -> float:
    return parse_instant(instant.decode()).timestamp()


def _far(piece: bytes, last: bytes) -> bool:
    """Whether the last line of a piece is so late that the one that is looked for cannot come any more."""
    found = _LINE.match(piece, max(0, piece.rfind(b"\n", 0, len(piece) - 1)))
    return bool(found) and _seconds(found[1]) > _seconds(last) + _MARGIN
