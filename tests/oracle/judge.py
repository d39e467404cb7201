"""What a plan of a tiny world must keep and what it is worth, gang by gang, read off the objects that users write.

Shares no code with the scheduler: levels are walked by node labels, trees by their parents.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from scheduler.model.topology import Slice
from scheduler.model.work import Gang
from tests.oracle.world import LEVELS, World

Pods = tuple[tuple[int, ...], ...]
"""[members][nodes] of one gang."""

Score = tuple[int, ...]
WIDER = 4


class Prices(msgspec.Struct, frozen=True):
    """The numbers that plans are compared by: what a pod of each member is worth, what a gang's age adds, what of the
    scarce resource counts as free on each node, and in which steps it is counted. ``tiers`` are served one before the
    other."""

    tiers: tuple[int, ...]
    values: tuple[tuple[int, ...], ...]
    bonuses: tuple[int, ...]
    free: tuple[int, ...]
    step: int


@dataclass(frozen=True)
class Judge:
    """Rules and tiers, in their order."""

    world: World
    prices: Prices

    @property
    def tiers(self) -> list[str]:
        gangs = self.world.gangs
        ranks = self.prices.tiers
        elastic = {rank for rank, gang in zip(ranks, gangs, strict=True) if _may_have_surplus(gang)}
        names = [f"served-value/{rank}" for rank in sorted(set(ranks))]
        names += [f"served-value/{rank}/surplus" for rank in sorted(elastic)]
        branches = [(gang, branch) for gang in gangs for branch in range(len(gang.branches))]
        names += ["preferred-topology"] if any(near(*each) for each in branches) else []
        names += ["balance"] if any(balanced(*each) for each in branches) else []
        return [*names, "packing"]

    def score(self, index: int, pods: Pods) -> Score:
        """What one gang adds to every tier."""
        gang, tiers = self.world.gangs[index], self.tiers
        added = dict.fromkeys(tiers, 0)
        counts = [sum(row) for row in pods]
        rank = self.prices.tiers[index]
        if any(counts):
            added[f"served-value/{rank}"] += _least_worth(gang, self.prices.values[index]) + self.prices.bonuses[index]
        if f"served-value/{rank}/surplus" in added:
            worth = zip(self.prices.values[index], counts, strict=True)
            added[f"served-value/{rank}/surplus"] += sum(value * count for value, count in worth)
        for branch in range(len(gang.branches)):
            for wider, level in enumerate(reversed(near(gang, branch))):
                added["preferred-topology"] -= WIDER**wider * len(self._by_domain(gang, pods, branch, level))
            for level in balanced(gang, branch):
                added["balance"] -= max(self._by_domain(gang, pods, branch, level).values(), default=0)
        added["packing"] -= self._packing(gang, pods)
        return tuple(added[tier] for tier in tiers)

    def stands(self, index: int, pods: Pods) -> bool:
        """Whether one gang is absent, or whole along its tree, inside the domains that it requires, in whole slices and
        with its leader among the others."""
        gang = self.world.gangs[index]
        counts = [sum(row) for row in pods]
        for branch, each in enumerate(gang.branches):
            if _pods(gang, counts, branch) and not _whole(gang, counts, branch):
                return False
            ask = each.topology
            if ask is None:
                continue
            if ask.required:
                domains = self._by_domain(gang, pods, branch, ask.required)
                if len(domains) > 1 or None in domains:
                    return False
            if ask.exclusive and None in self._by_domain(gang, pods, branch, ask.exclusive):
                return False
            for layer in ask.slices:
                sliced = self._by_domain(gang, pods, branch, layer.required, but=gang.leader)
                if None in sliced or any(count % layer.size for count in sliced.values()):
                    return False
        return self._led(gang, pods)

    def held(self, index: int, pods: Pods, level: str) -> set[tuple[str, ...]]:
        """The domains of a level that a gang has for itself where it has pods."""
        gang = self.world.gangs[index]
        found: set[tuple[str, ...]] = set()
        for branch, each in enumerate(gang.branches):
            if each.topology is not None and each.topology.exclusive == level:
                found |= {domain for domain in self._by_domain(gang, pods, branch, level) if domain is not None}
        return found

    def domain(self, node: int, level: str) -> tuple[str, ...] | None:
        labels = self.world.nodes[node].labels
        path = LEVELS[: LEVELS.index(level) + 1]
        return tuple(labels[label] for label in path) if all(label in labels for label in path) else None

    def _led(self, gang: Gang, pods: Pods) -> bool:
        """The leader is where the others are, by the coarsest slices of the nearest branch above it that has any."""
        for member, row in zip(gang.members, pods, strict=True):
            if member.name != gang.leader or not any(row):
                continue
            branch = member.branch
            while branch >= 0 and not _layers(gang, branch):
                branch = gang.branches[branch].parent
            if branch >= 0:
                level = _layers(gang, branch)[0].required
                others = self._by_domain(gang, pods, branch, level, but=gang.leader)
                own = {self.domain(node, level) for node, count in enumerate(row) if count}
                return None not in own and own <= others.keys()
        return True

    def _by_domain(
        self, gang: Gang, pods: Pods, branch: int, level: str, *, but: str = ""
    ) -> dict[tuple[str, ...] | None, int]:
        """Pods below a branch by domain; all nodes without one are one."""
        found: dict[tuple[str, ...] | None, int] = {}
        for member, row in zip(gang.members, pods, strict=True):
            if _is_below(gang, member.branch, branch) and (not but or member.name != but):
                for node, count in enumerate(row):
                    if count:
                        domain = self.domain(node, level)
                        found[domain] = found.get(domain, 0) + count
        return found

    def _packing(self, gang: Gang, pods: Pods) -> int:
        """What a pod takes of the scarce resource times what is free where it goes."""
        cost = 0
        for member, row in zip(gang.members, pods, strict=True):
            taken = max(1, dict(member.shape.requests).get("nvidia.com/gpu", 0) // self.prices.step)
            cost += sum(
                count * taken * (free // self.prices.step) for count, free in zip(row, self.prices.free, strict=True)
            )
        return cost


def near(gang: Gang, branch: int) -> list[str]:
    """The levels of which few domains are better: below what is required, down to what is preferred or sliced, and one
    further where balance is asked for."""
    ask = gang.branches[branch].topology
    if ask is None:
        return []
    depths = [LEVELS.index(level) for level in (ask.preferred, *(layer.required for layer in ask.slices)) if level]
    required = []
    above = branch
    while above >= 0:
        wish = gang.branches[above].topology
        required += [LEVELS.index(wish.required)] if wish is not None and wish.required else []
        above = gang.branches[above].parent
    finest = max(depths, default=-1)
    if ask.balance:
        finest = max(finest, LEVELS.index(ask.required) if ask.required else -1) + 1
    return list(LEVELS[max(required, default=-1) + 1 : finest + 1])


def balanced(gang: Gang, branch: int) -> list[str]:
    """The levels of which the fullest domain is to hold little."""
    ask = gang.branches[branch].topology
    return near(gang, branch)[-2:] if ask is not None and ask.balance else []


def _layers(gang: Gang, branch: int) -> tuple[Slice, ...]:
    ask = gang.branches[branch].topology
    return () if ask is None else ask.slices


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


def _least_worth(gang: Gang, values: tuple[int, ...]) -> int:
    """What a gang is worth at its minima; where the tree leaves a choice of members, at the cheapest."""
    needs = _needs(gang, 0)
    more = gang.branches[0].minimum - sum(needs.values())
    return sum(values[member] * need for member, need in needs.items()) + max(0, more) * min(values)


def _may_have_surplus(gang: Gang) -> bool:
    """Whether a gang can have more pods than it needs, over all branches that must be there."""
    needed = max(gang.branches[0].minimum, sum(_needs(gang, 0).values()))
    return sum(member.count for member in gang.members) > needed


def _needs(gang: Gang, branch: int) -> dict[int, int]:
    """Minima of the members that must be there when a branch is: its own, and those of children that all must be."""
    needs = {index: each.minimum for index, each in enumerate(gang.members) if each.branch == branch}
    children = [child for child, each in enumerate(gang.branches) if each.parent == branch]
    if children and gang.branches[branch].min_branches >= len(children):
        for child in children:
            needs |= _needs(gang, child)
    return needs
