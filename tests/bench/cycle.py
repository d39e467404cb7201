"""The whole decision cycle of a large fleet in use: events in, the first committed plan out, stage by stage.

Between two cycles running gangs end, a few nodes change, and gangs arrive until as many wait as asked for. The engine,
the decision and (where work competes) the solver worker are the real ones; the API server accepts everything at once.

With --against kube-scheduler, the memory of both with such a cluster in view (`cycle_bed`).

    python -m tests.bench.cycle [--nodes 5000] [--running 50000] [--gangs 200] [--fill 0.8] [--cycles 40] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
import structlog

from scheduler.core.decide import Memory, decide
from scheduler.core.engine import Engine
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.effects import Effect
from scheduler.model.plan import Plan
from scheduler.model.policy import Policy
from scheduler.rpc.client import SolverClient
from scheduler.rpc.supervise import WorkerSupervisor
from scheduler.runtime import Solve, settle_memory
from scheduler.solver.problem import SolveRequest, SolveResult
from tests.bench.cycle_bed import compare
from tests.bench.cycle_bed import report as report_memory
from tests.bench.cycle_world import Fleet
from tests.bench.measure import columns, machine, usage, write_json

STAGES = ("events", "snapshot", "build", "greedy", "solve", "explain", "commit", "afterwards")
"""In the order of a decision; what follows the first committed effect (improvement, reasons) is ``afterwards``."""
SOLVE_MARGIN_SECONDS = 0.3


@dataclass(slots=True)
class Cycle:
    """Seconds by stage of one cycle, from the churn's first event to the first committed effect."""

    began: float
    stages: dict[str, float] = field(default_factory=dict)
    first_commit_seconds: float = 0.0
    asked: int = 0
    placed: int = 0
    pods_asked: int = 0
    end: str = "skipped"
    parts: int = 0

    def add(self, stage: str, seconds: float) -> None:
        self.stages[stage] = self.stages.get(stage, 0.0) + seconds


class Driver:
    """An engine with its edges in one place, so that every stage can be timed by itself."""

    def __init__(self, fleet: Fleet, policy: Policy, solve: Solve) -> None:
        self.fleet = fleet
        self.engine = Engine(policy)
        self._policy = policy
        self._memory = Memory(policy)
        self._solve = solve
        self._now = 1_000_000.0
        self.engine.handle([*fleet.first(), ev.Leading(1), ev.Synced()], self._now)

    @property
    def waiting(self) -> int:
        return self.engine.waiting[0]

    async def cycle(self, churn: list[ev.Event]) -> Cycle:
        """One cycle of which the first decision is timed; what follows from it is carried out unmeasured."""
        self._now += 10.0  # whoever rests after a plan without effect has rested
        found = Cycle(perf_counter())
        todo: list[Effect] = self.engine.handle(churn, self._now)
        found.add("events", perf_counter() - found.began)
        watched: Cycle | None = found
        while todo or self.engine.busy:
            if any(isinstance(each, ef.Decide) for each in todo):
                todo += await self._decide(watched)
                watched = None
            todo = self.engine.handle(list(self.fleet.perform(todo)), self._now)
        return found

    async def _decide(self, found: Cycle | None) -> list[Effect]:
        """One decision and the effects of its plan, as the engine asks for them."""
        began = perf_counter()
        snapshot = self.engine.snapshot()
        marked = perf_counter()

        def mark(stage: str) -> None:
            nonlocal marked
            if found is not None:
                found.add("afterwards" if found.first_commit_seconds else stage, perf_counter() - marked)
            marked = perf_counter()

        if found is not None:
            found.add("snapshot", marked - began)
            found.asked = len(snapshot.pending)
            found.pods_asked = sum(gang.pods for gang in snapshot.pending.all)
        deciding = decide(snapshot, self._policy, self._now, self._policy.budget, self._memory, mark)
        effects: list[Effect] = []
        answer: SolveResult | None = None
        try:
            while True:
                asked = deciding.send(answer)
                answer = None
                if isinstance(asked, Plan):
                    mark("solve")
                    effects += self._apply(asked, found)
                    marked = perf_counter()
                else:
                    answer = await self._solve(asked, None)
        except StopIteration as end:
            return effects + self._apply(end.value, found)

    def _apply(self, plan: Plan, found: Cycle | None) -> list[Effect]:
        """Verify and commit (a part of) a plan."""
        started = perf_counter()
        effects = self.engine.handle([ev.Planned(plan)], self._now)
        if found is not None:
            found.placed += len(plan.decisions)
            found.parts += bool(plan.decisions)
            if plan.solves:
                found.end = plan.solves[-1].end
            if not found.first_commit_seconds and any(isinstance(each, ef.Commit | ef.Bind) for each in effects):
                found.add("commit", perf_counter() - started)
                found.first_commit_seconds = perf_counter() - found.began
        return effects


