"""Tiny worlds from a seed: at most 16 GPUs, a handful of gangs, everything that makes placing them hard."""

from __future__ import annotations

from random import Random

import msgspec
import numpy as np

from scheduler.model.cluster import Node, NodeTable, Snapshot
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import GPU, Matrix, resources, vector
from scheduler.model.shape import Shape
from scheduler.model.topology import Level, Topology, TopologyAsk
from scheduler.model.work import Branch, Gang, GangKey, Member

RESOURCES = ("cpu", GPU, "pods")
TOPOLOGY = Topology("fabric", (Level("block", "block"), Level("rack", "rack")))
GPUS_MAX = 16


class World(msgspec.Struct, frozen=True):
    """What is free on each node, in whole GPUs and CPUs, and the work that waits; ``use`` is what queues hold."""

    nodes: tuple[Node, ...]
    gangs: tuple[Gang, ...]
    queues: tuple[Queue, ...] = ()

    def snapshot(self) -> Snapshot:
        table = NodeTable.of(self.nodes)
        free: Matrix = np.array([vector(node.allocatable, RESOURCES) for node in table.nodes], dtype=np.int64)
        return Snapshot(
            version=1,
            resources=RESOURCES,
            nodes=table,
            capacity=free,
            free=free,
            gangs=self.gangs,
            queues={queue.name: queue for queue in self.queues},
            use={queue.name: np.zeros(len(RESOURCES), dtype=np.int64) for queue in self.queues},
            use_by={},
            topologies={TOPOLOGY.name: TOPOLOGY},
        )


def draw(seed: int) -> World:
    """The same world for the same seed, on any machine."""
    chance = Random(seed)
    nodes = _nodes(chance)
    queues = _queues(chance)
    gangs = [_gang(chance, number, queues) for number in range(chance.randint(1, 5))]
    return World(nodes, tuple(sorted(gangs, key=lambda gang: (-gang.priority, gang.arrived_seconds))), queues)


def _nodes(chance: Random) -> tuple[Node, ...]:
    nodes: list[Node] = []
    left = GPUS_MAX
    size = chance.choice([1, 2, 4, 8])
    for number in range(chance.randint(1, 6)):
        gpus = min(left, chance.choice([size, size, max(1, size - 1), chance.randint(0, size)]))
        left -= gpus
        labels = {"block": f"b{number % 2}", "rack": f"r{number % chance.choice([2, 3, 4])}"}
        if chance.random() < 0.1:
            labels = {}
        cpus = chance.choice([gpus * 2, gpus * 2, gpus + 1, 3])
        amounts = {"cpu": cpus * 1000, GPU: gpus * 1000, "pods": chance.choice([110, 110, 110, 2])}
        nodes.append(Node(f"n{number}", labels, resources(amounts)))
    return tuple(nodes)


def _queues(chance: Random) -> tuple[Queue, ...]:
    if chance.random() < 0.6:
        return (Queue("q0"),)
    limit = chance.randint(2, 10) * 1000
    return (
        Queue("root", quotas=(Quota(GPU, limit=limit),)),
        Queue("q0", parent="root", quotas=(Quota(GPU, limit=chance.randint(1, 8) * 1000),)),
        Queue("q1", parent="root"),
    )


def _gang(chance: Random, number: int, queues: tuple[Queue, ...]) -> Gang:
    parents = {queue.parent for queue in queues}
    queue = chance.choice([queue.name for queue in queues if queue.name not in parents])
    kind = chance.choice(["flat", "flat", "pair", "tree"])
    members: tuple[Member, ...]
    branches: tuple[Branch, ...]
    if kind == "tree":
        children = chance.randint(2, 3)
        members = tuple(_member(chance, f"m{child}", child + 1) for child in range(children))
        branches = (
            Branch("", -1, 0, chance.randint(1, children), _ask(chance, ("block", ""))),
            *(
                Branch(f"s{child}", 0, chance.randint(0, members[child].count), 0, _ask(chance, ("rack", "")))
                for child in range(children)
            ),
        )
    else:
        members = tuple(_member(chance, f"m{index}", 0) for index in range(1 if kind == "flat" else 2))
        least = chance.choice([0, sum(member.count for member in members)])
        branches = (Branch("", -1, least, 0, _ask(chance, ("rack", "block", ""))),)
    key = GangKey(f"ns/g{number}")
    return Gang(key, f"g{number}", queue, chance.choice([0, 0, 1]), float(number), members, branches)


def _member(chance: Random, name: str, branch: int) -> Member:
    gpus = chance.choice([0, 1, 1, 1, 2, 3])
    cpus = chance.choice([1, 1, 2])
    count = chance.randint(1, 3 if gpus > 1 else 4)
    shape = Shape(resources({"cpu": cpus * 1000, GPU: gpus * 1000, "pods": 1}))
    return Member(name, shape, count, chance.choice([count, count, 1, 0]), branch)


def _ask(chance: Random, levels: tuple[str, ...]) -> TopologyAsk | None:
    required, preferred = chance.choice(levels), chance.choice(("rack", "block", "", ""))
    if not required and not preferred:
        return None
    return TopologyAsk(required=required, preferred=preferred)
