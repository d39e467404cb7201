"""The world of the cycle benchmark: a large fleet in use, work that ends and arrives, and an API server that always
accepts.

Nodes have 8 GPUs; 16 make a rack, 8 racks a block. Running gangs hold records as the scheduler writes them; CPU-only
pods of somebody else fill the number up. Everything follows from the seed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from scheduler.core.facts.books import places_of
from scheduler.core.gangs.lifecycle import Phase
from scheduler.core.gangs.resolve import resolve
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.cluster import Node
from scheduler.model.effects import Effect
from scheduler.model.events import Event
from scheduler.model.queue import Queue
from scheduler.model.resources import GPU, from_quantities
from scheduler.model.shape import Shape
from scheduler.model.topology import Level, Topology, TopologyAsk
from scheduler.model.work import FINALIZER, Assignment, Pod, PodGroup

RACK_NODES = 16
BLOCK_RACKS = 8
NODE_GPUS = 8
TOPOLOGY = Topology("fabric", (Level("block", "block"), Level("rack", "rack")))
SIZES = (1, 2, 4, 4, 5, 6, 8, 10)
"""Pods of a gang; 5 on average."""
GPUS = (1, 1, 2, 2, 4, 8)
ASKS = (None, TopologyAsk(required="rack"), TopologyAsk(required="block"), TopologyAsk(preferred="rack"))

_ALLOCATABLE = from_quantities({"cpu": "96", "memory": "1024Gi", "pods": "110", GPU: str(NODE_GPUS)})
_CPU_SHAPE = Shape(from_quantities({"cpu": "1", "memory": "2Gi", "pods": 1}))
_GPU_SHAPES = {
    gpus: Shape(from_quantities({"cpu": 4 * gpus, "memory": f"{32 * gpus}Gi", "pods": 1, GPU: gpus})) for gpus in GPUS
}


@dataclass(slots=True)
class Fleet:
    """What the API server of the benchmark holds."""

    nodes: int
    running: int
    gangs: int
    fill: float
    seed: int = 42
    groups: dict[str, PodGroup] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    _chance: random.Random = field(init=False)
    _version: int = 0
    _number: int = 0
    _nodes: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    # -- as it stands at first -------------------------------------------------------------------------------------

    def first(self) -> list[Event]:
        """Nodes, a queue, a topology, and everything that runs."""
        self._nodes = [self._node(number) for number in range(self.nodes)]
        events: list[Event] = [ev.NodeSeen(node) for node in self._nodes]
        events += [ev.QueueSeen(Queue("default")), ev.TopologySeen(TOPOLOGY)]
        for start in range(0, self.nodes, RACK_NODES):
            self._fill_rack(self._nodes[start : start + RACK_NODES])
        for number in range(max(0, self.running - len(self.pods))):
            node = self._nodes[number % self.nodes].name
            self._add(Pod(f"cpu-{number}", "old", f"cpu-{number}", self._next(), _CPU_SHAPE, node=node))
        events += [ev.PodGroupSeen(group) for group in self.groups.values()]
        events += [ev.PodSeen(pod) for pod in self.pods.values()]
        return events

    def _node(self, number: int) -> Node:
        rack = number // RACK_NODES
        labels = {"rack": f"r{rack:03d}", "block": f"b{rack // BLOCK_RACKS:02d}", "team": "any"}
        return Node(f"node-{number:04d}", labels, _ALLOCATABLE)

    def _fill_rack(self, nodes: list[Node]) -> None:
        """Gangs one after the other until the rack's share of GPUs is taken, scattered as departures leave them."""
        free = {node.name: NODE_GPUS for node in nodes}
        share = min(1.0, max(0.0, self.fill + self._chance.uniform(-0.1, 0.1)))
        wanted = round(share * sum(free.values()))
        while wanted > 0:
            gpus, size = self._chance.choice(GPUS), self._chance.choice(SIZES)
            if gpus > wanted:
                gpus = 1
            order = self._chance.sample(sorted(free), len(free))
            on = [name for name in order for _ in range(free[name] // gpus)][: min(size, wanted // gpus)]
            if not on:
                return
            for name in on:
                free[name] -= gpus
                wanted -= gpus
            self._run_gang(gpus, on)

    def _run_gang(self, gpus: int, nodes: list[str]) -> None:
        group, pods = self._new_gang(len(nodes), gpus, None)
        bound = [msgspec.structs.replace(pod, node=node) for pod, node in zip(pods, nodes, strict=True)]
        found = resolve(group, bound)
        spots = places_of(Counter((found.member_of[pod.uid], pod.node, pod.devices) for pod in bound))
        record = Assignment(1, "1", 0.0, spots)
        self.groups[group.name] = msgspec.structs.replace(
            group, assignment=record, phase=Phase.RUNNING, scheduled=len(nodes), finalizers=(FINALIZER,)
        )
        for pod in bound:
            self._add(pod)

    # -- churn -----------------------------------------------------------------------------------------------------

    def churn(self, waiting: int, pods_ending: int, nodes_changing: int) -> list[Event]:
        """Gangs end until so many pods are gone, a few nodes change, gangs arrive until ``gangs`` wait."""
        events: list[Event] = []
        names = [name for name, group in self.groups.items() if group.assignment is not None]
        self._chance.shuffle(names)
        while pods_ending > 0 and names:
            name = names.pop()
            uids = self.members.pop(name)
            pods_ending -= len(uids)
            for uid in uids:
                del self.pods[uid]
                events.append(ev.PodGone(uid))
            del self.groups[name]
            events.append(ev.PodGroupGone("team", name))
        events += [ev.NodeSeen(self._changed(row)) for row in self._chance.sample(range(self.nodes), nodes_changing)]
        for _ in range(self.gangs - waiting):
            group, pods = self._new_gang(
                self._chance.choice(SIZES), self._chance.choice(GPUS), self._chance.choice(ASKS)
            )
            self.groups[group.name] = group
            events.append(ev.PodGroupSeen(group))
            for pod in pods:
                self._add(pod)
                events.append(ev.PodSeen(pod))
        return events

    def _changed(self, row: int) -> Node:
        """A label nobody asks for, readiness or a cordon: turned on, or back off."""
        node = self._nodes[row]
        match self._chance.randrange(3):
            case 0:
                team = f"team-{self._chance.randrange(5)}"
                node = msgspec.structs.replace(node, labels={**node.labels, "team": team})
            case 1:
                node = msgspec.structs.replace(node, ready=not node.ready)
            case _:
                node = msgspec.structs.replace(node, unschedulable=not node.unschedulable)
        self._nodes[row] = node
        return node

    def _new_gang(self, size: int, gpus: int, ask: TopologyAsk | None) -> tuple[PodGroup, list[Pod]]:
        self._number += 1
        name = f"g-{self._number:06d}"
        created = float(self._number)
        group = PodGroup(
            f"uid-{name}", "team", name, self._next(), created_seconds=created, min_member=size, topology=ask
        )
        pods = [
            Pod(
                f"{name}-{index}",
                "team",
                f"{name}-{index}",
                self._next(),
                _GPU_SHAPES[gpus],
                ours=True,
                group=name,
                created_seconds=created,
            )
            for index in range(size)
        ]
        return group, pods

    # -- the server's side -----------------------------------------------------------------------------------------

    def perform(self, effects: Iterable[Effect]) -> Iterator[Event]:
        """Accepts every write, and shows what became of it."""
        for effect in effects:
            if isinstance(effect, ef.Decide):
                continue
            version = self._next()
            yield ev.Done(effect, version)
            match effect:
                case ef.Bind() | ef.Bump():
                    pod = self.pods[effect.uid]
                    node = effect.node if isinstance(effect, ef.Bind) else pod.node
                    self.pods[pod.uid] = msgspec.structs.replace(pod, node=node, version=version)
                    yield ev.PodSeen(self.pods[pod.uid])
                case ef.Commit():
                    yield self._wrote(effect.name, assignment=effect.assignment, version=version)
                case ef.Release():
                    yield self._wrote(effect.name, assignment=None, version=version)
                case ef.Hold():
                    yield self._wrote(effect.name, finalizers=effect.finalizers, version=version)
                case ef.WriteStatus():
                    status = effect.status
                    yield self._wrote(
                        effect.name,
                        phase=status.phase,
                        scheduled=status.scheduled,
                        conditions=status.conditions,
                        version=version,
                    )
                case _:
                    pass

    def _wrote(self, name: str, **changes: object) -> Event:
        self.groups[name] = msgspec.structs.replace(self.groups[name], **changes)
        return ev.PodGroupSeen(self.groups[name])

    def _add(self, pod: Pod) -> None:
        self.pods[pod.uid] = pod
        if pod.group:
            self.members.setdefault(pod.group, []).append(pod.uid)

    def _next(self) -> str:
        self._version += 1
        return str(self._version)
