"""What no room that comes free would mend: a gang that asks for more than its queue's limit, than all nodes have, or
than any domain of a level that it requires.

A verdict compares with what is free now. These facts compare with what there is in all, so that whoever reads them can
tell waiting from waiting in vain.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from scheduler.model.cluster import Column, Snapshot
from scheduler.model.plan import Cause, Refusal, Verdict
from scheduler.model.resources import Matrix, vector
from scheduler.model.topology import TopologyAsk
from scheduler.model.work import Branch, Gang, Member
from scheduler.solver.asks.fits import fits_on
from scheduler.solver.scarcity import by_scarcity

IN_VAIN = ("AboveLimit", "AboveFleet", "AboveDomain", "TooManyForDomain")

_Need = tuple[tuple[int, ...], int]
"""So many pods, each of any of these members (by index)."""

OF_ROOM = ("capacity", "required-topology")
"""The terms that compare with what is free."""


def is_in_vain(verdict: Verdict) -> bool:
    """Whether it asks for more than there ever is, whoever leaves."""
    return any(each.code in IN_VAIN for each in verdict.refusals)


class Beyond:
    """Compares what waits with what one snapshot has in all. Levels, and gangs that ask for the same, are looked at
    once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._capacity = np.asarray(snapshot.capacity, dtype=np.int64)
        self._levels: dict[tuple[str, int], _Level] = {}
        self._known: dict[tuple[tuple[Branch, ...], tuple[Member, ...]], Refusal | None] = {}

    def told(self, verdict: Verdict, gang: Gang | None) -> Verdict:
        """The verdict, its reasons replaced where more is asked for than a queue's limit (``AboveLimit``), all nodes
        together (``AboveFleet``) or one domain of a required level (``AboveDomain`` of a resource,
        ``TooManyForDomain`` of pods) offer in all. Without its ``gang`` domains are not looked at."""
        if verdict.cause is not Cause.BLOCKED:
            return verdict
        refusals = tuple(self._in_all(each) for each in verdict.refusals)
        of_room = [index for index, each in enumerate(refusals) if each.term in OF_ROOM and each.code not in IN_VAIN]
        domain = self._of_like(gang) if gang is not None and of_room else None
        if domain is not None:
            others = tuple(each for each in refusals[of_room[0] :] if each.term not in OF_ROOM)
            refusals = (*refusals[: of_room[0]], domain, *others)
        return verdict if refusals == verdict.refusals else msgspec.structs.replace(verdict, refusals=refusals)

    def _in_all(self, refusal: Refusal) -> Refusal:
        resources = self._snapshot.resources
        match refusal.term, refusal.code:
            case "queue-limit", "OverLimit":
                code, most = "AboveLimit", _limit(self._snapshot, refusal.where, refusal.resource)
            case "capacity" | "required-topology", "NotEnough" if refusal.resource in resources:
                code, most = "AboveFleet", int(self._capacity[:, resources.index(refusal.resource)].sum())
            case _:
                return refusal
        if most is None or refusal.needed <= most:
            return refusal
        term = "capacity" if code == "AboveFleet" else refusal.term
        where = "" if code == "AboveFleet" else refusal.where
        return Refusal(term, code, refusal.needed, most, refusal.resource, where)

    def _of_like(self, gang: Gang) -> Refusal | None:
        """A gang that has places grows by what is missing: it is not looked at."""
        if gang.held or not any(each.topology is not None and each.topology.required for each in gang.branches):
            return None
        key = gang.branches, gang.members
        if key not in self._known:
            self._known[key] = self._of_domains(gang)
        return self._known[key]

    def _of_domains(self, gang: Gang) -> Refusal | None:
        """The first part of a gang that no domain of its required level could hold."""
        for branch in _certain_branches(gang):
            ask = gang.branches[branch].topology
            level = self._level(ask) if ask is not None and ask.required else None
            found = None if level is None else self._lacking(gang, _least(gang, branch), level)
            if found is not None:
                return found
        return None

    def _level(self, ask: TopologyAsk) -> _Level | None:
        """What the domains of a required level have; None where it names nothing, or no node has such a domain."""
        topologies = self._snapshot.topologies
        name = ask.topology or (next(iter(topologies)) if len(topologies) == 1 else "")
        depth = topologies[name].depth_of(ask.required) if name in topologies else None
        if depth is None:
            return None
        key = name, depth
        if key not in self._levels:
            column = self._snapshot.nodes.domain_column(topologies[name], depth)
            self._levels[key] = _Level(topologies[name].level_names[depth], column, self._capacity)
        return self._levels[key] if self._levels[key].names else None

    def _lacking(self, gang: Gang, needs: Sequence[_Need], level: _Level) -> Refusal | None:
        """What the best domain lacks; pods of any kind are taken to ask for the least of each resource."""
        resources = self._snapshot.resources
        known = frozenset(resources)
        rows = [
            vector(tuple(each for each in member.shape.requests if each[0] in known), resources)
            for member in gang.members
        ]
        asked = [(np.min([rows[member] for member in members], axis=0), pods) for members, pods in needs]
        total = sum((row * pods for row, pods in asked), np.zeros(len(resources), dtype=np.int64))
        for column in by_scarcity(resources):
            best = int(level.total[:, column].argmax())
            needed, has = int(total[column]), int(level.total[best, column])
            if needed > has:
                where = f"{level.name} {level.names[best]}"
                return Refusal("required-topology", "AboveDomain", needed, has, resources[column], where=where)
        fits = np.zeros(len(level.names), dtype=np.int64)
        for row, pods in asked:
            fits += np.minimum(level.fits(tuple(row.tolist())), pods)
        best, wanted = int(fits.argmax()), sum(pods for _, pods in asked)
        if fits[best] >= wanted:
            return None
        where = f"{level.name} {level.names[best]}"
        return Refusal("required-topology", "TooManyForDomain", wanted, int(fits[best]), where=where)


