"""What is left while greedy places: groups of nodes that share class *and* free vector.

A class starts as one group and splits as some of its nodes get filled; groups that become equal again merge. Every
group knows which nodes of its class it holds, so a placement made here expands to nodes by construction.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from scheduler.model.cluster import Mask
from scheduler.solver.problem import Problem

Slots = NDArray[np.int64]
GroupKey = tuple[int, bytes]


class Pour(msgspec.Struct, frozen=True):
    """``each`` pods of ``request`` onto every one of ``nodes`` nodes of the group with that key."""

    key: GroupKey
    nodes: int
    each: int


class Stock:
    """Groups in slots: ``free`` [R x slots], ``size`` nodes per slot (0: empty slot), ``node_class`` per slot.

    Only the first ``used`` slots are ever live. A stock made by `only` has no node lists: it is for trying, and what
    was poured in it is poured again into the stock it came from.
    """

    def __init__(self, free: NDArray[np.int64], size: Slots, node_class: Slots, capacity: int) -> None:
        groups = len(size)
        self.free = np.zeros((free.shape[0], max(capacity, 1)), dtype=np.int64)
        self.free[:, :groups] = free
        self.size = np.zeros(max(capacity, 1), dtype=np.int64)
        self.size[:groups] = size
        self.node_class = np.zeros(max(capacity, 1), dtype=np.int64)
        self.node_class[:groups] = node_class
        self.used = groups
        self.nodes: list[list[int]] | None = None
        self._keys: list[GroupKey] = []
        self._slots: dict[GroupKey, int] = {}
        self._empty: list[int] = []

    @classmethod
    def of(cls, problem: Problem) -> Stock:
        """The whole fleet of a problem, one group per class."""
        size = problem.class_nodes.astype(np.int64)
        stock = cls(problem.class_free.T, size, np.arange(problem.class_count, dtype=np.int64), int(size.sum()))
        stock.nodes = [list(range(count)) for count in size.tolist()]
        stock._keys = [stock._key(slot) for slot in range(stock.used)]
        stock._slots = {key: slot for slot, key in enumerate(stock._keys)}
        return stock

    def only(self, slots: Slots) -> Stock:
        """A stock of these groups, to try on. The slots must hold all groups of each of their classes."""
        size = self.size[slots]
        part = Stock(self.free[:, slots], size, self.node_class[slots], int(size.sum()))
        part._keys = [self._keys[slot] for slot in slots.tolist()]
        part._slots = {key: slot for slot, key in enumerate(part._keys)}
        return part

    def live(self, classes: Mask) -> Slots:
        """The slots of groups whose class is among the given ones [C]."""
        return np.flatnonzero(classes[self.node_class[: self.used]] & (self.size[: self.used] > 0))

    def fits(self, slots: Slots, request: tuple[int, ...]) -> Slots:
        """How many pods of a request each node of these groups holds; a request of nothing fits without end."""
        fits: Slots | None = None
        for resource, amount in enumerate(request):
            if amount > 0:
                here = self.free[resource, slots] // amount
                fits = here if fits is None else np.minimum(fits, here)
        return np.full(len(slots), np.iinfo(np.int32).max, dtype=np.int64) if fits is None else fits

    def holds(self, slots: Slots, request: tuple[int, ...]) -> Mask:
        """Whether each node of these groups holds one pod of a request; cheaper than counting how many."""
        holds = np.ones(len(slots), dtype=np.bool_)
        for resource, amount in enumerate(request):
            if amount > 0:
                holds &= self.free[resource, slots] >= amount
        return holds

    def key(self, slot: int) -> GroupKey:
        return self._keys[slot]

    def slot(self, key: GroupKey) -> int:
        return self._slots[key]

    def pour(self, slot: int, nodes: int, each: int, request: tuple[int, ...]) -> list[int]:
        """Puts ``each`` pods on ``nodes`` nodes of a group; answers with the nodes' indices inside their class."""
        size = int(self.size[slot])
        assert 0 < nodes <= size, "a group was asked for more nodes than it has"
        free = self.free[:, slot] - np.array(request, dtype=np.int64) * each
        assert free.min(initial=0) >= 0, "a node was over-committed"
        node_class = int(self.node_class[slot])
        moved: list[int] = []
        if self.nodes is not None:
            moved, self.nodes[slot] = self.nodes[slot][:nodes], self.nodes[slot][nodes:]
        self.size[slot] -= nodes
        if nodes == size:
            del self._slots[self._keys[slot]]
            self._empty.append(slot)
        self._add(node_class, free, nodes, moved)
        return moved

    def _add(self, node_class: int, free: NDArray[np.int64], nodes: int, indices: list[int]) -> None:
        key = (node_class, free.tobytes())
        slot = self._slots.get(key)
        if slot is None:
            slot = self._take_empty_slot()
            self._slots[key] = slot
            self._keys[slot] = key
            self.free[:, slot] = free
            self.node_class[slot] = node_class
        self.size[slot] += nodes
        if self.nodes is not None:
            self.nodes[slot] = self.nodes[slot] + indices

    def _take_empty_slot(self) -> int:
        if self._empty:
            return self._empty.pop()
        self._keys.append((-1, b""))
        if self.nodes is not None:
            self.nodes.append([])
        self.used += 1
        return self.used - 1

    def _key(self, slot: int) -> GroupKey:
        return int(self.node_class[slot]), self.free[:, slot].tobytes()
