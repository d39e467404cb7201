"""A problem too large for one model: better than greedy, with a proven bound, and the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

PROGRAM = """
from scheduler.core.decide import decide
from scheduler.model.plan import Plan
from scheduler.model.policy import Policy, SolverBudget
from scheduler.solver.improve import solve
from tests.bench.served_world import Load, snapshot

deciding = decide(snapshot(Load(nodes=640, gangs=60)), Policy(), 0.0, SolverBudget(wall_seconds=0.0, work=0.4))
request = next(deciding)
while isinstance(request, Plan):
    request = next(deciding)
*_, last = solve(request)
first = last.incumbent.scores[0]
print(request.start.scores[0].value < first.value <= first.bound, last.incumbent)
"""


def _answer(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return finished.stdout


def test_two_processes_agree_on_a_plan_that_beats_greedy_and_keeps_to_its_bound() -> None:
    first = _answer("1")
    assert first.startswith("True ")
    assert first == _answer("2")
