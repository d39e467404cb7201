"""What of a plan may stand at once: the gangs whose places no waiting gang could come to use, however others move.

Work that waits contests every node class where one of its pods could stand. Whoever was placed there might have to
move, and so contests every class that it could use instead; and where a queue's limit binds somebody who waits, so does
everybody who takes of it. What is left when this has spread is a problem of its own: no better plan for the one part
changes anything in the other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields, replace

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.solver.build import Built
from scheduler.solver.check import scores
from scheduler.solver.problem import GangAsk, Incumbent, Problem, Put, QueueRoom, plain, unshaped

_CLASSES = ("class_nodes", "class_free", "class_domain", "level_names", "domain_names")
_TIES_NOBODY = frozenset(
    (*_CLASSES, "resources", "gangs", "queues", "goals", "rules", "node_score", "device_score", "mix")
)
"""The parts of a problem that tie gangs together through nodes and plain queues alone, or not at all."""


def uncontested(problem: Problem, start: Incumbent, waiting: Collection[int]) -> list[int]:
    """The gangs (indices, in order) with places in ``start`` that nothing among ``waiting`` contests."""
    if not separable(problem):
        return []
    placed_on: dict[int, list[int]] = {}
    for put in start.puts:
        placed_on.setdefault(put.gang, []).append(put.node_class)
    usable = _Usable(problem)
    binding = _binding_queues(problem)
    competing = set().union(*(_line(problem, gang) for gang in waiting)) & binding
    contested: Mask = np.zeros(problem.class_count, dtype=np.bool_)
    for gang in waiting:
        contested |= usable.of(problem.gangs[gang])
    free = {gang: np.unique(classes) for gang, classes in placed_on.items() if gang not in waiting}
    spreading = True
    while spreading:
        caught = [
            gang
            for gang, classes in free.items()
            if contested[classes].any() or not competing.isdisjoint(_line(problem, gang))
        ]
        for gang in caught:
            del free[gang]
            contested |= usable.of(problem.gangs[gang])
            competing |= _line(problem, gang) & binding
        spreading = bool(caught)
    return sorted(free)


def without(built: Built, start: Incumbent, settled: Sequence[int]) -> tuple[Built, Incumbent]:
    """The problem that is left when ``settled`` gangs keep their places: nobody else could stand on their nodes, so
    only their queues' room shrinks."""
    if not settled:
        return built, start
    problem = built.problem
    gone = set(settled)
    kept = [gang for gang in range(len(problem.gangs)) if gang not in gone]
    number = {gang: index for index, gang in enumerate(kept)}
    rest = replace(
        problem,
        gangs=tuple(problem.gangs[gang] for gang in kept),
        queues=_rooms_after(problem, [put for put in start.puts if put.gang in gone]),
    )
    puts = tuple(
        Put(number[put.gang], put.member, put.node_class, put.count, put.spots)
        for put in start.puts
        if put.gang in number
    )
    gangs = tuple(built.gangs[gang] for gang in kept)
    return replace(built, problem=rest, gangs=gangs), Incumbent(puts, scores(rest, puts))


def separable(problem: Problem) -> bool:
    """Whether nothing is asked for that may tie gangs together in other ways than by nodes and queues' room, so that
    a problem may be taken apart by them."""
    return (
        not any(_is_set(getattr(problem, each.name)) for each in fields(problem) if each.name not in _TIES_NOBODY)
        and all(queue == QueueRoom(queue.parent, queue.room) for queue in problem.queues)
        and all(plain(unshaped(gang)) for gang in problem.gangs)
    )


def _is_set(part: object) -> bool:
    """Whether a part of a problem that may be left out is there."""
    return part is not None and not (isinstance(part, tuple) and not part)


class _Usable:
    """[C] the classes where some pod of a gang could stand, remembered per (request, eligible classes)."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._known: dict[tuple[tuple[int, ...], bytes], Mask] = {}

    def of(self, gang: GangAsk) -> Mask:
        found: Mask = np.zeros(self._problem.class_count, dtype=np.bool_)
        for member in gang.members:
            key = (member.request, member.eligible)
            if key not in self._known:
                holds = (self._problem.class_free >= np.array(member.request, dtype=np.int64)).all(axis=1)
                self._known[key] = holds & self._problem.eligible(member)
            found |= self._known[key]
        return found


def _line(problem: Problem, gang: int) -> set[int]:
    """The queues that a gang's pods count in."""
    line = set()
    queue = problem.gangs[gang].queue
    while queue >= 0:
        line.add(queue)
        queue = problem.queues[queue].parent
    return line


def _binding_queues(problem: Problem) -> set[int]:
    """The queues that cannot give everything that is asked for below them."""
    asked = np.zeros((len(problem.queues), len(problem.resources)), dtype=np.int64)
    for index, gang in enumerate(problem.gangs):
        line = list(_line(problem, index))
        for member in gang.members:
            asked[line] += np.array(member.request, dtype=np.int64) * member.count
    rooms = np.array([queue.room for queue in problem.queues], dtype=np.int64).reshape(asked.shape)
    return set(np.flatnonzero(((rooms >= 0) & (asked > rooms)).any(axis=1)).tolist())


def _rooms_after(problem: Problem, puts: Sequence[Put]) -> tuple[QueueRoom, ...]:
    if not problem.queues:
        return ()
    rooms = [list(queue.room) for queue in problem.queues]
    for put in puts:
        request = problem.gangs[put.gang].members[put.member].request
        for queue in _line(problem, put.gang):
            for resource, amount in enumerate(request):
                if rooms[queue][resource] >= 0:
                    rooms[queue][resource] -= amount * put.count
    return tuple(QueueRoom(queue.parent, tuple(room)) for queue, room in zip(problem.queues, rooms, strict=True))
