"""What queues may still take while greedy places: a line at a queue binds everything below it that it counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.solver.problem import GangAsk, MemberAsk, Problem
from scheduler.solver.quota import CountRoom, Loans

_BOUNDLESS = 2**62

Taken = tuple[MemberAsk, int, int]
"""(member, node class, pods)."""


@dataclass(frozen=True, eq=False)
class Kind:
    """Node classes on which a pod of any member counts the same for its queue: ``classes`` [C], and any one of them
    (-1: there are none)."""

    classes: Mask
    example: int


def kinds(problem: Problem) -> list[Kind]:
    """Classes by flavor, and by what parts of their devices count as; one kind where neither matters."""
    columns = [] if problem.class_flavor is None else [problem.class_flavor]
    if problem.devices is not None and any(_by_device(member) for gang in problem.gangs for member in gang.members):
        columns += [problem.devices.memory_mib, problem.devices.layout]
    everywhere = np.ones(problem.class_count, dtype=np.bool_)
    if not columns or not problem.class_count:
        return [Kind(everywhere, 0 if problem.class_count else -1)]
    distinct, kind_of = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    masks = [kind_of.ravel() == kind for kind in range(len(distinct))]
    return [Kind(mask, int(np.flatnonzero(mask)[0])) for mask in masks]


def _by_device(member: MemberAsk) -> bool:
    return member.devices is not None and not member.devices.milli


@dataclass
class _Line:
    room: list[int]
    flavor: int
    firm: bool


@dataclass
class _Count:
    bound: CountRoom
    gangs: int
    room: list[int]


class Rooms:
    """The room left per line of each queue; -1 is unlimited."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._binding = "queue-limit" in problem.rules
        self._lines = [
            [_Line(list(queue.room), -1, False)]
            + [_Line(list(line.room), line.flavor, line.firm) for line in queue.lines]
            for queue in problem.queues
        ]
        self._path = [_path(problem, queue) for queue in range(len(problem.queues))]
        parents = [queue.parent for queue in problem.queues]
        self._loans = [Loans(each, parents) for each in problem.lending if "lendable" in problem.rules]
        self._counts = [
            _Count(bound, bound.gangs, list(bound.room)) for bound in problem.counts if "counts" in problem.rules
        ]

    def copy(self) -> Rooms:
        """The same room, to try on."""
        other = Rooms(self._problem)
        other._lines = [[_Line(list(line.room), line.flavor, line.firm) for line in lines] for lines in self._lines]
        other._loans = [loans.copy() for loans in self._loans]
        other._counts = [_Count(each.bound, each.gangs, list(each.room)) for each in self._counts]
        return other

    def may_begin(self, gang: GangAsk) -> bool:
        """Whether one more gang is allowed; growing is no beginning, and the pods of a bundle count one by one."""
        return gang.grows or all(each.gangs != 0 for each in self._counted(gang))

    def begin(self, gang: GangAsk) -> None:
        for each in self._counted(gang) if not gang.grows and not gang.bundle else ():
            each.gangs -= each.gangs > 0

    def most(self, gang: GangAsk, member: MemberAsk, node_class: int) -> int:
        """How many more pods of a member the queue of its gang, and everything above it, takes on a class."""
        most = _BOUNDLESS
        request = self._problem.charge(member, node_class)
        for line in self._counting(gang, node_class):
            for room, amount in zip(line.room, request, strict=True):
                if amount > 0 and room >= 0:
                    most = min(most, room // amount)
        if self._loans or self._counts:
            most = min(most, self._most_counted(gang, request, self._problem.flavor_of(node_class)))
        return most

    def _most_counted(self, gang: GangAsk, request: tuple[int, ...], flavor: int) -> int:
        most = _BOUNDLESS
        for loans in self._loans:
            amount = request[loans.lending.resource]
            left = loans.left(gang.queue) if loans.lending.flavor in (-1, flavor) and gang.queue >= 0 else -1
            if amount > 0 and left >= 0:
                most = min(most, left // amount)
        for each in self._counted(gang):
            if gang.bundle and each.gangs >= 0:
                most = min(most, each.gangs)
            for room, amount in zip(each.room, request, strict=True):
                if amount > 0 and room >= 0:
                    most = min(most, room // amount)
        return most

    def holds(self, gang: GangAsk, taken: Iterable[Taken]) -> bool:
        """Whether all of this fits together."""
        if gang.queue < 0:
            return True
        taken = list(taken) if self._loans or self._counts else taken
        if (self._loans or self._counts) and not self._holds_counted(gang, taken):
            return False
        if not self._binding:
            return True
        totals: dict[int, tuple[_Line, list[int]]] = {}
        for member, node_class, pods in taken:
            request = self._problem.charge(member, node_class)
            for line in self._counting(gang, node_class):
                total = totals.setdefault(id(line), (line, [0] * len(request)))[1]
                for resource, amount in enumerate(request):
                    total[resource] += amount * pods
        return all(
            amount <= room or room < 0 or not amount
            for line, total in totals.values()
            for room, amount in zip(line.room, total, strict=True)
        )

    def _holds_counted(self, gang: GangAsk, taken: Iterable[Taken]) -> bool:
        trial = self.copy()
        for member, node_class, pods in taken:
            if trial.most(gang, member, node_class) < pods:
                return False
            trial.charge(gang, member, node_class, pods)
        return True

    def charge(self, gang: GangAsk, member: MemberAsk, node_class: int, pods: int) -> None:
        request = self._problem.charge(member, node_class)
        for line in self._counting(gang, node_class):
            for resource, amount in enumerate(request):
                if amount > 0 and line.room[resource] >= 0:
                    line.room[resource] -= amount * pods
        flavor = self._problem.flavor_of(node_class) if self._loans else -1
        for loans in self._loans:
            if loans.lending.flavor in (-1, flavor) and gang.queue >= 0:
                loans.take(gang.queue, request[loans.lending.resource] * pods)
        for each in self._counted(gang):
            if gang.bundle and each.gangs >= 0:
                each.gangs -= pods
            for resource, amount in enumerate(request):
                if amount > 0 and each.room[resource] >= 0:
                    each.room[resource] -= amount * pods

    def _counted(self, gang: GangAsk) -> list[_Count]:
        """The counts that concern a gang."""
        if not self._counts or gang.queue < 0:
            return []
        line = self._path[gang.queue]
        return [each for each in self._counts if each.bound.queue in line and each.bound.user in (-1, gang.user)]

    def _counting(self, gang: GangAsk, node_class: int) -> Iterator[_Line]:
        """The lines that count a pod of this gang on this class."""
        if gang.queue < 0 or not self._binding:
            return
        flavor = self._problem.flavor_of(node_class)
        for queue in self._path[gang.queue]:
            for line in self._lines[queue]:
                if line.flavor in (-1, flavor) and (gang.firm or not line.firm):
                    yield line


def _path(problem: Problem, queue: int) -> list[int]:
    path = []
    while queue >= 0:
        path.append(queue)
        queue = problem.queues[queue].parent
    return path
