"""How long deciding takes where running work has to give way, on a full fleet of 500 nodes x 8 GPUs.

Six worlds, after the scale tests of KAI-Scheduler (its published seconds are of whole runs, from first create to last
bind; ours are of deciding alone): one queue uses everything and is guaranteed nothing, another is guaranteed what it
asks for. In the fifth every node runs one small pod, and gangs need whole nodes. In the last, with twice the nodes, a
gang of ten pods of 8 GPUs may take back 79 (KAI's row RE-63): nobody is to be evicted.

    python -m tests.bench.taking [--world NAME ...] [--nodes 500] [--json FILE]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, process_time
from typing import Any

import numpy as np

from scheduler.core.decide import decide
from scheduler.core.drive import run
from scheduler.core.explain import message
from scheduler.model.cluster import Node, NodeTable, Snapshot
from scheduler.model.plan import Plan
from scheduler.model.policy import Policy
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import GPU, from_quantities, vector
from scheduler.model.running import Running, RunningPod
from scheduler.model.shape import Shape
from scheduler.model.work import Branch, Gang, Member, group_key, single_key
from scheduler.runtime import settle_memory
from scheduler.solver.improve import solve
from scheduler.solver.problem import SolveRequest, SolveResult
from tests.bench.measure import machine, write_json

RESOURCES = ("cpu", "memory", GPU, "pods")
NODE_GPUS = 8
NOW_SECONDS = 7200.0


@dataclass(frozen=True)
class World:
    """``running`` are the GPUs of the pods on each node; ``gangs`` of ``pods`` pods wait (one pod: without a group).
    Their queue may reclaim ``reclaimable`` GPUs, and is guaranteed one more (None: all of them)."""

    running: tuple[int, ...]
    gangs: int
    pods: int
    gpus: int
    kai_seconds: float | None
    reclaimable: int | None = None
    nodes_times: int = 1
    """On so many times the nodes of the other worlds."""


WORLDS: Mapping[str, Callable[[int], World]] = {
    "4,000 one-GPU jobs reclaim": lambda nodes: World((1,) * 8, nodes * 8, 1, 1, 694),
    "one 250-pod gang reclaims half": lambda nodes: World((1,) * 8, 1, nodes // 2, 8, 102),
    "one 500-pod gang reclaims all": lambda nodes: World((8,), 1, nodes, 8, 85),
    "50 gangs of 10 pods reclaim": lambda nodes: World((1,) * 8, 50, nodes // 50, 8, 717),
    "consolidation for 41 gangs of 10": lambda nodes: World((1,), 41, nodes // 50, 8, 456, reclaimable=0),
    "ten pods, one GPU out of reach": lambda _: World((1,) * 8, 1, 10, 8, None, reclaimable=79, nodes_times=2),
}


def snapshot(world: World, nodes: int) -> Snapshot:
    allocatable = from_quantities({"cpu": "96", "memory": "1Ti", GPU: NODE_GPUS, "pods": 110})
    table = NodeTable.of(tuple(Node(f"n{row:04}", {}, allocatable) for row in range(nodes)))
    capacity = np.tile(vector(allocatable, RESOURCES), (nodes, 1))
    shapes = {
        gpus: Shape((("cpu", 1000 * gpus), (GPU, 1000 * gpus), ("pods", 1))) for gpus in (*world.running, world.gpus)
    }
    # Pods by themselves share what they ask for, as the engine has them.
    alone = {gpus: (Member("pod", shape, 1, 1),) for gpus, shape in shapes.items()}
    root = (Branch("", -1, minimum=1),)
    free = capacity.copy()
    running = []
    for row, node in enumerate(table.nodes):
        for number, gpus in enumerate(world.running):
            uid = f"{row}-{number}"
            free[row] -= vector(shapes[gpus].requests, RESOURCES)
            running.append(
                Running(
                    key=single_key(uid),
                    name=uid,
                    queue="old",
                    priority=50,
                    members=alone[gpus],
                    branches=root,
                    pods=(RunningPod(uid, "old", uid, node.name, "pod"),),
                    single=True,
                )
            )
    waiting = []
    shape = shapes[world.gpus]
    for number in range(world.gangs):
        single = world.pods == 1
        waiting.append(
            Gang(
                key=single_key(f"w{number}") if single else group_key("new", f"g{number:03}"),
                name=f"g{number:03}",
                queue="new",
                priority=50,
                arrived_seconds=float(number),
                members=(Member("pod", shape, world.pods, world.pods),),
                branches=(Branch("", -1, minimum=world.pods),),
                single=single,
            )
        )
    everything = int(capacity[:, RESOURCES.index(GPU)].sum())
    above = everything if world.reclaimable is None else 1000 * world.reclaimable
    new = min(everything, above + 1000) if above else 0
    queues = {
        "old": Queue("old", quotas=(Quota(GPU, guaranteed=everything - above),)),
        "new": Queue("new", created_seconds=1.0, quotas=(Quota(GPU, guaranteed=new),)),
    }
    use = capacity.sum(axis=0) - free.sum(axis=0)
    return Snapshot(
        version=1,
        resources=RESOURCES,
        nodes=table,
        capacity=capacity,
        free=free,
        gangs=tuple(waiting),
        queues=queues,
        use={"old": use},
        use_by={("old", "", False): use},
        topologies={},
        running=tuple(running),
    )


def measure(world: World, nodes: int) -> dict[str, Any]:
    picture = snapshot(world, nodes)
    policy = Policy()
    settle_memory()  # as the scheduler does once it has seen the cluster
    began, began_cpu = monotonic(), process_time()
    stages: dict[str, float] = {}
    last = began

    def mark(stage: str) -> None:
        nonlocal last
        now = monotonic()
        stages[stage] = stages.get(stage, 0.0) + now - last
        last = now

    plan = run(decide(picture, policy, NOW_SECONDS, policy.budget, mark=mark), _solved)
    return {
        "seconds": monotonic() - began,
        "cpu_seconds": process_time() - began_cpu,
        "stages": stages,
        "placed": sum(each.count for decision in plan.decisions for place in decision.places for each in place.nodes),
        "asked": world.gangs * world.pods,
        "evicted": len({victim.uid for decision in plan.decisions for victim in decision.victims}),
        "moved": sum(len(move.pods) for decision in plan.decisions for move in decision.moves),
        "gap": _gap(plan),
        "reasons": sorted({message(verdict) for verdict in plan.verdicts.values()} - {"placed"}),
    }


def _solved(request: SolveRequest) -> SolveResult:
    return list(solve(request, clock=monotonic))[-1]


def _gap(plan: Plan) -> float | None:
    """The largest share by which any cost of any decision may be above the least possible; None: not known."""
    gaps = [0.0]
    for decision in plan.decisions:
        if decision.taken is None or decision.taken.proven:
            continue
        for score in decision.taken.costs:
            if score.value and score.bound is None:
                return None
            gaps.append((score.value - (score.bound or 0)) / min(-1, score.value))
    return max(gaps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=list(WORLDS), nargs="+", default=list(WORLDS))
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(machine())
    rows = []
    for name in arguments.world:
        world = WORLDS[name](arguments.nodes)
        result = measure(world, arguments.nodes * world.nodes_times)
        rows.append({"world": name, "kai_seconds": world.kai_seconds, **result})
        kai = "-" if world.kai_seconds is None else f"{world.kai_seconds:.0f} s"
        stages = {stage: round(seconds, 2) for stage, seconds in result["stages"].items()}
        gap = "?" if result["gap"] is None else f"{100 * result['gap']:.2f} %"
        print(
            f"{name:34} {result['seconds']:6.3f} s (CPU {result['cpu_seconds']:.3f})  placed {result['placed']:4} of "
            f"{result['asked']:4}  evicted {result['evicted']:4}  moved {result['moved']:4}  gap {gap}  "
            f"KAI, end to end: {kai}  {stages}"
        )
        for reason in result["reasons"]:
            print(f"    {reason}")
    if arguments.json:
        write_json(arguments.json, {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
