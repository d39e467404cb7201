"""Fair shares and the order of service of a large tree: 1,000 queues, 50,000 gangs that wait, when one queue changed.

Usage: python -m tests.bench.queues [--queues 1000] [--gangs 50000] [--rounds 20] [--tree flat|teams]

Each round one queue has one more gang and uses a little more; timed is everything from the snapshot to the order: the
demand of that leaf, use and requests up the tree, all fair shares, and the order of all gangs.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from dataclasses import replace

import numpy as np

from scheduler.core.queues.entitled import Entitlements, free_by_column
from scheduler.core.queues.order import order_of_service
from scheduler.model.cluster import Node, NodeTable, Snapshot
from scheduler.model.policy import Policy
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import CPU, GPU, MEMORY, PODS, from_quantities, vector
from scheduler.model.shape import Shape
from scheduler.model.work import Branch, Gang, Member, group_key

RESOURCES = (CPU, MEMORY, GPU, PODS)
NODES = 1000
TEAMS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queues", type=int, default=1000, help="leaves of the tree")
    parser.add_argument("--gangs", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--tree", choices=["flat", "teams"], default="teams", help=f"teams: in {TEAMS} parent queues")
    options = parser.parse_args()
    chance = random.Random(1)
    world = snapshot(options.queues, options.gangs, options.tree, chance)
    entitlements = Entitlements(Policy())
    first = timed(entitlements, world)
    times = []
    for number in range(options.rounds):
        world = changed(world, f"leaf{chance.randrange(options.queues):04}", number)
        times.append(timed(entitlements, world))
    print(f"{options.queues} queues ({options.tree}), {options.gangs} gangs: first {first[0] + first[1]:.0f} ms")
    for name, own in (("shares", [each[0] for each in times]), ("order", [each[1] for each in times])):
        print(f"  {name}: median {statistics.median(own):.0f} ms, worst {max(own):.0f} ms")
    print(f"  both: median {statistics.median([sum(each) for each in times]):.0f} ms (target: 100 ms)")


def timed(entitlements: Entitlements, world: Snapshot) -> tuple[float, float]:
    """(milliseconds for the ledger, and for the order)."""
    start = time.perf_counter()
    entitled = entitlements.of(world)
    middle = time.perf_counter()
    order = order_of_service(entitled, free_by_column(world.free, world, entitled.book.columns), "dominant-share")
    end = time.perf_counter()
    assert len(order.gangs) == len(world.gangs)
    return (middle - start) * 1000, (end - middle) * 1000


def snapshot(leaves: int, gangs: int, tree: str, chance: random.Random) -> Snapshot:
    nodes = NodeTable.of(
        tuple(
            Node(f"n{number:04}", {}, from_quantities({CPU: "96", MEMORY: "1Ti", GPU: 8, PODS: "110"}))
            for number in range(NODES)
        )
    )
    capacity = np.array([vector(node.allocatable, RESOURCES) for node in nodes.nodes], dtype=np.int64)
    teams = [f"team{number:02}" for number in range(TEAMS)] if tree == "teams" else []
    queues = {name: Queue(name) for name in teams}
    use_by = {}
    for number in range(leaves):
        name = f"leaf{number:04}"
        quotas = (
            Quota(GPU, guaranteed=chance.randrange(16) * 1000),
            Quota(CPU, guaranteed=chance.randrange(192) * 1000),
        )
        queues[name] = Queue(
            name, parent=chance.choice(teams) if teams else "", quotas=quotas, weight=chance.randint(1, 5)
        )
        gpus = chance.randrange(12)
        use_by[name, "", False] = np.array([gpus * 12_000, gpus * 2**34, gpus * 1000, gpus], dtype=np.int64)
    waiting = tuple(gang(f"leaf{chance.randrange(leaves):04}", number, chance) for number in range(gangs))
    return Snapshot(
        version=1,
        resources=RESOURCES,
        nodes=nodes,
        capacity=capacity,
        free=capacity // 4,
        gangs=waiting,
        queues=queues,
        use={},
        use_by=use_by,
        topologies={},
    )


SHAPES = [
    Shape(from_quantities({CPU: f"{cpus}", MEMORY: "64Gi", GPU: gpus, PODS: 1}))
    for cpus, gpus in ((8, 1), (32, 4), (64, 8), (16, 0))
]


def gang(queue: str, number: int, chance: random.Random) -> Gang:
    pods = chance.choice((1, 2, 4, 8, 16))
    members = (Member("worker", chance.choice(SHAPES), pods, pods),)
    key = group_key("bench", f"g{number}")
    return Gang(key, f"g{number}", queue, chance.randrange(3), float(number), members, (Branch("", -1, pods),))


def changed(world: Snapshot, queue: str, number: int) -> Snapshot:
    """One more gang in a queue, which also uses a little more."""
    more = gang(queue, 1_000_000 + number, random.Random(number))
    used = world.use_by[queue, "", False] + np.array([12_000, 2**34, 1000, 1], dtype=np.int64)
    return replace(world, gangs=(*world.gangs, more), use_by={**world.use_by, (queue, "", False): used})


if __name__ == "__main__":
    main()
