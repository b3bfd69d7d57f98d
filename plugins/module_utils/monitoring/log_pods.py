# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be read of a pod's containers: which of their runs, from where on, and what nobody can read any more. Pure.

A kubelet keeps the log of a container's run and of the one before it, nothing older (Kubernetes, Logging Architecture). A run is known by
the container's id, which every restart changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from ..core.clock import parse_instant

_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


@dataclass(frozen=True)
class Container:
    """One that has run: ``current`` and ``former`` are the ids of the runs that can be read, ``former`` is empty where there is none.
    ``count`` are its restarts, ``ended`` where its current run is over, ``former_began`` when the former one began, Unix time.
    """

    key: str
    pod: str
    name: str
    namespace: str
    count: int
    current: str
    former: str = ""
    ended: bool = False
    former_began: float = 0.0


@dataclass(frozen=True)
class Place:
    """How far a container was read: in which run, to the line of which instant, as the kubelet spells it, and how many lines of that
    instant. Where no line was read yet, ``since`` (Unix time) is from when on, None is from its beginning. ``within`` where what comes may
    belong to a message that was read; ``ended`` where the run is over and was read whole.
    """

    id: str = ""
    count: int = 0
    last: str = ""
    same: int = 0
    since: float | None = None
    within: bool = False
    ended: bool = False

    @classmethod
    def of(cls, kept: Any) -> Place | None:
        """From what was kept as a dictionary; None where it makes no sense."""
        try:
            since = kept["since"]
            return cls(str(kept["id"]), int(kept["count"]), str(kept["last"]), int(kept["same"]), None if since is None else float(since),
                       bool(kept["within"]), bool(kept["ended"]))
        except (KeyError, TypeError, ValueError):
            return None

    def kept(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


class Run(NamedTuple):
    """A run that is to be read, from ``place`` on; ``over`` where nothing is written to it any more."""

    previous: bool
    over: bool
    place: Place


def containers_of(pod: Mapping[str, Any], names: Collection[str] = ()) -> Iterator[Container]:
    """The containers of a pod that have run, of those ``names`` where there are any; one that waits for its first start has no log."""
    about, status = pod["metadata"], pod.get("status") or {}
    for one in (one for kind in _STATUSES for one in status.get(kind) or ()):
        state, count = one.get("state") or {}, int(one.get("restartCount") or 0)
        last = (one.get("lastState") or {}).get("terminated") or {}
        if names and one["name"] not in names:
            continue
        key, place = f"{about['uid']}/{one['name']}", (about["name"], one["name"], about["namespace"])
        if "running" in state or "terminated" in state:
            yield Container(key, *place, count, str(one.get("containerID") or f"#{count}"),
                            str(last.get("containerID") or f"#{count - 1}") if last else "", "terminated" in state, _began(last))
        elif last:  # it waits to be started again: the kubelet gives its last run
            yield Container(key, *place, count, str(last.get("containerID") or f"#{count}"), ended=True)


def plan(container: Container, place: Place | None, *, since: float) -> tuple[list[Run], str]:
    """The runs to be read, the older first, and what is lost, empty where that is nothing. ``place`` is None for a container that was not
    seen before; of that one what was written after ``since`` is asked for.
    """
    if place is not None and place.id == container.current:
        return ([] if place.ended else [Run(False, container.ended, place)]), ""
    began = Place(container.current, container.count)
    if place is not None and place.id and place.id == container.former:
        return [*([] if place.ended else [Run(True, True, place)]), Run(False, container.ended, began)], ""
    unread = since if place is None else place.since if not place.id else None
    runs = [Run(False, container.ended, replace(began, since=unread))]
    if container.former:
        runs.insert(0, Run(True, True, Place(container.former, container.count - 1, since=unread)))
    if place is None or not place.id:
        older = container.count > 1 and bool(container.former) and unread is not None and container.former_began > unread
    else:
        older = not (place.ended and container.former and container.count - place.count <= 2)
    return runs, "it was restarted more than once since: only its last two logs are kept" if older else ""


def gone(places: Mapping[str, Place], present: Collection[str]) -> list[str]:
    """The keys of containers that went away before their log was read to its end."""
    return sorted(key for key, place in places.items() if key not in present and not place.ended)


def _began(terminated: Mapping[str, Any]) -> float:
    said = terminated.get("startedAt")
    return parse_instant(said).timestamp() if said else 0.0
