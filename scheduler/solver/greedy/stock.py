"""What is left while greedy places: groups of nodes that share class, free vector *and* states of their devices.

A class starts as one group and splits as some of its nodes get filled; groups that become equal again merge. Every
group knows which nodes of its class it holds, so a placement made here expands to nodes by construction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.model.cluster import Mask
from scheduler.model.devices import DEVICE_MILLI, DeviceAsk
from scheduler.model.resources import GPU
from scheduler.solver.devices.devices import (
    ClassDevices,
    DeviceScore,
    Held,
    States,
    choose,
    fits,
    idle_devices,
    pour,
    take,
    take_idle,
)
from scheduler.solver.devices.scores import device_score
from scheduler.solver.greedy.group_keys import GroupKey, GroupKeys
from scheduler.solver.problem import MemberAsk, Problem

Slots = NDArray[np.int64]


class Poured(NamedTuple):
    """The nodes' indices inside their class, the key of the group they are in now, and what each of the pods on any one
    of them holds (empty: no parts of devices were asked for)."""

    nodes: list[int]
    key: GroupKey
    held: tuple[Held, ...]


class Rest(NamedTuple):
    """What is free on n nodes: amounts [R x n], the states of their devices [D x n] where they matter, and the classes
    of the nodes [n]."""

    free: NDArray[np.int64]
    devices: States | None
    classes: Slots


@dataclass(frozen=True, eq=False)
class DeviceSide:
    """The devices of a stock: ``states`` [D x slots] of its groups; ``gpu`` is the resource column that counts those
    wholly free."""

    states: States
    gpu: int
    classes: ClassDevices
    score: DeviceScore

    @classmethod
    def of(cls, problem: Problem, capacity: int) -> DeviceSide | None:
        if problem.devices is None:
            return None
        states = np.zeros((problem.devices.states.shape[1], capacity), dtype=np.int64)
        states[:, : problem.class_count] = problem.devices.states.T
        return cls(states, problem.resources.index(GPU), problem.devices, device_score(problem))

    def only(self, slots: Slots, capacity: int) -> DeviceSide:
        states = np.zeros((len(self.states), capacity), dtype=np.int64)
        states[:, : len(slots)] = self.states[:, slots]
        return replace(self, states=states)


class Stock:
    """Groups in slots: ``free`` [R x slots], ``size`` nodes per slot (0: empty slot), ``node_class`` per slot.

    Only the first ``used`` slots are ever live. A stock made by `only` has no node lists: it is for trying, and what
    was poured in it is poured again into the stock it came from. ``devices`` is there only when the problem has them.
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
        self.devices: DeviceSide | None = None
        self._keys = GroupKeys([])
        self._empty: list[int] = []

    @classmethod
    def of(cls, problem: Problem) -> Stock:
        """The whole fleet of a problem, one group per class."""
        size = problem.class_nodes.astype(np.int64)
        stock = cls(problem.class_free.T, size, np.arange(problem.class_count, dtype=np.int64), int(size.sum()))
        stock.nodes = [list(range(count)) for count in size.tolist()]
        stock.devices = DeviceSide.of(problem, len(stock.size))
        stock._keys = GroupKeys([stock._key(slot) for slot in range(stock.used)])
        return stock

    def only(self, slots: Slots) -> Stock:
        """A stock of these groups (ascending), to try on. The slots must hold all groups of each of their classes, and
        this stock must not change before the trial is over."""
        size = self.size[slots]
        part = Stock(self.free[:, slots], size, self.node_class[slots], int(size.sum()))
        if self.devices is not None:
            part.devices = self.devices.only(slots, len(part.size))
        part._keys = self._keys.part(slots)
        return part

    def live(self, classes: Mask) -> Slots:
        """The slots of groups whose class is among the given ones [C]."""
        return np.flatnonzero(classes[self.node_class[: self.used]] & (self.size[: self.used] > 0))

    def fits(self, slots: Slots, member: MemberAsk) -> Slots:
        """How many pods of a member each node of these groups holds; a request of nothing fits without end."""
        found: Slots | None = None
        for resource, amount in enumerate(member.request):
            if amount > 0:
                here = self.free[resource, slots] // amount
                found = here if found is None else np.minimum(found, here)
        if member.devices is not None:
            here = self._device_fits(slots, member.devices)
            found = here if found is None else np.minimum(found, here)
        return np.full(len(slots), np.iinfo(np.int32).max, dtype=np.int64) if found is None else found

    def holds(self, slots: Slots, member: MemberAsk) -> Mask:
        """Whether each node of these groups holds one pod of a member; cheaper than counting how many."""
        holds = np.ones(len(slots), dtype=np.bool_)
        for resource, amount in enumerate(member.request):
            if amount > 0:
                holds &= self.free[resource, slots] >= amount
        if member.devices is not None:
            holds &= self._device_fits(slots, member.devices) > 0
        return holds

    def rest(self, slots: Slots) -> Rest:
        """What is free on a node of each of these groups."""
        devices = None if self.devices is None else self.devices.states[:, slots]
        return Rest(self.free[:, slots], devices, self.node_class[slots])

    def rest_after(self, slots: Slots, member: MemberAsk, pods: int | Slots = 1) -> Rest:
        """What is left on a node of each group with so many pods of a member on it; for parts of devices, one pod.

        Every node must hold them.
        """
        before = self.rest(slots)
        amounts = np.array(member.request, dtype=np.int64)[:, None]
        free = before.free - amounts * pods
        side = self.devices
        if side is None or before.devices is None:
            return Rest(free, None, before.classes)
        if member.devices is None:
            left = free[side.gpu] // DEVICE_MILLI
            idle = before.devices == DEVICE_MILLI
            taken = idle & (np.cumsum(idle, axis=0) > left)
            return Rest(free, np.where(taken, 0, before.devices), before.classes)
        chosen = choose(before.devices, before.classes, side.classes.need(member.devices), side.classes, side.score)
        free[side.gpu] = idle_devices(chosen.after) * DEVICE_MILLI
        return Rest(free, chosen.after, before.classes)

    def key(self, slot: int) -> GroupKey:
        return self._keys.key(slot)

    def slot(self, key: GroupKey) -> int:
        slot = self._keys.slot(key)
        assert slot is not None, "a group was asked for that is not there"
        return slot

    def pour(self, slot: int, nodes: int, each: int, member: MemberAsk, held: tuple[Held, ...] = ()) -> Poured:
        """Puts ``each`` pods of a member on ``nodes`` nodes of a group; ``held`` are the devices of each pod, where
        they are known."""
        size = int(self.size[slot])
        assert 0 < nodes <= size, "a group was asked for more nodes than it has"
        free = self.free[:, slot] - np.array(member.request, dtype=np.int64) * each
        assert free.min(initial=0) >= 0, "a node was over-committed"
        states, held = self._pour_devices(slot, each, member, free, held)
        node_class = int(self.node_class[slot])
        moved: list[int] = []
        if self.nodes is not None:
            moved, self.nodes[slot] = self.nodes[slot][:nodes], self.nodes[slot][nodes:]
        self.size[slot] -= nodes
        if nodes == size:
            self._keys.drop(slot)
            self._empty.append(slot)
        return Poured(moved, self._add(node_class, free, states, nodes, moved), held)

    def _device_fits(self, slots: Slots, ask: DeviceAsk) -> Slots:
        assert self.devices is not None, "a problem with parts of devices has devices"
        return fits(self.devices.states[:, slots], self.node_class[slots], self.devices.classes.need(ask))

    def _pour_devices(
        self, slot: int, each: int, member: MemberAsk, free: NDArray[np.int64], known: tuple[Held, ...]
    ) -> tuple[States | None, tuple[Held, ...]]:
        """The states [D] of a node of a group with the pods on it, and the devices of each pod; ``free`` then counts
        the devices that are still wholly free."""
        side = self.devices
        if side is None:
            return None, ()
        states = side.states[:, slot]
        if member.devices is None:
            whole = member.request[side.gpu] * each // DEVICE_MILLI
            return (take_idle(states, whole) if whole else states.copy()), ()
        node_class = int(self.node_class[slot])
        wanted = side.classes.need(member.devices)
        if known:
            after, held = states, known
            for own in known:
                after = take(after, node_class, wanted, own, 1)
        else:
            after, held = pour(states, node_class, wanted, side.classes, side.score, each)
        free[side.gpu] = int((after == DEVICE_MILLI).sum()) * DEVICE_MILLI
        return after, held

    def _add(
        self, node_class: int, free: NDArray[np.int64], states: States | None, nodes: int, indices: list[int]
    ) -> GroupKey:
        key = group_key(node_class, free, states)
        slot = self._keys.slot(key)
        if slot is None:
            slot = self._take_empty_slot()
            self._keys.put(slot, key)
            self.free[:, slot] = free
            self.node_class[slot] = node_class
            if self.devices is not None and states is not None:
                self.devices.states[:, slot] = states
        self.size[slot] += nodes
        if self.nodes is not None:
            self.nodes[slot] = self.nodes[slot] + indices
        return key

    def _take_empty_slot(self) -> int:
        if self._empty:
            return self._empty.pop()
        if self.nodes is not None:
            self.nodes.append([])
        self.used += 1
        return self.used - 1

    def _key(self, slot: int) -> GroupKey:
        states = None if self.devices is None else self.devices.states[:, slot]
        return group_key(int(self.node_class[slot]), self.free[:, slot], states)


def group_key(node_class: int, free: NDArray[np.int64], states: States | None) -> GroupKey:
    """What tells groups apart."""
    return node_class, free.tobytes() if states is None else free.tobytes() + states.tobytes()
