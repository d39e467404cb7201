"""How near together gangs stand while others come and go, on a real three-tier fleet: greedy, and with CP-SAT.

The hosts of a topology file (columns ``ip``, ``DSW``, ``PSW``, ``ASW``; 8 GPUs a host, which is our assumption; a rack
is an ASW under a PSW). Gangs of 8 to 256 GPUs, whole hosts: a size out of those that a size file knows, each as likely
(as often as they occur there, nearly all would fit one host), with the duration of one of its jobs of that size; the
longest fifth is cut to the next, or a few jobs of weeks would keep the load away. They prefer one rack and then one
PSW. Arrivals are so dense that the gangs would use ``load`` times the fleet, so that a queue builds up. Both contenders
get the same gangs at the same times, each in its own fleet, and decide at every arrival and departure.

Per gang and level: domains used / the fewest that held it at that moment, which for whole hosts are the largest ones;
and / the fewest in an empty fleet. Strict nearness buys span with delay, so the waits stand beside.

    python -m tests.bench.topology [--topo FILE] [--sizes FILE] [--gangs 800] [--load 2.0] [--work 0.1] [--seed 1]
        [--json FILE]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import heapq
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from scheduler.core.decide import decide
from scheduler.core.drive import greedy_only, run
from scheduler.model.cluster import Node, NodeTable, Snapshot
from scheduler.model.policy import Policy, SolverBudget
from scheduler.model.queue import Queue
from scheduler.model.resources import GPU, from_quantities, vector
from scheduler.model.shape import Shape
from scheduler.model.topology import Level, Topology, TopologyAsk
from scheduler.model.work import Branch, Gang, Member, group_key
from scheduler.solver.improve import solve
from scheduler.solver.problem import SolveRequest, SolveResult
from tests.bench.measure import columns, machine, write_json
from tests.shared import SHARED

HOST_GPUS = 8
RESOURCES = ("cpu", "memory", GPU, "pods")
FABRIC = Topology("fabric", (Level("psw", "psw"), Level("rack", "rack")))
ASK = TopologyAsk(preferred="rack")
LONGEST_PERCENTILE = 80
"""Longer durations are cut to it."""
SHAPE = Shape(from_quantities({"cpu": 64, "memory": "512Gi", GPU: HOST_GPUS, "pods": 1}))

Solve = Callable[[SolveRequest], SolveResult]


@dataclass(frozen=True)
class Job:
    """A gang to come: whole hosts for a while."""

    name: str
    hosts: int
    arrives_seconds: float
    runs_seconds: float


@dataclass
class Seen:
    """What was seen of the gangs placed: waits, and per level the ratios to the fewest possible then and ever."""

    wait_seconds: list[float] = field(default_factory=list)
    then: dict[str, list[float]] = field(default_factory=lambda: {"rack": [], "psw": []})
    empty: dict[str, list[float]] = field(default_factory=lambda: {"rack": [], "psw": []})


def read_nodes(path: Path) -> NodeTable:
    with _text(path) as stream:
        rows = list(csv.DictReader(stream))
    amounts = from_quantities({"cpu": 96, "memory": "1024Gi", GPU: HOST_GPUS, "pods": 110})
    return NodeTable.of(tuple(Node(row["ip"], {"psw": row["PSW"], "rack": row["ASW"]}, amounts) for row in rows))


def read_sizes(path: Path) -> list[tuple[int, float]]:
    """(GPUs, duration in seconds) of the jobs of 8 to 256 GPUs. Muri's files count milliseconds, Philly's seconds."""
    with _text(path) as stream:
        rows = list(csv.DictReader(stream))
    gpus, unit = ("num_gpus", 1.0) if "num_gpus" in rows[0] else ("num_gpu", 0.001)
    sizes = [(int(row[gpus]), float(row["duration"]) * unit) for row in rows]
    return [(size, seconds) for size, seconds in sizes if HOST_GPUS <= size <= 256 and seconds > 0]


def _text(path: Path) -> Any:
    return gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="")


def jobs(sizes: Sequence[tuple[int, float]], count: int, load: float, hosts: int, chance: random.Random) -> list[Job]:
    by_size: dict[int, list[float]] = {}
    for size, seconds in sizes:
        by_size.setdefault(size, []).append(seconds)
    drawn = [(size, chance.choice(by_size[size])) for size in chance.choices(sorted(by_size), k=count)]
    longest = float(np.percentile([seconds for _, seconds in drawn], LONGEST_PERCENTILE))
    drawn = [(size, min(seconds, longest)) for size, seconds in drawn]
    host_seconds = sum(-(-size // HOST_GPUS) * seconds for size, seconds in drawn)
    gap_seconds = host_seconds / count / (load * hosts)
    found, now = [], 0.0
    for number, (size, seconds) in enumerate(drawn):
        now += chance.expovariate(1 / gap_seconds)
        found.append(Job(f"gang-{number:05d}", -(-size // HOST_GPUS), now, seconds))
    return found


def replay(nodes: NodeTable, work: Sequence[Job], solve_with: Solve, budget: SolverBudget) -> Seen:
    """One contender's run over all arrivals and departures."""
    capacity = np.array([vector(node.allocatable, RESOURCES) for node in nodes.nodes], dtype=np.int64)
    free = capacity.copy()
    request = np.array(vector(SHAPE.requests, RESOURCES), dtype=np.int64)
    domains = {level.name: nodes.domain_column(FABRIC, depth)[0] for depth, level in enumerate(FABRIC.levels)}
    seen, waiting, version = Seen(), dict[str, Job](), 0
    events: list[tuple[float, int, str, Any]] = [(job.arrives_seconds, 1, job.name, job) for job in work]
    heapq.heapify(events)
    while events:
        now, kind, name, what = heapq.heappop(events)
        if kind == 1:
            waiting[name] = what
        else:
            free[what] += request
        if events and events[0][0] == now:
            continue
        version += 1
        snapshot = Snapshot(
            version=version,
            resources=RESOURCES,
            nodes=nodes,
            capacity=capacity,
            free=free.copy(),
            gangs=tuple(_gang(job) for job in waiting.values()),
            queues={"team": Queue("team")},
            use={},
            use_by={},
            topologies={FABRIC.name: FABRIC},
        )
        for decision in run(decide(snapshot, Policy(), now, budget), solve_with).decisions:
            job = waiting.pop(decision.gang.split("/")[1])
            rows = np.array([nodes.rows[each.node] for place in decision.places for each in place.nodes])
            _note(seen, job, now, rows, free, capacity, domains)
            free[rows] -= request
            heapq.heappush(events, (now + job.runs_seconds, 0, job.name, rows))
    assert not waiting, "gangs were left waiting in an empty fleet"
    return seen


