"""How long the event loop is ever away while a large decision is made: lease, watches and binds wait no longer.

A fleet of 1,000 nodes at 60 % and 100 gangs that ask for more than is free, so that the solver works until its
deadline: the real runtime, the real worker process, building the problem included. Beside it, in the same run, the
stall of an idle loop (what the machine itself adds) and of deciding *on* the loop (what thread and worker save).

    python -m tests.bench.stall [--nodes 1000] [--gangs 100] [--cycles 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from pathlib import Path
from time import perf_counter, time

import structlog

from scheduler.app import SWITCH_SECONDS
from scheduler.core.decide import decide
from scheduler.core.drive import greedy_only, run
from scheduler.core.engine import Engine
from scheduler.model import events as ev
from scheduler.model.cluster import Node
from scheduler.model.effects import Effect
from scheduler.model.policy import Limits, Policy, SolverBudget
from scheduler.model.queue import Queue
from scheduler.model.resources import GPU, from_quantities
from scheduler.model.shape import Shape
from scheduler.model.topology import Level, Topology, TopologyAsk
from scheduler.model.work import Pod, PodGroup
from scheduler.rpc.client import SolverClient
from scheduler.rpc.supervise import WorkerSupervisor
from scheduler.runtime import Runtime, Solve, settle_memory
from scheduler.solver.problem import SolveRequest, SolveResult
from tests.bench.measure import columns, machine, write_json

PAUSE_SECONDS = 0.002


class Nothing:
    """Performs nothing: what is measured is deciding."""

    def take(self, effects: list[Effect]) -> None:
        pass


def fleet(nodes: int) -> list[ev.Event]:
    allocatable = from_quantities({"cpu": "96", "memory": "1024Gi", "pods": "110", GPU: "8"})
    return [
        ev.NodeSeen(Node(f"node-{n:04d}", {"rack": f"rack-{n // 8:03d}", "block": f"block-{n // 64:02d}"}, allocatable))
        for n in range(nodes)
    ]


def shape(gpus: int) -> Shape:
    return Shape(from_quantities({"cpu": "4", "memory": "32Gi", "pods": 1, GPU: gpus}))


def running(nodes: int, chance: random.Random) -> list[ev.Event]:
    """Foreign pods on about 60 % of the GPUs, unevenly."""
    events: list[ev.Event] = []
    for number in range(nodes):
        for index in range(chance.choice((2, 4, 5, 6, 7))):
            uid = f"old-{number}-{index}"
            events.append(ev.PodSeen(Pod(uid, "old", uid, "1", shape(1), node=f"node-{number:04d}")))
    return events


def pending(gangs: int, chance: random.Random) -> list[ev.Event]:
    events: list[ev.Event] = []
    for number in range(gangs):
        size, gpus = chance.choice((4, 8, 16, 32)), chance.choice((1, 2, 4))
        ask = chance.choice(
            (TopologyAsk(required="rack"), TopologyAsk(required="block"), TopologyAsk(preferred="rack"))
        )
        events.append(
            ev.PodGroupSeen(PodGroup(f"g-{number}", "team", f"g-{number}", "1", min_member=size, topology=ask))
        )
        events += [
            ev.PodSeen(
                Pod(
                    f"p-{number}-{index}",
                    "team",
                    f"p-{number}-{index}",
                    "1",
                    shape(gpus),
                    ours=True,
                    group=f"g-{number}",
                )
            )
            for index in range(size)
        ]
    return events


class Stalls:
    """Measures how late a sleeping task is woken."""

    def __init__(self) -> None:
        self.longest_seconds = 0.0

    async def watch(self) -> None:
        while True:
            before = perf_counter()
            await asyncio.sleep(PAUSE_SECONDS)
            self.longest_seconds = max(self.longest_seconds, perf_counter() - before - PAUSE_SECONDS)


async def idle_stall(seconds: float) -> float:
    stalls = Stalls()
    watching = asyncio.create_task(stalls.watch())
    await asyncio.sleep(seconds)
    watching.cancel()
    return stalls.longest_seconds


async def deciding_stall(engine: Engine, solve: Solve) -> float:
    """The longest stall from the moment the engine may act until its first plan has been applied."""
    runtime = Runtime(engine, Nothing(), solve)
    running_tasks = asyncio.create_task(runtime.run())
    stalls = Stalls()
    watching = asyncio.create_task(stalls.watch())
    runtime.tell(ev.Synced())
    while not runtime.last.cycles or engine.busy:
        await asyncio.sleep(0.01)
    for task in (watching, running_tasks):
        task.cancel()
    return stalls.longest_seconds


async def measure(options: argparse.Namespace) -> dict[str, object]:
    sys.setswitchinterval(SWITCH_SECONDS)
    chance = random.Random(options.seed)
    policy = Policy(budget=SolverBudget(wall_seconds=options.budget_seconds), limits=Limits(window_gangs=1000))
    topology = Topology("fabric", (Level("block", "block"), Level("rack", "rack")))
    events: list[ev.Event] = [
        *fleet(options.nodes),
        ev.QueueSeen(Queue("default")),
        ev.TopologySeen(topology),
        *running(options.nodes, chance),
        *pending(options.gangs, chance),
    ]
    async with WorkerSupervisor() as worker, SolverClient(worker.endpoint) as client:
        await asyncio.wait_for(worker.serving.wait(), 60)
        ends: list[str] = []

        async def solve(request: SolveRequest, enough: asyncio.Event | None) -> SolveResult:
            result = await client.solve(request, request.wall_seconds + 0.5, enough)
            ends.append(result.end)
            return result

        idle = await idle_stall(2.0)
        stalls = []
        for _ in range(options.cycles):
            engine = Engine(policy)
            engine.handle([*events, ev.Leading(1)], time())
            settle_memory()  # as the running scheduler does after its initial lists
            stalls.append(await deciding_stall(engine, solve))
        engine = Engine(policy)
        engine.handle([*events, ev.Leading(1), ev.Synced()], time())
        started = perf_counter()
        run(decide(engine.snapshot(), policy, time(), policy.budget), greedy_only)
        on_loop = perf_counter() - started
    rows = [
        ["longest stall of the event loop", "ms"],
        ["idle (the machine itself)", f"{idle * 1000:.1f}"],
        [
            f"deciding {options.nodes} nodes x {options.gangs} gangs, worst of {options.cycles}",
            f"{max(stalls) * 1000:.1f}",
        ],
        ["the same decision made on the loop, without its solve", f"{on_loop * 1000:.1f}"],
    ]
    print(columns(rows))
    print(f"solves ended: {', '.join(ends)}")
    return {"idle_seconds": idle, "deciding_seconds": stalls, "on_loop_seconds": on_loop, "solver_ends": ends}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--gangs", type=int, default=100)
    parser.add_argument("--cycles", type=int, default=5)
    parser.add_argument("--budget-seconds", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    result = asyncio.run(measure(options))
    write_json(
        options.json, {"benchmark": "stall", "machine": machine(), "options": vars(options) | {"json": None}, **result}
    )


if __name__ == "__main__":
    main()
