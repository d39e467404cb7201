"""The best plan of a tiny world by trying every one, node by node.

Gang after gang and member after member, every distribution of every number of pods; plans that leave the same room and
stand in the same place inside their gang are kept once, the best of them. Scores are sums over gangs, so the best of
two plans with equal rest stays the best: nothing is lost by that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from scheduler.model.work import Gang
from scheduler.solver.build import Built
from scheduler.solver.problem import GangAsk
from scheduler.solver.terms.served_value import least_worth
from tests.oracle.world import RESOURCES, World

Amounts = tuple[int, ...]
Free = tuple[Amounts, ...]
Score = tuple[int, ...]


class Open(msgspec.Struct, frozen=True):
    """A plan in the middle of one gang: what is left, pods per (member, node) so far."""

    free: Free
    room: Free
    pods: tuple[Amounts, ...]


@dataclass(frozen=True)
class Judge:
    """What plans are worth: the tiers in their order, from the numbers of a problem."""

    built: Built
    world: World

    @property
    def tiers(self) -> list[str]:
        gangs = self.built.problem.gangs
        elastic = {gang.tier for gang in gangs if _can_have_surplus(gang)}
        names = [f"served-value/{tier}" for tier in sorted({gang.tier for gang in gangs})]
        names += [f"served-value/{tier}/surplus" for tier in sorted(elastic)]
        if any(branch.preferred >= 0 for gang in gangs for branch in gang.branches):
            names.append("preferred-topology")
        return [*names, "packing"]

    def score(self, gang: int, pods: tuple[Amounts, ...]) -> Score:
        """What one gang adds to every tier; ``pods`` [members][nodes]."""
        ask = self.built.problem.gangs[gang]
        added = dict.fromkeys(self.tiers, 0)
        counts = [sum(row) for row in pods]
        if any(counts):
            added[f"served-value/{ask.tier}"] += least_worth(ask) + ask.bonus
        surplus = f"served-value/{ask.tier}/surplus"
        if surplus in added:
            added[surplus] += sum(value * count for value, count in zip(ask.values, counts, strict=True))
        if "preferred-topology" in added:
            added["preferred-topology"] -= self._touched(gang, pods)
        added["packing"] -= self._packing(ask, pods)
        return tuple(added.values())

    def _touched(self, gang: int, pods: tuple[Amounts, ...]) -> int:
        known = self.world.gangs[gang]
        touched = 0
        for branch, each in enumerate(known.branches):
            if each.topology is not None and each.topology.preferred:
                sought = self._sought(known, branch, each.topology.preferred)
                for weight, level in zip((1, 4), reversed(sought), strict=False):
                    touched += weight * len(self._domains(known, pods, branch, level))
        return touched

    def _sought(self, gang: Gang, branch: int, preferred: str) -> list[str]:
        """The levels down to the preferred one of which few domains are better: those below what is required."""
        levels = ["block", "rack"]
        line = [each for each in range(len(gang.branches)) if _is_below(gang, branch, each)]
        asks = [gang.branches[each].topology for each in line]
        first = max((levels.index(ask.required) + 1 for ask in asks if ask is not None and ask.required), default=0)
        return levels[first : levels.index(preferred) + 1]

    def _domains(self, gang: Gang, pods: tuple[Amounts, ...], branch: int, level: str) -> set[tuple[str, ...] | None]:
        found = set()
        for member, row in zip(gang.members, pods, strict=True):
            if _is_below(gang, member.branch, branch):
                found |= {self._domain(node, level) for node, count in enumerate(row) if count}
        return found

    def _domain(self, node: int, level: str) -> tuple[str, ...] | None:
        labels = self.world.nodes[node].labels
        path = ("block",) if level == "block" else ("block", "rack")
        return tuple(labels[label] for label in path) if all(label in labels for label in path) else None

    def _packing(self, ask: GangAsk, pods: tuple[Amounts, ...]) -> int:
        """Sixteenths of the largest node: what a pod takes of the scarce resource times what is free where it goes."""
        problem = self.built.problem
        names = problem.resources
        scarce = next((names.index(name) for name in ("nvidia.com/gpu", "cpu", "pods") if name in names), 0)
        free = {
            row: int(problem.class_free[code, scarce])
            for code, rows in enumerate(self.built.class_rows)
            for row in rows
        }
        step = max(1, max(free.values(), default=0) // 16)
        cost = 0
        for member, row in zip(ask.members, pods, strict=True):
            for node, count in enumerate(row):
                cost += count * max(1, member.request[scarce] // step) * (free.get(node, 0) // step) if count else 0
        return cost

    def stands(self, gang: int, pods: tuple[Amounts, ...]) -> bool:
        """Whether one gang is absent, or whole along its tree and inside the domains it requires."""
        known = self.world.gangs[gang]
        counts = [sum(row) for row in pods]
        for branch, each in enumerate(known.branches):
            if _pods(known, counts, branch) and not _whole(known, counts, branch):
                return False
            if each.topology is not None and each.topology.required:
                domains = self._domains(known, pods, branch, each.topology.required)
                if len(domains) > 1 or None in domains:
                    return False
        return True


def best(world: World, built: Built) -> dict[str, int]:
    """The best total of every tier, in their order, over all plans of a world. ``built`` gives the values."""
    judge = Judge(built, world)
    free = tuple(tuple(dict(node.allocatable).get(name, 0) for name in RESOURCES) for node in world.nodes)
    room = tuple(tuple(limit_of(world, queue.name, name) for name in RESOURCES) for queue in world.queues)
    plans: dict[tuple[Free, Free], Score] = {(free, room): (0,) * len(judge.tiers)}
    for number in range(len(world.gangs)):
        after: dict[tuple[Free, Free], Score] = {}
        for (left, rooms), score in plans.items():
            for plan in _placements(world, number, Open(left, rooms, ())):
                if judge.stands(number, plan.pods):
                    total = tuple(a + b for a, b in zip(score, judge.score(number, plan.pods), strict=True))
                    key = (plan.free, plan.room)
                    after[key] = max(after.get(key, total), total)
        plans = after
    return dict(zip(judge.tiers, max(plans.values()), strict=True))


def score_of(world: World, built: Built, pods: list[tuple[Amounts, ...]]) -> dict[str, int]:
    """What a given plan reaches; AssertionError where it breaks a rule. ``pods`` [gangs][members][nodes]."""
    judge = Judge(built, world)
    totals = [0] * len(judge.tiers)
    for gang, own in enumerate(pods):
        assert judge.stands(gang, own), f"gang {gang} is there in part or apart: {own}"
        totals = [a + b for a, b in zip(totals, judge.score(gang, own), strict=True)]
    _check_room(world, pods)
    return dict(zip(judge.tiers, totals, strict=True))


def _placements(world: World, gang: int, plan: Open) -> Iterator[Open]:
    """Every way to place any number of pods of each member, the empty one included."""
    known = world.gangs[gang]
    member = len(plan.pods)
    if member == len(known.members):
        yield plan
        return
    ask = known.members[member]
    request = tuple(dict(ask.shape.requests).get(name, 0) for name in RESOURCES)
    for row in _rows(plan.free, request, ask.count):
        pods = sum(row)
        rooms = _charged(world, plan.room, known.queue, tuple(amount * pods for amount in request))
        if rooms is not None:
            free = tuple(
                tuple(left - amount * count for left, amount in zip(node, request, strict=True))
                for node, count in zip(plan.free, row, strict=True)
            )
            yield from _placements(world, gang, Open(free, rooms, (*plan.pods, row)))


def _rows(free: Free, request: Amounts, most: int) -> Iterator[Amounts]:
    """Every distribution of at most ``most`` pods onto nodes."""
    if not free:
        yield ()
        return
    here = min((left // amount for left, amount in zip(free[0], request, strict=True) if amount), default=most)
    for count in range(min(here, most) + 1):
        for rest in _rows(free[1:], request, most - count):
            yield (count, *rest)


def limit_of(world: World, queue: str, resource: str) -> int:
    """A queue's own limit of a resource; -1: none."""
    quotas = next(each for each in world.queues if each.name == queue).quotas
    limits = [quota.limit for quota in quotas if quota.resource == resource and quota.limit is not None]
    return min(limits, default=-1)