def _gang(job: Job) -> Gang:
    return Gang(
        key=group_key("team", job.name),
        name=job.name,
        queue="team",
        priority=0,
        arrived_seconds=job.arrives_seconds,
        members=(Member("worker", SHAPE, job.hosts, job.hosts),),
        branches=(Branch("", -1, job.hosts, 0, ASK),),
    )


def _note(
    seen: Seen,
    job: Job,
    now: float,
    rows: np.ndarray[tuple[int], np.dtype[np.int64]],
    free: np.ndarray[tuple[int, int], np.dtype[np.int64]],
    capacity: np.ndarray[tuple[int, int], np.dtype[np.int64]],
    domains: Mapping[str, np.ndarray[tuple[int], np.dtype[np.int32]]],
) -> None:
    seen.wait_seconds.append(now - job.arrives_seconds)
    gpu = RESOURCES.index(GPU)
    for level, codes in domains.items():
        used = len(np.unique(codes[rows]))
        seen.then[level].append(used / fewest(free[:, gpu] == capacity[:, gpu], codes, job.hosts))
        seen.empty[level].append(used / fewest(capacity[:, gpu] > 0, codes, job.hosts))


def fewest(
    idle: np.ndarray[tuple[int], np.dtype[np.bool_]], codes: np.ndarray[tuple[int], np.dtype[np.int32]], hosts: int
) -> int:
    """The fewest domains that have so many idle hosts together: exact, since hosts are all alike."""
    room = np.cumsum(np.sort(np.bincount(codes[idle]))[::-1])
    return int(np.searchsorted(room, hosts)) + 1


def with_solver(request: SolveRequest) -> SolveResult:
    *_, last = solve(request)
    return last


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topo", type=Path, default=SHARED / "traces/lingjun-topology/topo.csv.gz")
    parser.add_argument("--sizes", type=Path, default=SHARED / "traces/philly/philly_jobs.csv.gz")
    parser.add_argument("--gangs", type=int, default=800)
    parser.add_argument("--load", type=float, default=2.0, help="of the fleet, what the gangs would use together")
    parser.add_argument("--work", type=float, default=0.1, help="deterministic seconds of each solve")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    for path in (options.topo, options.sizes):
        if not path.exists():
            sys.exit(f"{path} does not exist; name the files with --topo and --sizes, or their folder by MUSTER_SHARED")
    nodes = read_nodes(options.topo)
    work = jobs(read_sizes(options.sizes), options.gangs, options.load, len(nodes), random.Random(options.seed))
    budget = SolverBudget(wall_seconds=60.0, work=options.work)
    rows = []
    for name, solve_with in (("greedy", greedy_only), ("cp-sat", with_solver)):
        seen = replay(nodes, work, solve_with, budget)
        rows.append(
            {
                "algorithm": name,
                "gangs": len(seen.wait_seconds),
                "wait_seconds_mean": fmean(seen.wait_seconds),
                "wait_seconds_p95": float(np.percentile(seen.wait_seconds, 95)),
                **{f"{level}_then_mean": fmean(ratios) for level, ratios in seen.then.items()},
                **{f"{level}_empty_mean": fmean(ratios) for level, ratios in seen.empty.items()},
                **{f"{level}_then_worst": max(ratios) for level, ratios in seen.then.items()},
            }
        )
    head = list(rows[0])
    print(
        columns(
            [
                head,
                *([f"{each:.4f}" if isinstance(each, float) else str(each) for each in row.values()] for row in rows),
            ]
        )
    )
    write_json(
        options.json,
        {
            "benchmark": "topology",
            "machine": machine(),
            "hosts": len(nodes),
            "options": {key: str(value) for key, value in vars(options).items()},
            "results": rows,
        },
    )


if __name__ == "__main__":
    main()
