"""A large fleet with running work and more waiting gangs than fit: the world of the served-value benchmark.

Racks of 16 nodes, blocks of 16 racks, 8 GPUs a node. Running pods of 1, 2, 4 and 8 GPUs stand on nodes drawn at
random (``scattered``: every rack and most nodes are partly used) or fill node after node (``packed``: few nodes are
partly used). Waiting gangs ask for a rack, a block, nearness, or nothing, and together for ``demand`` times what is
free.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scheduler.model.cluster import Node, NodeTable, Snapshot
from scheduler.model.queue import Queue
from scheduler.model.resources import GPU, from_quantities, vector
from scheduler.model.shape import Shape
from scheduler.model.topology import Level, Topology, TopologyAsk
from scheduler.model.work import Branch, Gang, Member, group_key

RESOURCES = ("cpu", "memory", GPU, "pods")
FABRIC = Topology("fabric", (Level("block", "block"), Level("rack", "rack")))
RACK_NODES = 16
BLOCK_RACKS = 16
NODE_GPUS = 8
RACK_ASK_GPUS_MAX = 64
CPUS_PER_GPU = 8

RACK = TopologyAsk(required="rack")
BLOCK = TopologyAsk(required="block")
MIXES: Mapping[str, tuple[tuple[TopologyAsk | None, float], ...]] = {
    "bound": ((RACK, 0.5), (BLOCK, 0.3), (TopologyAsk(required="block", preferred="rack"), 0.2)),
    "mixed": (
        (RACK, 0.40),
        (BLOCK, 0.25),
        (TopologyAsk(required="block", preferred="rack"), 0.10),
        (TopologyAsk(preferred="rack"), 0.10),
        (None, 0.15),
    ),
    "racks": ((RACK, 1.0),),
}
"""What share of the gangs asks for what: ``bound`` leaves nobody free to go anywhere."""


@dataclass(frozen=True)
class Load:
    """How large a world is, how full, and how much waits for the rest."""

    nodes: int = 5000
    gangs: int = 200
    fill: float = 0.8
    demand: float = 1.5
    style: str = "scattered"
    mix: str = "bound"
    tiers: int = 1
    seed: int = 1


def snapshot(load: Load) -> Snapshot:
    """The whole world as one picture; the same for equal loads."""
    chance = random.Random(f"{load}")
    nodes = NodeTable.of(tuple(_node(number) for number in range(load.nodes)))
    capacity = np.array([vector(node.allocatable, RESOURCES) for node in nodes.nodes], dtype=np.int64)
    used_gpus = _used_gpus(load, chance)
    free = capacity.copy()
    free[:, 0] -= used_gpus * CPUS_PER_GPU * 1000
    free[:, 2] -= used_gpus * 1000
    free_gpus = int(free[:, 2].sum()) // 1000
    return Snapshot(
        version=1,
        resources=RESOURCES,
        nodes=nodes,
        capacity=capacity,
        free=free,
        gangs=_waiting(load, free_gpus, chance),
        queues={"team": Queue("team")},
        use={},
        use_by={},
        topologies={FABRIC.name: FABRIC},
    )


def _node(number: int) -> Node:
    labels = {"rack": f"r{number // RACK_NODES:04d}", "block": f"b{number // (RACK_NODES * BLOCK_RACKS):03d}"}
    amounts = from_quantities({"cpu": 96, "memory": "1024Gi", GPU: NODE_GPUS, "pods": 110})
    return Node(f"node-{number:05d}", labels, amounts)


def _used_gpus(load: Load, chance: random.Random) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Per node; pods of 1, 2, 4 or 8 GPUs until the fleet is as full as asked for."""
    used = np.zeros(load.nodes, dtype=np.int64)
    left = round(load.nodes * NODE_GPUS * load.fill)
    order = list(range(load.nodes))
    chance.shuffle(order)
    at = 0
    while left > 0:
        gpus = min(chance.choices((1, 2, 4, 8), (4, 3, 2, 3))[0], left)
        if load.style == "packed":
            at += int(used[order[at]] == NODE_GPUS)
            node = order[at]
            gpus = min(gpus, NODE_GPUS - int(used[node]))
        else:
            node = chance.randrange(load.nodes)
            if used[node] + gpus > NODE_GPUS:
                continue
        used[node] += gpus
        left -= gpus
    return used


def _waiting(load: Load, free_gpus: int, chance: random.Random) -> tuple[Gang, ...]:
    """Gangs of 1, 2, 4 or 8 GPUs a pod, the largest eight times as large as the smallest.

    What racks are asked for is bounded by what a rack may have; the others share what is left of the demand.
    """
    wanted = load.demand * free_gpus
    mean = wanted / load.gangs
    asks = chance.choices([ask for ask, _ in MIXES[load.mix]], [weight for _, weight in MIXES[load.mix]], k=load.gangs)
    each = [chance.choices((1, 2, 4, 8), (3, 3, 2, 2))[0] for _ in asks]
    sizes = [mean * 2 ** chance.uniform(-2, 1) for _ in asks]
    bound = [ask is not None and ask.required == "rack" for ask in asks]
    sizes = [min(size, RACK_ASK_GPUS_MAX) if rack else size for size, rack in zip(sizes, bound, strict=True)]
    in_racks = sum(size for size, rack in zip(sizes, bound, strict=True) if rack)
    scale = max(0.0, wanted - in_racks) / max(1.0, sum(sizes) - in_racks)
    gangs = []
    for number, (ask, gpus, size, rack) in enumerate(zip(asks, each, sizes, bound, strict=True)):
        pods = max(1, round((size if rack else size * scale) / gpus))
        amounts = from_quantities({"cpu": gpus * CPUS_PER_GPU, "memory": f"{gpus * 32}Gi", GPU: gpus, "pods": 1})
        gangs.append(
            Gang(
                key=group_key("team", f"gang-{number:04d}"),
                name=f"gang-{number:04d}",
                queue="team",
                priority=chance.randrange(load.tiers),
                arrived_seconds=float(number),
                members=(Member("worker", Shape(amounts), pods, pods),),
                branches=(Branch("", -1, pods, 0, ask),),
            )
        )
    return tuple(gangs)
