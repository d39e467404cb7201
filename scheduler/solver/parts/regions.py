"""Regions: some domains of the fleet, with the gangs that stand inside and those that wait, as a problem of their own.

Everything else stays where it is and counts as used. What is reached inside is reached as a whole, so a region can be
solved by whatever solves problems.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.resources import Matrix
from scheduler.solver.problem import GangAsk, MemberAsk, Problem, Put, QueueRoom


@dataclass(frozen=True, eq=False)
class Region:
    """``problem`` is over its own classes and gangs; ``gangs`` and ``nodes`` say which they are: per class of the
    region the class and the nodes (by index inside it) in the whole. ``start`` is what stands inside, ``rest`` what
    does not, in indices of the whole."""

    problem: Problem
    gangs: tuple[int, ...]
    nodes: tuple[tuple[int, tuple[int, ...]], ...]
    start: tuple[Put, ...]
    rest: tuple[Put, ...]

    def restore(self, puts: Sequence[Put]) -> tuple[Put, ...]:
        """A placement of the region, with spots, as one of the whole."""
        spots: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        for put in puts:
            node_class, nodes = self.nodes[put.node_class]
            own = spots.setdefault((self.gangs[put.gang], put.member, node_class), [])
            own += [(nodes[index], pods) for index, pods in put.spots]
        inside = (Put(*where, sum(pods for _, pods in own), tuple(sorted(own))) for where, own in sorted(spots.items()))
        return (*self.rest, *inside)


def region(
    problem: Problem, puts: Sequence[Put], classes: Mask, waiting: Collection[int], fixed: Collection[int] = ()
) -> Region:
    """The region of some classes [C]. ``puts`` must know their spots; ``waiting`` are the gangs without a place that
    may come in, ``fixed`` those that keep theirs."""
    outside = {put.gang for put in puts if not classes[put.node_class] and not problem.gangs[put.gang].bundle}
    inside = [put for put in puts if classes[put.node_class] and put.gang not in outside and put.gang not in fixed]
    movable = {put.gang for put in inside}
    rest = tuple(put for put in puts if put.gang not in movable or not classes[put.node_class])
    gangs = tuple(sorted(movable | set(waiting)))
    nodes, free = _nodes(problem, rest, classes)
    of_class = np.array([node_class for node_class, _ in nodes], dtype=np.int64)
    own = replace(
        problem,
        class_nodes=np.array([len(each) for _, each in nodes], dtype=np.int32),
        class_free=free,
        class_domain=problem.class_domain[of_class],
        gangs=_gangs(problem, gangs, of_class, rest),
        queues=_queues(problem, rest),
    )
    number = {gang: index for index, gang in enumerate(gangs)}
    at = {
        (node_class, node): (index, position)
        for index, (node_class, each) in enumerate(nodes)
        for position, node in enumerate(each)
    }
    start = [
        Put(number[put.gang], put.member, at[put.node_class, node][0], pods, ((at[put.node_class, node][1], pods),))
        for put in inside
        for node, pods in put.spots
    ]
    return Region(own, gangs, nodes, _joined(start), rest)


def everything(problem: Problem, puts: Sequence[Put]) -> Region:
    """The whole fleet with all gangs as a region: its problem is the problem itself."""
    nodes = tuple((node_class, tuple(range(size))) for node_class, size in enumerate(problem.class_nodes.tolist()))
    return Region(problem, tuple(range(len(problem.gangs))), nodes, tuple(puts), ())


def _joined(puts: Iterable[Put]) -> tuple[Put, ...]:
    """One put per gang, member and class."""
    spots: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
    for put in puts:
        spots.setdefault((put.gang, put.member, put.node_class), []).extend(put.spots)
    return tuple(Put(*where, sum(pods for _, pods in own), tuple(sorted(own))) for where, own in sorted(spots.items()))


def _nodes(
    problem: Problem, rest: Sequence[Put], classes: Mask
) -> tuple[tuple[tuple[int, tuple[int, ...]], ...], Matrix]:
    """The classes of the region: nodes of one class that the rest uses differently are different classes there."""
    used: dict[tuple[int, int], Matrix] = {}
    for put in rest:
        if classes[put.node_class]:
            request = np.array(problem.gangs[put.gang].members[put.member].request, dtype=np.int64)
            for node, pods in put.spots:
                used[put.node_class, node] = used.get((put.node_class, node), 0) + request * pods
    touched: dict[int, dict[int, Matrix]] = {}
    for (node_class, node), amounts in used.items():
        touched.setdefault(node_class, {})[node] = amounts
    nodes: list[tuple[int, tuple[int, ...]]] = []
    free: list[Matrix] = []
    for node_class in np.flatnonzero(classes).tolist():
        here = touched.get(node_class, {})
        alike: dict[bytes, list[int]] = {}
        for node in range(int(problem.class_nodes[node_class])):
            alike.setdefault(here[node].tobytes() if node in here else b"", []).append(node)
        for each in alike.values():
            nodes.append((node_class, tuple(each)))
            free.append(problem.class_free[node_class] - here.get(each[0], 0))
    return tuple(nodes), np.array(free, dtype=np.int64).reshape(len(nodes), len(problem.resources))


def _gangs(problem: Problem, gangs: Sequence[int], of_class: Matrix, rest: Sequence[Put]) -> tuple[GangAsk, ...]:
    """The asks over the classes of the region; of a bundle what is not placed elsewhere."""
    flags: dict[bytes, bytes] = {}
    elsewhere: dict[int, int] = {}
    for put in rest:
        elsewhere[put.gang] = elsewhere.get(put.gang, 0) + put.count

    def own(member: MemberAsk, count: int) -> MemberAsk:
        eligible = flags.get(member.eligible)
        if eligible is None:
            eligible = flags[member.eligible] = np.packbits(problem.eligible(member)[of_class]).tobytes()
        return msgspec.structs.replace(member, eligible=eligible, count=count)

    return tuple(
        msgspec.structs.replace(
            problem.gangs[gang],
            members=tuple(own(member, member.count - elsewhere.get(gang, 0)) for member in problem.gangs[gang].members),
        )
        for gang in gangs
    )


def _queues(problem: Problem, rest: Sequence[Put]) -> tuple[QueueRoom, ...]:
    """What the rest leaves to each queue."""
    rooms = [list(queue.room) for queue in problem.queues]
    for put in rest:
        gang = problem.gangs[put.gang]
        queue = gang.queue
        while queue >= 0:
            for resource, amount in enumerate(gang.members[put.member].request):
                if rooms[queue][resource] >= 0:
                    rooms[queue][resource] -= amount * put.count
            queue = problem.queues[queue].parent
    return tuple(
        msgspec.structs.replace(queue, room=tuple(room)) for queue, room in zip(problem.queues, rooms, strict=True)
    )
