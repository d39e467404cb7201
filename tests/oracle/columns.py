"""Everything of a tiny world that can run out, as columns of one vector, and what each way to place a pod takes of it.

Columns are the amounts of each node, the parts of each of its GPUs, the room of queues, and what gangs have for
themselves: a domain has as many pieces as there are gangs, using it takes one, having it alone takes all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.model.devices import DeviceAsk
from scheduler.model.work import Member
from tests.oracle.company import Role, role, roles
from tests.oracle.judge import Judge, Pods
from tests.oracle.world import LEVELS, RESOURCES, World

Vector = NDArray[np.int64]

GPU = "nvidia.com/gpu"
MIG = {"1g.5gb": (1, (0, 1, 2, 3, 4, 5, 6)), "2g.10gb": (2, (0, 2, 4)), "3g.20gb": (4, (0, 4))}
"""Profile -> (memory slots of eight, where an instance may begin), as `nvidia-smi mig -lgipp` says of an A100."""

SLOTS = 8
PLENTY = 1 << 40


class Spot(NamedTuple):
    """One way to place a pod: the node, and (number of the GPU, first slot) of each part that it takes."""

    node: int
    parts: tuple[tuple[int, int], ...] = ()


class Columns:
    """The columns of one world: names to indices, and what is there at first."""

    def __init__(self, world: World, judge: Judge) -> None:
        self.world = world
        self._judge = judge
        self._index: dict[tuple[object, ...], int] = {}
        self._first: list[int] = []
        for node, each in enumerate(world.nodes):
            for name in RESOURCES:
                amount = dict(each.allocatable).get(name, 0)
                if name == GPU and world.parts:
                    for gpu in range(amount // 1000):
                        self._add((node, gpu, "milli"), 1000)
                        for slot in range(SLOTS):
                            self._add((node, gpu, slot), 1)
                else:
                    self._add((node, name), amount)
        for queue in world.queues:
            for quota in queue.quotas:
                if quota.limit is not None:
                    self._add((queue.name, quota.resource), quota.limit)
        for level in LEVELS if self._levels else ():
            for domain in {judge.domain(node, level) for node in range(len(world.nodes))} - {None}:
                self._add((level, domain), len(world.gangs))
        for each_role in roles(world):
            for node in range(len(world.nodes)):
                self._add((each_role, node), PLENTY)

    def _add(self, name: tuple[object, ...], amount: int) -> None:
        self._index[name] = len(self._first)
        self._first.append(amount)

    @property
    def first(self) -> Vector:
        return np.array(self._first, dtype=np.int64)

    @cached_property
    def _levels(self) -> set[str]:
        asks = [branch.topology for gang in self.world.gangs for branch in gang.branches]
        return {ask.exclusive for ask in asks if ask is not None and ask.exclusive}

    def spots(self, member: Member) -> list[Spot]:
        """Every way to place one pod, whatever is left."""
        return [spot for node in range(len(self.world.nodes)) for spot in self._spots_on(node, member)]

    def _spots_on(self, node: int, member: Member) -> Iterator[Spot]:
        requests, ask = dict(member.shape.requests), member.shape.devices
        if not self.world.parts:
            yield Spot(node)
            return
        gpus = range(dict(self.world.nodes[node].allocatable).get(GPU, 0) // 1000)
        number = requests.get(GPU, 0) // 1000 if ask is None else ask.count
        starts = MIG[ask.profile][1] if ask is not None and ask.profile else (0,)
        for chosen in itertools.combinations(gpus, number):
            for begins in itertools.product(starts, repeat=number):
                yield Spot(node, tuple(zip(chosen, begins, strict=True)))

    def taken(self, gang: int, member: Member, spot: Spot) -> Vector:
        """What one pod takes of every column, the domains aside."""
        vector = np.zeros(len(self._first), dtype=np.int64)
        requests, ask = dict(member.shape.requests), member.shape.devices
        charged = {name: requests.get(name, 0) for name in RESOURCES}
        for name, amount in charged.items():
            if (spot.node, name) in self._index:
                vector[self._index[spot.node, name]] += amount
        for gpu, start in spot.parts:
            for column, amount in self._part(spot.node, gpu, start, ask).items():
                vector[column] += amount
        if ask is not None:
            charged[GPU] += ask.count * milli_of(ask)
        queue = self.world.gangs[gang].queue
        while queue:
            for name, amount in charged.items():
                if (queue, name) in self._index:
                    vector[self._index[queue, name]] += amount
            queue = next(each.parent for each in self.world.queues if each.name == queue)
        if (role(member), spot.node) in self._index:
            vector[self._index[role(member), spot.node]] += 1
        return vector

    def _part(self, node: int, gpu: int, start: int, ask: DeviceAsk | None) -> Mapping[int, int]:
        if ask is None or not ask.profile:
            return {self._index[node, gpu, "milli"]: 1000 if ask is None else ask.milli}
        return {self._index[node, gpu, slot]: 1 for slot in range(start, start + MIG[ask.profile][0])}

    def domains(self, gang: int, pods: Pods) -> Vector:
        """What a gang takes of domains."""
        vector = np.zeros(len(self._first), dtype=np.int64)
        nodes = {node for row in pods for node, count in enumerate(row) if count}
        for level in self._levels:
            held = self._judge.held(gang, pods, level)
            for domain in {self._judge.domain(node, level) for node in nodes} - {None}:
                vector[self._index[level, domain]] = len(self.world.gangs) if domain in held else 1
        return vector

    def untouched(self, state: Vector, node: int) -> list[int]:
        """The GPUs of a node of which nobody has anything."""
        gpus = range(dict(self.world.nodes[node].allocatable).get(GPU, 0) // 1000)
        return [
            gpu
            for gpu in gpus
            if state[self._index[node, gpu, "milli"]] == 1000
            and all(state[self._index[node, gpu, slot]] for slot in range(SLOTS))
        ]

    def mixed(self, states: Vector) -> NDArray[np.bool_]:
        """[states] whether some GPU is cut into slices and used otherwise too."""
        found = np.zeros(len(states), dtype=np.bool_)
        for name, column in self._index.items():
            if len(name) == 3 and name[2] == "milli":
                slots = [self._index[(*name[:2], slot)] for slot in range(SLOTS)]
                found |= (states[:, column] < 1000) & (states[:, slots] < 1).any(axis=1)
        return found

    def company(self, state: Vector) -> dict[Role, list[int]]:
        """Pods by role and node."""
        nodes = range(len(self.world.nodes))
        return {each: [PLENTY - int(state[self._index[each, node]]) for node in nodes] for each in roles(self.world)}


def milli_of(ask: DeviceAsk) -> int:
    """What a part counts as, in thousandths of a GPU."""
    return MIG[ask.profile][0] * 1000 // SLOTS if ask.profile else ask.milli