class _Level:
    """What the domains of a level have in all; ``names`` are theirs, ``total`` is [domains x resources]."""

    def __init__(self, name: str, column: Column, capacity: Matrix) -> None:
        codes, self.names = column
        inside = codes >= 0
        self.name = name
        self._codes, self._capacity = codes[inside], capacity[inside]
        self.total: Matrix = self._summed(self._capacity)
        self._known: dict[tuple[int, ...], Matrix] = {}

    def fits(self, request: tuple[int, ...]) -> Matrix:
        """[domains] pods of a request on empty nodes."""
        if request not in self._known:
            self._known[request] = self._summed(fits_on(self._capacity, request))
        return self._known[request]

    def _summed(self, of_nodes: Matrix) -> Matrix:
        found = np.zeros((len(self.names), *of_nodes.shape[1:]), dtype=np.int64)
        np.add.at(found, self._codes, of_nodes)
        return found


def _least(gang: Gang, branch: int) -> list[_Need]:
    """What a branch needs at least: the minima of its own members and of the branches below that are in whenever it is;
    and where it counts more pods than those, the rest of them of any kind."""
    needs: list[_Need] = [
        ((index,), member.minimum)
        for index, member in enumerate(gang.members)
        if member.branch == branch and member.minimum > 0
    ]
    for below in _children(gang, branch):
        needs += _least(gang, below)
    more = gang.branches[branch].minimum - sum(pods for _, pods in needs)
    anybody = tuple(index for index, member in enumerate(gang.members) if branch in gang.line(member.branch))
    return [*needs, (anybody, more)] if more > 0 and anybody else needs


def _children(gang: Gang, branch: int) -> list[int]:
    """The branches right below one that are in whenever it is: all of them where it needs all, else none for sure."""
    below = [index for index, each in enumerate(gang.branches) if each.parent == branch]
    return below if gang.branches[branch].min_branches >= len(below) else []


def _certain_branches(gang: Gang) -> list[int]:
    """The branches that are in whenever the gang is."""
    found = [0]
    for branch in found:
        found += _children(gang, branch)
    return found


def _limit(snapshot: Snapshot, name: str, resource: str) -> int | None:
    """The limit that a queue states for all nodes; None where it states none."""
    quotas = snapshot.queues[name].quotas if name in snapshot.queues else ()
    return next((each.limit for each in quotas if each.resource == resource and not each.flavor), None)
