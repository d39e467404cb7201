"""Tiny worlds from a seed: at most 16 GPUs, a handful of gangs, everything that makes placing them hard."""

from __future__ import annotations

from random import Random

import msgspec
import numpy as np

from scheduler.model.cluster import Node, NodeTable, Snapshot
from scheduler.model.neighbours import Neighbours
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import GPU, Matrix, resources, vector
from scheduler.model.topology import Level, Topology
from scheduler.model.work import Gang
from tests.oracle.draw import Taste, draw_gang

RESOURCES = ("cpu", GPU, "pods")
LEVELS = ("block", "rack", "host")
TOPOLOGY = Topology("fabric", tuple(Level(name, name) for name in LEVELS))
GPUS_MAX = 16
A100 = {
    "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB",
    "nvidia.com/gpu.memory": "40960",
    "muster.dev/mig": "dynamic",
}


class World(msgspec.Struct, frozen=True):
    """What is free on each node, in whole GPUs and CPUs, and the work that waits. With ``parts`` somebody may ask for
    parts of GPUs."""

    nodes: tuple[Node, ...]
    gangs: tuple[Gang, ...]
    queues: tuple[Queue, ...] = ()
    parts: bool = False

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
            neighbours=self._neighbours(),
            devices=self._devices(free) if self.parts else None,
        )

    def _neighbours(self) -> Neighbours:
        """Nobody stands anywhere; what the pending pods look for is known."""
        asked = [member.shape.relations for gang in self.gangs for member in gang.members]
        selectors = dict.fromkeys(each for own in asked if own is not None for each in own.selectors)
        return Neighbours(matching={each: np.zeros(len(self.nodes), dtype=np.int32) for each in selectors})

    def _devices(self, free: Matrix) -> Matrix:
        gpus = free[:, RESOURCES.index(GPU)] // 1000
        return np.asarray((np.arange(max(1, gpus.max())) < gpus[:, None]) * 1000, dtype=np.int64)


def draw(seed: int) -> World:
    """The same world for the same seed, on any machine."""
    chance = Random(seed)
    taste = Taste(
        shaped=chance.random() < 0.4,
        related=chance.random() < 0.2,
        shares=chance.random() < 0.15,
        slices_of_gpus=chance.random() < 0.1,
    )
    nodes = _nodes(chance, taste)
    queues = _queues(chance)
    gangs = [draw_gang(chance, number, queues, taste) for number in range(chance.randint(1, taste.gangs_max))]
    ranked = tuple(sorted(gangs, key=lambda gang: (-gang.priority, gang.arrived_seconds)))
    return World(nodes, ranked, queues, taste.shares or taste.slices_of_gpus)


def _nodes(chance: Random, taste: Taste) -> tuple[Node, ...]:
    nodes: list[Node] = []
    left = taste.gpus_max or GPUS_MAX
    size = chance.choice([1, 2, 4, 8])
    racks = chance.choice([2, 3, 4, 6])
    for number in range(chance.randint(1, taste.nodes_max)):
        gpus = min(left, chance.choice([size, size, max(1, size - 1), chance.randint(0, size)]))
        left -= gpus
        labels = {"block": f"b{number % 2}", "rack": f"r{number % racks}", "host": f"n{number}"}
        if taste.shaped and chance.random() < 0.3:
            labels |= {"block": "b0", "rack": "r0"}  # domains of unlike sizes
        for missing in chance.choices([(), tuple(labels), ("rack",), ("block",)], [17, 2, 1, 1])[0]:
            del labels[missing]
        cpus = chance.choice([gpus * 2, gpus * 2, gpus + 1, 3])
        amounts = {"cpu": cpus * 1000, GPU: gpus * 1000, "pods": chance.choice([110, 110, 110, 2])}
        nodes.append(Node(f"n{number}", labels | (A100 if taste.slices_of_gpus else {}), resources(amounts)))
    return tuple(nodes)


def _queues(chance: Random) -> tuple[Queue, ...]:
    """One without limits, two under a limited one, or three levels with limits of several resources."""
    kind = chance.choice(["open", "open", "pair", "deep"])
    if kind == "open":
        return (Queue("q0"),)
    gpus = Quota(GPU, limit=chance.randint(2, 10) * 1000)
    own = Quota(GPU, limit=chance.randint(1, 8) * 1000)
    if kind == "pair":
        return Queue("root", quotas=(gpus,)), Queue("q0", parent="root", quotas=(own,)), Queue("q1", parent="root")
    return (
        Queue("root", quotas=(gpus, Quota("cpu", limit=chance.randint(4, 20) * 1000))),
        Queue("team", parent="root", quotas=(own, Quota("pods", limit=chance.randint(2, 9)))),
        Queue("q0", parent="team", quotas=(Quota(GPU, limit=chance.randint(1, 8) * 1000),)),
        Queue("q1", parent="team"),
        Queue("q2", parent="root"),
    )