def _charged(world: World, room: Free, queue: str, amounts: Amounts) -> Free | None:
    """The room of every queue after a charge; None where some queue on the way up has not enough."""
    rooms = list(room)
    names = [each.name for each in world.queues]
    while queue:
        index = names.index(queue)
        left = tuple(have if have < 0 else have - amount for have, amount in zip(rooms[index], amounts, strict=True))
        if any(have >= 0 > after for have, after in zip(rooms[index], left, strict=True)):
            return None
        rooms[index] = left
        queue = world.queues[index].parent
    return tuple(rooms)


def _check_room(world: World, pods: list[tuple[Amounts, ...]]) -> None:
    free = [[dict(node.allocatable).get(name, 0) for name in RESOURCES] for node in world.nodes]
    room: Free | None = tuple(tuple(limit_of(world, queue.name, name) for name in RESOURCES) for queue in world.queues)
    for gang, own in zip(world.gangs, pods, strict=True):
        for member, row in zip(gang.members, own, strict=True):
            request = tuple(dict(member.shape.requests).get(name, 0) for name in RESOURCES)
            for node, count in enumerate(row):
                free[node] = [left - amount * count for left, amount in zip(free[node], request, strict=True)]
            assert room is not None
            room = _charged(world, room, gang.queue, tuple(amount * sum(row) for amount in request))
            assert room is not None, f"the limit of {gang.queue} is exceeded"
    assert min(min(node) for node in free) >= 0, "a node is over-committed"


def _is_below(gang: Gang, branch: int, ancestor: int) -> bool:
    while branch not in (ancestor, -1):
        branch = gang.branches[branch].parent
    return branch == ancestor


def _pods(gang: Gang, counts: list[int], branch: int) -> int:
    return sum(
        count for count, member in zip(counts, gang.members, strict=True) if _is_below(gang, member.branch, branch)
    )


def _whole(gang: Gang, counts: list[int], branch: int) -> bool:
    """Own members at their minima, enough children that are whole, enough pods in sum."""
    own = zip(counts, gang.members, strict=True)
    if any(member.branch == branch and count < member.minimum for count, member in own):
        return False
    below = [child for child, each in enumerate(gang.branches) if each.parent == branch]
    if sum(_whole(gang, counts, child) for child in below) < gang.branches[branch].min_branches:
        return False
    return _pods(gang, counts, branch) >= gang.branches[branch].minimum


def _can_have_surplus(ask: GangAsk) -> bool:
    """Whether a gang can have more pods than it needs, over all branches that must be there."""
    needed = max(ask.branches[0].minimum, sum(_needs(ask, 0).values()))
    return sum(member.count for member in ask.members) > needed


def _needs(ask: GangAsk, branch: int) -> dict[int, int]:
    """Minima of the members that must be there when a branch is: its own, and those of children that all must be."""
    needs = {index: each.minimum for index, each in enumerate(ask.members) if each.branch == branch}
    children = [child for child, each in enumerate(ask.branches) if each.parent == branch]
    if children and ask.branches[branch].min_branches == len(children):
        for child in children:
            needs |= _needs(ask, child)
    return needs
