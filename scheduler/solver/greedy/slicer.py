"""Greedy's way with slices: whole ones into the domains that hold them, few of them, along the layers.

Exact for interchangeable pods; for unlike ones, which are tried as if all were like the largest and then domain by
domain, it may miss a placement that the solver finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from scheduler.model.cluster import Mask
from scheduler.solver.greedy.distribution import Layer
from scheduler.solver.problem import BranchAsk, GangAsk, MemberAsk, Problem
from scheduler.solver.scarcity import by_scarcity
from scheduler.solver.tree import branches_below, is_present, members_below, sliced_above

if TYPE_CHECKING:
    from scheduler.solver.greedy.attempt import Attempt, GangPlacer

_LEADER_TRIES = 8


def layers_of(ask: BranchAsk, *, slices: bool, near: bool = True) -> tuple[Layer, ...]:
    """The levels that count for a branch, coarse to fine: those of which few domains are sought, those with slices."""
    sizes = {layer.level: layer.size for layer in ask.slices} if slices else {}
    sought = ask.near if near else ()
    columns = [*(column for column in sizes if column not in sought), *sought]
    return tuple(Layer(column, sizes.get(column, 1), column in ask.balance) for column in columns)


class Slicer:
    """Places branches with slices for a `GangPlacer`."""

    def __init__(self, problem: Problem, placer: GangPlacer) -> None:
        self._problem = problem
        self._placer = placer
        self._by_scarcity = by_scarcity(problem.resources)
        self._near = "preferred-topology" in problem.goals

    def fill(self, attempt: Attempt, gang: GangAsk, branch: int) -> bool:
        """A branch at its minima, rounded up to whole slices; slices that are held in part are completed first."""
        above = sliced_above(gang, gang.branches[branch].parent)
        if above >= 0 or any(_asks_more(gang.branches[each]) for each in branches_below(gang, branch)[1:]):
            return False  # slices inside another branch's, and below it places to choose, are left to the solver
        leader = gang.leader if gang.leader in members_below(gang, branch) else -1
        sliced = [index for index in members_below(gang, branch) if index != leader]
        leads = gang.members[leader].count if leader >= 0 else 0
        owed = self._owed(gang.branches[branch])
        pods = {index: gang.members[index].minimum for index in sliced}
        size = gang.branches[branch].slices[0].size
        least = max(sum(pods.values()), gang.branches[branch].minimum - leads, sum(owed.values()))
        total = least + (sum(owed.values()) - least) % size
        for index in sliced:
            pods[index] += min(gang.members[index].count - pods[index], total - sum(pods.values()))
        if sum(pods.values()) < total:
            return False
        if not self._with_leader(attempt, gang, branch, pods, owed, leader):
            return False
        below = branches_below(gang, branch)
        attempt.present.update(each for each in below if is_present(gang, attempt.taken, each))
        begun = {gang.members[index].branch for index, count in attempt.taken.items() if count}
        return branch in attempt.present and all(each in attempt.present for each in begun & set(below))

    def add(self, attempt: Attempt, gang: GangAsk, index: int, count: int) -> int:
        """As many whole slices of one member as fit, up to ``count`` pods; answers how many pods were placed. Where
        branches further up have slices too, none: those are left to the solver."""
        branch = sliced_above(gang, gang.members[index].branch)
        mask = self._placer.classes_allowed(attempt, gang, index)
        nested = sliced_above(gang, gang.branches[branch].parent) >= 0
        if index == gang.leader or mask is None or nested:
            return 0
        slots = attempt.stock.live(mask)
        layers = layers_of(gang.branches[branch], slices=True, near=self._near)
        tree = self._placer.domain_tree(attempt.stock, slots, layers, gang.members[index], mask)
        count = min(count - count % tree.size, tree.most()) if len(slots) else 0
        return count if count and self._pour(attempt, gang, {index: count}, layers, mask) else 0

    # --- one branch -----------------------------------------------------------------------------------------------

    def _with_leader(
        self,
        attempt: Attempt,
        gang: GangAsk,
        branch: int,
        pods: Mapping[int, int],
        owed: Mapping[tuple[int, int], int],
        leader: int,
    ) -> bool:
        """The slices, then the leader beside them; where that leaves it no room, the leader first."""
        part = attempt.within(attempt.stock.live(np.ones(self._problem.class_count, dtype=np.bool_)))
        if self._slices(part, gang, branch, pods, owed) and (leader < 0 or self._lead(part, gang, branch, leader)):
            attempt.keep(part, gang)
            return True
        level = gang.branches[branch].slices[0].level
        mask = self._placer.classes_allowed(attempt, gang, leader) if leader >= 0 else None
        if mask is None:
            return False
        domains = np.unique(self._problem.class_domain[mask, level])
        for domain in domains[domains >= 0][:_LEADER_TRIES].tolist():
            inside = mask & (self._problem.class_domain[:, level] == domain)
            part = attempt.within(attempt.stock.live(np.ones(self._problem.class_count, dtype=np.bool_)))
            count = gang.members[leader].count
            if self._placer.pour(part, gang, leader, inside, count) < count:
                continue
            part.taken[leader] = count
            if self._slices(part, gang, branch, pods, owed) and domain in self._used(part, gang, branch, leader):
                attempt.keep(part, gang)
                return True
        return False

    def _lead(self, attempt: Attempt, gang: GangAsk, branch: int, leader: int) -> bool:
        mask = self._placer.classes_allowed(attempt, gang, leader)
        if mask is None:
            return False
        level = gang.branches[branch].slices[0].level
        beside = np.isin(self._problem.class_domain[:, level], self._used(attempt, gang, branch, leader))
        count = gang.members[leader].count
        placed = self._placer.pour(attempt, gang, leader, mask & beside, count)
        attempt.taken[leader] = placed
        return placed == count

    def _used(self, attempt: Attempt, gang: GangAsk, branch: int, leader: int) -> list[int]:
        """The domains of the coarsest slices where the gang has pods, the leader aside."""
        layer = gang.branches[branch].slices[0]
        placed = {
            int(self._problem.class_domain[step.key[0], layer.level]) for step in attempt.steps if step.member != leader
        }
        return sorted(placed | {domain for domain, _ in layer.held})

    def _slices(
        self,
        attempt: Attempt,
        gang: GangAsk,
        branch: int,
        pods: Mapping[int, int],
        owed: Mapping[tuple[int, int], int],
    ) -> bool:
        """The given pods per member: what is owed to slices in part, then whole slices."""
        ask = gang.branches[branch]
        left = dict(pods)
        layers = layers_of(ask, slices=True, near=self._near)
        for (number, domain), count in owed.items():
            inside = self._problem.class_domain[:, ask.slices[number].level] == domain
            finer = layers_of(ask, slices=True, near=False)[number + 1 :] or (Layer(ask.slices[number].level),)
            taken = _first(left, count)
            if not self._pour(attempt, gang, taken, finer, inside):
                return False
            left = {index: has - taken.get(index, 0) for index, has in left.items()}
        return self._pour(attempt, gang, left, layers, np.ones(self._problem.class_count, dtype=np.bool_))

    def _pour(
        self, attempt: Attempt, gang: GangAsk, pods: Mapping[int, int], layers: tuple[Layer, ...], mask: Mask
    ) -> bool:
        """So many pods per member in whole slices of some layers; nothing when they do not fit."""
        left = {index: count for index, count in pods.items() if count}
        if not left:
            return True
        return self._pour_alike(attempt, gang, left, layers, mask) or (
            len(left) > 1 and self._pour_unlike(attempt, gang, left, layers, mask)
        )

    def _pour_alike(
        self, attempt: Attempt, gang: GangAsk, left: dict[int, int], layers: tuple[Layer, ...], mask: Mask
    ) -> bool:
        """As if every pod were as large as the largest, and could go only where all may: then any mix fits."""
        total = sum(left.values())
        largest = _largest([gang.members[index] for index in left])
        slots = attempt.stock.live(self._common(attempt, gang, left) & mask)
        if largest is None or not len(slots):
            return False
        tree = self._placer.domain_tree(attempt.stock, slots, layers, largest, mask)
        if tree.most() < total:
            return False
        cells = [
            (self._placer.classes_in(attempt.stock, slots, tree, cell), load)
            for cell, load in tree.hand_out(total, self._placer.touched(attempt, slots))
        ]
        part, rest = attempt.within(attempt.stock.live(mask)), dict(left)
        for inside, load in cells:
            if self._pour_mixed(part, gang, rest, inside, load) < load:
                return False  # pods that look at other pods do not all fit where each of them would
        attempt.keep(part, gang)
        return True

    def _pour_unlike(
        self, attempt: Attempt, gang: GangAsk, left: dict[int, int], layers: tuple[Layer, ...], mask: Mask
    ) -> bool:
        """Domain after domain as full as it gets, the roomiest first, then so many pods less as are no whole slice."""
        part, rest = attempt.within(attempt.stock.live(mask)), dict(left)
        sliced = tuple(layer for layer in layers if layer.size > 1)
        self._fill_domains(part, gang, rest, sliced, mask, sum(rest.values()))
        if any(rest.values()):
            return False
        attempt.keep(part, gang)
        return True

    def _fill_domains(
        self, attempt: Attempt, gang: GangAsk, left: dict[int, int], layers: tuple[Layer, ...], mask: Mask, most: int
    ) -> int:
        """Up to ``most`` of the pods that are ``left``, in whole slices of the first layer; answers how many. A domain
        that was passed over may have its turn once others have taken what it could not hold."""
        if not layers:
            return self._pour_mixed(attempt, gang, left, mask, most)
        placed, before = 0, -1
        while placed > before and placed < most:
            before = placed
            for inside in self._roomiest(attempt, gang, left, layers[0].column, mask):
                placed += self._fill_domain(attempt, gang, left, layers, inside, most - placed)
        return placed

    def _fill_domain(
        self, attempt: Attempt, gang: GangAsk, left: dict[int, int], layers: tuple[Layer, ...], inside: Mask, most: int
    ) -> int:
        """As many as fit into one domain, then no more than whole slices of them."""
        for _ in range(2):
            part, rest = attempt.within(attempt.stock.live(inside)), dict(left)
            count = self._fill_domains(part, gang, rest, layers[1:], inside, most)
            most = count - count % layers[0].size
            if count == most:
                attempt.keep(part, gang)
                left.update(rest)
                return count
        return 0

    def _roomiest(
        self, attempt: Attempt, gang: GangAsk, left: Mapping[int, int], column: int, mask: Mask
    ) -> list[Mask]:
        """The domains of a level, those where most of the pods fit one by one first."""
        codes = self._problem.class_domain[:, column]
        room = np.zeros(int(codes.max(initial=-1)) + 1, dtype=np.int64)
        for index, count in left.items():
            own = mask & self._placer.may_use(attempt, gang, index) & (codes >= 0)
            slots = attempt.stock.live(own)
            tree = self._placer.domain_tree(attempt.stock, slots, (Layer(column),), gang.members[index], own)
            for cell, domain in enumerate(np.unique(codes[attempt.stock.node_class[slots]]).tolist()):
                room[domain] += min(tree.room_of(cell), count)
        order = np.argsort(-room, kind="stable")
        return [mask & (codes == domain) for domain in order.tolist() if room[domain]]

    def _pour_mixed(self, attempt: Attempt, gang: GangAsk, left: dict[int, int], mask: Mask, most: int) -> int:
        """Up to ``most`` of the pods that are ``left``, the largest first."""
        placed = 0
        for index in sorted(left, key=lambda each: [-gang.members[each].request[at] for at in self._by_scarcity]):
            allowed = self._placer.classes_allowed(attempt, gang, index)
            wanted = min(left[index], most - placed)
            here = self._placer.pour(attempt, gang, index, mask & allowed, wanted) if allowed is not None else 0
            left[index] -= here
            placed += here
            attempt.taken[index] = attempt.taken.get(index, 0) + here
        return placed

    def _common(self, attempt: Attempt, gang: GangAsk, members: Iterable[int]) -> Mask:
        """The classes where every one of the members may stand."""
        common = np.ones(self._problem.class_count, dtype=np.bool_)
        for index in members:
            mask = self._placer.classes_allowed(attempt, gang, index)
            common &= mask if mask is not None else False
        return common

    def _owed(self, ask: BranchAsk) -> dict[tuple[int, int], int]:
        """(layer, domain) -> pods that complete what is held there, finer layers first; what completes a finer slice
        counts for the coarser one around it."""
        owed: dict[tuple[int, int], int] = {}
        columns = self._problem.class_domain
        for number in reversed(range(len(ask.slices))):
            layer = ask.slices[number]
            for domain, pods in layer.held:
                inside = columns[:, layer.level] == domain
                finer = sum(
                    count
                    for (each, own), count in owed.items()
                    if bool((inside & (columns[:, ask.slices[each].level] == own)).any())
                )
                if rest := -(pods + finer) % layer.size:
                    owed[number, domain] = rest
        return owed


def _asks_more(ask: BranchAsk) -> bool:
    return ask.required >= 0 or bool(ask.slices) or ask.exclusive >= 0


def _largest(members: Sequence[MemberAsk]) -> MemberAsk | None:
    """A member that asks for as much of everything as any of these; None where they want different parts of devices."""
    if any(each.devices != members[0].devices for each in members):
        return None
    requests = zip(*(each.request for each in members), strict=True)
    return msgspec.structs.replace(members[0], request=tuple(map(max, requests)))


def _first(pods: Mapping[int, int], count: int) -> dict[int, int]:
    """The first ``count`` of some pods per member."""
    taken = {}
    for index, has in pods.items():
        taken[index] = min(has, count)
        count -= taken[index]
    return taken
