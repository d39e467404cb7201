"""How much of the best possible served value a solve reaches, and how much of it is proven: greedy and ours.

A fleet with running work, and more gangs with rack and block asks than fit (`tests.bench.served_world`). The request is
the one that `decide` yields, solved in this process with the worker's clock; every plan is read again by the plain
check. The bound of a tier holds given what the tiers before it reached.

    python -m tests.bench.served [--nodes 5000] [--gangs 200] [--fill 0.8] [--mix bound|mixed|racks]
        [--style scattered|packed] [--demand 1.5] [--tiers 1] [--seconds 2] [--work 0] [--workers 2] [--seeds 1]
        [--json FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import monotonic, process_time
from typing import Any

import msgspec

from scheduler.core.decide import decide
from scheduler.model.plan import Plan
from scheduler.model.policy import Limits, Policy, SolverBudget
from scheduler.solver.check import better, broken
from scheduler.solver.improve import solve
from scheduler.solver.parts.nearness import fewest_of_served
from scheduler.solver.terms import preferred_topology
from tests.bench.measure import columns, machine, write_json
from tests.bench.served_world import MIXES, Load, snapshot


def measure(load: Load, budget: SolverBudget) -> dict[str, Any]:
    """One solve: what greedy and we reach per tier, the bound, and when each better plan came."""
    began = monotonic()
    deciding = decide(snapshot(load), Policy(limits=Limits(window_gangs=load.gangs)), 0.0, budget)
    asked = next(deciding)
    while isinstance(asked, Plan):
        asked = next(deciding)
    request = asked
    ready_seconds = monotonic() - began
    began, began_cpu = monotonic(), process_time()
    results = [(monotonic() - began, result) for result in solve(request, clock=monotonic)]
    seconds, cpu_seconds = monotonic() - began, process_time() - began_cpu
    last = results[-1][1]
    best = request.start if last.incumbent is None else last.incumbent
    assert not broken(request.problem, best.puts)
    assert not better(request.start.scores, best.scores), "below greedy"
    began = process_time()
    least = {preferred_topology.NAME: -fewest_of_served(request.problem, best.puts)}
    least_seconds = process_time() - began
    bounds = {} if last.incumbent is None else {score.tier: score.bound for score in last.incumbent.scores}
    return {
        "load": load,
        "classes": request.problem.class_count,
        "ready_seconds": ready_seconds,
        "solve_seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "least_seconds": least_seconds,
        "end": last.end,
        "variables": last.variables,
        "tiers": [
            {
                "tier": score.tier,
                "greedy": start.value,
                "ours": score.value,
                "bound": bounds.get(score.tier),
                "served_at_least": least.get(score.tier),
                "gap": gap(score.value, bounds.get(score.tier)),
                "greedy_gap": gap(start.value, bounds.get(score.tier)),
            }
            for start, score in zip(request.start.scores, best.scores, strict=True)
        ],
        "progress": [
            {"seconds": at, "value": result.incumbent.scores[0].value, "bound": result.incumbent.scores[0].bound}
            for at, result in results
            if result.incumbent is not None
        ],
    }


def gap(value: int, bound: int | None) -> float | None:
    """How far a tier may be from the best, as a share of the bound; None where nothing is proven."""
    return None if bound is None else (bound - value) / max(1, abs(bound))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--gangs", type=int, nargs="+", default=[200])
    parser.add_argument("--fill", type=float, nargs="+", default=[0.8])
    parser.add_argument("--demand", type=float, default=1.5)
    parser.add_argument("--mix", choices=list(MIXES), nargs="+", default=["bound"])
    parser.add_argument("--style", choices=["scattered", "packed"], nargs="+", default=["scattered"])
    parser.add_argument("--tiers", type=int, default=1, help="priorities that the gangs have")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--work", type=float, default=0.0, help="deterministic seconds instead of wall time")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    budget = SolverBudget(options.seconds, options.seconds, options.work, options.workers)
    loads = [
        Load(options.nodes, gangs, fill, options.demand, style, mix, options.tiers, seed)
        for gangs in options.gangs
        for fill in options.fill
        for mix in options.mix
        for style in options.style
        for seed in options.seeds
    ]
    runs = [measure(load, budget) for load in loads]
    table = [
        ["world", "tier", "greedy", "ours", "bound", "at least, those served", "gap", "greedy's gap", "seconds (CPU)"]
    ]
    for load, run in zip(loads, runs, strict=True):
        world = f"{load.nodes} x {load.gangs} {load.fill:.0%} {load.style} {load.mix} #{load.seed}"
        for tier in run["tiers"]:
            took = f"{run['solve_seconds']:.2f} ({run['cpu_seconds']:.2f})"
            amounts = [
                "-" if tier[each] is None else str(tier[each])
                for each in ("tier", "greedy", "ours", "bound", "served_at_least")
            ]
            shares = ["-" if tier[each] is None else f"{tier[each]:.2%}" for each in ("gap", "greedy_gap")]
            table.append([world, *amounts, *shares, took])
            world = ""
    print(columns(table))
    write_json(
        options.json,
        {"benchmark": "served", "machine": machine(), "budget": msgspec.structs.asdict(budget), "runs": runs},
    )


if __name__ == "__main__":
    main()