@dataclass(frozen=True, slots=True)
class Measured:
    """All cycles, the first one apart: it meets an empty house, every cache is cold."""

    first: Cycle
    cycles: list[Cycle]
    worker_peak_mib: float


async def measure(options: argparse.Namespace) -> Measured:
    policy = Policy()
    fleet = Fleet(options.nodes, options.running, options.gangs, options.fill, options.seed)
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(WorkerSupervisor())
        client = await stack.enter_async_context(SolverClient(worker.endpoint))
        await asyncio.wait_for(worker.serving.wait(), 120)

        async def solve(request: SolveRequest, enough: asyncio.Event | None) -> SolveResult:
            return await client.solve(request, request.wall_seconds + SOLVE_MARGIN_SECONDS, enough)

        driver = Driver(fleet, policy, solve)
        settle_memory()
        cycles = [await driver.cycle(fleet.churn(driver.waiting, 0, options.changes))]
        for _ in range(options.cycles):
            pods_ending = cycles[-1].pods_asked * cycles[-1].placed // max(1, cycles[-1].asked)
            cycles.append(await driver.cycle(fleet.churn(driver.waiting, pods_ending, options.changes)))
        memory = usage(worker.pid or 0).peak_mib
    return Measured(cycles[0], cycles[1:], memory)


def report(options: argparse.Namespace, cycles: list[Cycle], first: Cycle) -> dict[str, dict[str, float]]:
    """Prints and answers the percentiles by stage, in milliseconds."""
    rows = [["stage", "p50 ms", "p99 ms", "max ms", "cold ms"]]
    found: dict[str, dict[str, float]] = {}

    def line(name: str, values: list[float], cold: float) -> None:
        spread = {
            "p50": float(np.percentile(values, 50)) * 1e3,
            "p99": float(np.percentile(values, 99)) * 1e3,
            "max": max(values) * 1e3,
            "cold": cold * 1e3,
        }
        found[name] = spread
        rows.append([name, *(f"{each:.1f}" for each in spread.values())])

    for stage in STAGES:
        line(stage, [each.stages.get(stage, 0.0) for each in cycles], first.stages.get(stage, 0.0))
    both = ("snapshot", "build")
    line(
        "snapshot + build",
        [sum(each.stages.get(stage, 0.0) for stage in both) for each in cycles],
        sum(first.stages.get(stage, 0.0) for stage in both),
    )
    committed = [each.first_commit_seconds for each in cycles if each.first_commit_seconds]
    if committed:
        line("event to first commit", committed, first.first_commit_seconds)
    asked, placed = np.mean([each.asked for each in cycles]), np.mean([each.placed for each in cycles])
    pods = np.mean([each.pods_asked for each in cycles])
    print(
        f"{options.nodes} nodes, {options.running} running pods, fill {options.fill}: {len(cycles)} cycles, "
        f"on average {asked:.0f} gangs ({pods:.0f} pods) asked, {placed:.0f} placed; "
        f"solves: {', '.join(sorted({each.end for each in cycles}))}"
    )
    print(columns(rows))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--running", type=int, default=50_000)
    parser.add_argument("--gangs", type=int, default=200)
    parser.add_argument("--fill", type=float, default=0.8)
    parser.add_argument("--cycles", type=int, default=40)
    parser.add_argument("--changes", type=int, default=5, help="nodes that change between two cycles")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--against", choices=["kube-scheduler"], help="compare memory on a real API server instead")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    about = {"benchmark": "cycle", "machine": machine(), "options": vars(options) | {"json": None}}
    if options.against:
        footprints = compare(options.nodes, options.running, options.gangs, options.fill)
        report_memory(footprints)
        write_json(options.json, about | {"footprints": footprints})
        return
    found = asyncio.run(measure(options))
    stages = report(options, found.cycles, found.first)
    write_json(
        options.json,
        about
        | {
            "milliseconds": stages,
            "cycles": found.cycles,
            "first": found.first,
            "worker_peak_mib": found.worker_peak_mib,
        },
    )


if __name__ == "__main__":
    main()
