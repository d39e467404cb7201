"""Greedy's placers where it matters which nodes count as what: queues with limits per flavor, gangs that accept some
flavors, shares by memory. Everywhere else there is one kind of node and one placer.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np

from scheduler.solver.greedy.attempt import Attempt, GangPlacer
from scheduler.solver.greedy.node_scores import NodeScore
from scheduler.solver.greedy.rooms import Kind, Rooms, Taken, kinds
from scheduler.solver.problem import GangAsk, Problem


class Placers:
    """Places gangs of one problem inside the room of their queues."""

    def __init__(self, problem: Problem, score: NodeScore) -> None:
        self._problem = problem
        self._score = score
        self._kinds = kinds(problem)
        self._everywhere = GangPlacer(problem, score)
        self._of_kind = [GangPlacer(problem, score, kind.classes) for kind in self._kinds]
        self._of_flavor: dict[int, GangPlacer] = {}
        if problem.class_flavor is not None and any(gang.flavors for gang in problem.gangs):
            for flavor in range(len(problem.flavors)):
                self._of_flavor[flavor] = GangPlacer(problem, score, problem.class_flavor == flavor)

    def minima(self, attempt: Attempt, gang: GangAsk, rooms: Rooms) -> bool:
        """The least of a gang that counts as placed, if it fits nodes and queues; else nothing happens.

        Where nodes count differently and a plan without regard to that exceeds some queue, each kind is tried alone.
        """
        admits = partial(_admits, rooms, gang)
        for placer, own in self._choices(gang, attempt):
            if placer.minima(attempt, gang, admits):
                return True
            if len(own) > 1 and any(self._of_kind[kind].minima(attempt, gang, admits) for kind in own):
                return True
        return False

    def add(self, attempt: Attempt, gang: GangAsk, index: int, count: int, rooms: Rooms) -> int:
        """Up to ``count`` more pods of a member; answers how many were placed."""
        member = gang.members[index]
        added = 0
        for placer, own in self._choices(gang, attempt):
            left = count - added
            most = min((rooms.most(gang, member, self._kinds[kind].example) for kind in own), default=0)
            if len(own) <= 1 or most >= left:
                placer.settle(attempt, gang, index)
                added += placer.add(attempt, gang, index, min(left, most))
            else:
                added += self._add_by_kind(attempt, gang, index, left, rooms, own)
            if added == count:
                break
        return added

    def enter(self, attempt: Attempt, gang: GangAsk, rooms: Rooms) -> bool:
        """Lets one more branch in that is not needed, at its minima."""
        admits = partial(_admits, rooms, gang)
        return any(placer.enter(attempt, gang, admits) for placer, _ in self._choices(gang, attempt))

    def step(self, gang: GangAsk, index: int) -> int:
        """How many pods of a member can only come together (`GangPlacer.step`)."""
        return self._everywhere.step(gang, index)

    def resume(self, attempt: Attempt, gang: GangAsk) -> None:
        self._everywhere.resume(attempt, gang)

    def _add_by_kind(
        self, attempt: Attempt, gang: GangAsk, index: int, count: int, rooms: Rooms, own: Iterable[int]
    ) -> int:
        """Kind by kind, each as far as the queues take its pods beside those before."""
        left, member, added = rooms.copy(), gang.members[index], 0
        for kind in own:
            example = self._kinds[kind].example
            placer = self._of_kind[kind]
            placer.settle(attempt, gang, index)
            more = placer.add(attempt, gang, index, min(count - added, left.most(gang, member, example)))
            left.charge(gang, member, example, more)
            added += more
        return added

    def _choices(self, gang: GangAsk, attempt: Attempt) -> list[tuple[GangPlacer, list[int]]]:
        """(placer, its kinds) in the order to try. A gang that accepts some flavors stays in the one that it is in; a
        bundle's pods are gangs of their own."""
        if not gang.flavors:
            return [(self._everywhere, list(range(len(self._kinds))))]
        accepted = [flavor for flavor in np.argsort(gang.flavors, kind="stable").tolist() if gang.flavors[flavor] >= 0]
        if attempt.classes and not gang.bundle:
            accepted = [self._problem.flavor_of(next(iter(attempt.classes)))]
        return [(self._of_flavor[flavor], self._kinds_in(flavor)) for flavor in accepted]

    def _kinds_in(self, flavor: int) -> list[int]:
        return [index for index, kind in enumerate(self._kinds) if self._is_of(kind, flavor)]

    def _is_of(self, kind: Kind, flavor: int) -> bool:
        return kind.example >= 0 and self._problem.flavor_of(kind.example) == flavor


def _admits(rooms: Rooms, gang: GangAsk, attempt: Attempt) -> bool:
    return rooms.holds(gang, taken_by_steps(gang, attempt))


def taken_by_steps(gang: GangAsk, attempt: Attempt) -> list[Taken]:
    """What the steps of an attempt take."""
    return [(gang.members[step.member], step.key[0], step.nodes * step.each) for step in attempt.steps]
