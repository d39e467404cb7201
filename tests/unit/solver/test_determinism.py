"""With a limit on deterministic work the answer follows from the request alone, in any process with any hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

PROGRAM = """
import numpy as np
from scheduler.model.cluster import Node, NodeTable
from scheduler.model.policy import Policy
from scheduler.model.resources import resources, vector
from scheduler.model.shape import Shape
from scheduler.model.topology import Level, Topology, TopologyAsk
from scheduler.model.work import Branch, Gang, GangKey, Member
from scheduler.solver.build import build
from scheduler.solver.asks.filters import eligible
from scheduler.solver.greedy.greedy import place
from scheduler.solver.improve import solve
from scheduler.solver.problem import SolveRequest

names = ("cpu", "nvidia.com/gpu", "pods")
allocatable = resources({"cpu": 64000, "nvidia.com/gpu": 8000, "pods": 110})
nodes = NodeTable.of(tuple(Node(f"n{i:03}", {"rack": f"r{i // 4}"}, allocatable) for i in range(48)))
capacity = np.array([vector(node.allocatable, names) for node in nodes.nodes])
free = capacity.copy()
free[:, 1] -= 1000 * (np.arange(48) * 7 % 5)
gangs = []
for i in range(24):
    shape = Shape(resources({"cpu": 4000 + 1000 * (i % 3), "nvidia.com/gpu": 1000 * (1 + i % 4), "pods": 1}))
    ask = TopologyAsk(required="rack") if i % 2 else TopologyAsk(preferred="rack")
    pods = 4 + i % 7
    gangs.append(Gang(GangKey(f"ns/g{i}"), f"g{i}", "", i % 2, 0.0, (Member("m", shape, pods, pods),),
                      (Branch("", -1, pods, 0, ask),)))
masks = {gang.members[0].shape: eligible(gang.members[0].shape, nodes, capacity, names, Policy())[0] for gang in gangs}
topologies = {"fabric": Topology("fabric", (Level("rack", "rack"),))}
built = build(nodes, names, free, gangs, topologies, masks, Policy())
start = place(built.problem)
last = [*solve(SolveRequest(built.problem, start, wall_seconds=0.0, work=0.6))][-1]
print(hash("muster") != 0, start.puts, last.end, last.incumbent)
"""


def _answer(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return finished.stdout


def test_two_processes_with_different_hash_seeds_agree() -> None:
    first = _answer("1")
    assert "feasible" in first, "the budget is meant to end the search, not a proof"
    assert first == _answer("2")
