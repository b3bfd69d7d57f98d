# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands upon what: a failure is shown once, where it begins, and what fails above it as its follower. Pure.

A target follows where it fails and something that it stands upon *directly* fails too; what fails with all of that well is a
root. So every follower has a failing root below it, and a failure that nothing explains is never taken for a follower: that a
database two layers down fails is no explanation where everything between is well. Only failures explain: a warning or an
unknown below hides nothing above, else a gate would open with nothing but warnings before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, Protocol

from ..core.errors import InvalidOption
from ..core.finding import Finding, Status
from .expectations import shown

FOLLOWERS = ("warn", "unknown")
_MOST_NAMED = 3
_Node = tuple[str, str]  # what it is (target, name, layer) and how it is called


class Standing(Protocol):
    """A target, as far as it matters here."""

    name: str
    service: str
    depends_on: Sequence[str]
    layer: str | None


@dataclass(frozen=True)
class Foundations:
    """``below`` has what each target stands upon, ``members`` the targets of such a thing, ``order`` all after what is below them."""

    below: Mapping[str, Sequence[_Node]]
    members: Mapping[_Node, Sequence[str]]
    order: Sequence[_Node]

    def followers(self, failing: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Those of ``failing`` that follow, each with the roots that it follows, sorted."""
        failed = set(failing)
        roots: dict[_Node, frozenset[str]] = {}
        found = {}
        for node in self.order:
            kind, name = node
            if kind != "target":
                roots[node] = frozenset().union(*(roots[("target", one)] for one in self.members[node] if one in failed))
            elif name in failed:
                lower = frozenset().union(*(roots[one] for one in self.below[name]))
                roots[node] = lower or frozenset({name})
                if lower:
                    found[name] = tuple(sorted(lower))
        return found


def read_foundations(targets: Sequence[Standing], layers: Sequence[str] = ()) -> Foundations:
    """What ``depends_on`` (names of targets, or of services: then all their targets) and ``layer`` say.

    ``layers`` are named from the lowest up. A target of a layer stands upon all targets of the next lower layer that has any.

    :raises InvalidOption: for a name or layer that does not exist, a layer given twice, and for what stands upon itself
    """
    order = [str(layer) for layer in layers]
    if len(set(order)) < len(order) or not all(layer.strip() and layer.isprintable() for layer in order):
        raise InvalidOption(f"layers: {shown(order)} are no layers", hint="Name each once, from the lowest up: [global, regional, service]")
    called: dict[str, dict[str, None]] = {}  # a dictionary as an ordered set
    in_layer: dict[str, list[str]] = {}
    for target in targets:
        for name in (target.name, target.service):
            called.setdefault(name, {})[target.name] = None
        if target.layer is not None:
            if target.layer not in order:
                raise InvalidOption(f"target {shown(target.name)!r}.layer: {shown(target.layer)!r} is none of the layers",
                                    hint=f"Known are {', '.join(order) or 'none: name them in layers, from the lowest up'}")
            in_layer.setdefault(target.layer, []).append(target.name)
    below, members = {}, {}
    for target in targets:
        nodes = below[target.name] = []
        for name in target.depends_on:
            if name not in called:
                raise InvalidOption(f"target {shown(target.name)!r}.depends_on: there is no target or service {shown(name)!r}",
                                    hint=f"Known are {', '.join(shown(one) for one in list(called)[:20])}")
            nodes.append(("name", name))
            members["name", name] = tuple(called[name])
        lower = order[:order.index(target.layer)] if target.layer is not None else ()
        nearest = next((layer for layer in reversed(lower) if layer in in_layer), None)
        if nearest is not None:
            nodes.append(("layer", nearest))
            members["layer", nearest] = tuple(in_layer[nearest])
    graph: dict[_Node, Iterable[_Node]] = {("target", name): nodes for name, nodes in below.items()}
    graph |= {node: [("target", name) for name in names] for node, names in members.items()}
    try:
        return Foundations(below, members, tuple(TopologicalSorter(graph).static_order()))
    except CycleError as error:
        circle = [shown(name) for kind, name in reversed(error.args[1]) if kind == "target"]
        circle += circle[:1] if circle[0] != circle[-1] or len(circle) == 1 else []
        raise InvalidOption(f"depends_on: {' stands upon '.join(circle[:12])}",
                            hint="Take one of these out: nothing can stand upon itself") from error


def tell_followers(targets: Sequence[Standing], rows: Sequence[dict[str, Any]], probed: Sequence[Finding],
                   services: Sequence[dict[str, Any]], figures: Sequence[Finding], foundations: Foundations, status: str,
                   ) -> tuple[list[dict[str, Any]], list[Finding], list[dict[str, Any]], list[Finding]]:
    """The four results of judging (``rows`` and ``probed`` in the order of ``targets``) with followers told as such.

    Findings of followers have ``status``; so do the failures of a service all of whose targets that did not pass are followers.
    A service's row keeps the status of its figures: whoever reckons how long it was down reads that.

    :raises InvalidOption: for a status that is none of `FOLLOWERS`
    """
    if status not in FOLLOWERS:
        raise InvalidOption(f"followers: {shown(status)!r} is no status of a follower", hint=f"Known are {', '.join(FOLLOWERS)}")
    following = foundations.followers(finding.subject for finding in probed if finding.status is Status.FAIL)
    if not following:
        return list(rows), list(probed), list(services), list(figures)
    told = [_follower(finding, following[finding.subject], status) if finding.subject in following else finding for finding in probed]
    told_rows = [{**row, "status": finding.status.value, "message": finding.message, "follows": list(following[row["name"]])}
                 if row["name"] in following else row for row, finding in zip(rows, told, strict=True)]
    unwell: dict[str, list[str]] = {}
    for target, finding in zip(targets, probed, strict=True):
        if finding.status is not Status.PASS:
            unwell.setdefault(target.service, []).append(target.name)
    explained = {service: sorted({root for name in names for root in following[name]})
                 for service, names in unwell.items() if all(name in following for name in names)}
    told_services = [{**row, "follows": explained[row["service"]]} if row["service"] in explained else row for row in services]
    return told_rows, told, told_services, [
        _follower(finding, explained[finding.subject], status)
        if finding.status is Status.FAIL and finding.subject in explained else finding for finding in figures]


def _follower(finding: Finding, roots: Sequence[str], status: str) -> Finding:
    named = ", ".join(shown(root) for root in roots[:_MOST_NAMED])
    more = f" and {len(roots) - _MOST_NAMED} more" if len(roots) > _MOST_NAMED else ""
    return replace(finding, status=Status(status), message=f"follows {named}{more} (failed); {finding.message}",
                   hint=f"Mend {named} first, then look again")
