"""A problem with the nodes of some classes taken apart, each a class of its own: there a count is a place.

Counts on a class promise room in sum. Where an answer's counts fit no assignment to the nodes of a class, that class is
taken apart and the search goes on. Where parts of devices are asked for, a node's devices are counted one by one then,
for they promise no more than sums either.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from scheduler.solver.devices.devices import Held
from scheduler.solver.problem import MemberAsk, Problem, Put

Spots = dict[tuple[int, int, int], dict[int, int]]
HeldSpots = dict[tuple[int, int, int], dict[tuple[int, Held], int]]


@dataclass(frozen=True, eq=False)
class Apart:
    """``problem`` is that of the caller with some classes taken apart. For each class of it: ``class_of`` is the class
    that it stands for, or is a node of, and ``node_of`` the index of this node (-1: the class as it is).

    ``by_device`` are the classes there whose devices are counted one by one.
    """

    problem: Problem
    class_of: NDArray[np.int64]
    node_of: NDArray[np.int64]
    by_device: frozenset[int]

    @classmethod
    def of(cls, whole: Problem, classes: Collection[int]) -> Apart:
        """``classes`` are taken apart; none of them: the problem as it is."""
        sizes = [int(whole.class_nodes[each]) if each in classes else 1 for each in range(whole.class_count)]
        class_of = np.repeat(np.arange(whole.class_count), sizes)
        single = np.isin(class_of, sorted(classes))
        starts = np.cumsum([0, *sizes])[class_of]
        node_of = np.where(single, np.arange(len(class_of)) - starts, -1)
        by_device = np.flatnonzero(single).tolist() if whole.devices is not None else ()
        return cls(_over(whole, class_of, single) if single.any() else whole, class_of, node_of, frozenset(by_device))

    @property
    def is_any(self) -> bool:
        """Whether any class is taken apart."""
        return bool((self.node_of >= 0).any())

    def inside(self, puts: Sequence[Put]) -> tuple[Put, ...]:
        """A placement of the caller's problem, with its spots, as one of this problem."""
        if not self.is_any:
            return tuple(puts)
        first = {int(each): index for index, each in reversed(list(enumerate(self.class_of.tolist())))}
        found = []
        for put in puts:
            there = first[put.node_class]
            if self.node_of[there] < 0:
                found.append(msgspec.structs.replace(put, node_class=there))
                continue
            assert put.spots, "a placement to take apart does not know its nodes"
            for node, count in put.spots:
                held = tuple((0, held, pods) for index, held, pods in put.held if index == node)
                found.append(Put(put.gang, put.member, there + node, count, ((0, count),), held))
        return tuple(found)

    def outside(self, puts: Sequence[Put]) -> tuple[Put, ...]:
        """The way back, of a placement that knows its spots."""
        if not self.is_any:
            return tuple(puts)
        spots: Spots = {}
        devices: HeldSpots = {}
        for put in puts:
            where = (put.gang, put.member, int(self.class_of[put.node_class]))
            single = int(self.node_of[put.node_class])
            own, known = spots.setdefault(where, {}), devices.setdefault(where, {})
            for node, count in put.spots:
                index = max(single, 0) + node
                own[index] = own.get(index, 0) + count
            for node, held, pods in put.held:
                index = max(single, 0) + node
                known[index, held] = known.get((index, held), 0) + pods
        return tuple(
            Put(
                *where,
                sum(own.values()),
                tuple(sorted(own.items())),
                tuple((node, held, pods) for (node, held), pods in sorted(devices[where].items())),
            )
            for where, own in sorted(spots.items())
        )


def _over(whole: Problem, class_of: NDArray[np.int64], single: NDArray[np.bool_]) -> Problem:
    def spread_flags(member: MemberAsk) -> MemberAsk:
        return msgspec.structs.replace(member, eligible=np.packbits(whole.eligible(member)[class_of]).tobytes())

    return replace(
        whole,
        class_nodes=np.where(single, 1, whole.class_nodes[class_of]).astype(np.int32),
        class_free=whole.class_free[class_of],
        class_domain=whole.class_domain[class_of],
        gangs=tuple(
            msgspec.structs.replace(gang, members=tuple(spread_flags(member) for member in gang.members))
            for gang in whole.gangs
        ),
        mix=tuple(spread_flags(member) for member in whole.mix),
        devices=None if whole.devices is None else whole.devices.rows(class_of.tolist()),
        giving=None
        if whole.giving is None
        else whole.giving.on(np.searchsorted(class_of, np.arange(whole.class_count))),
        class_flavor=None if whole.class_flavor is None else whole.class_flavor[class_of],
    )
