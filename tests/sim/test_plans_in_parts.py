"""Plans that come in parts, with what happens between them: nothing bad, and everything that fits runs in the end.

The solver is the real one, bounded by work so that a seed tells one story, and never says that it is done: so the
improvement goes on wherever it may.
"""

from __future__ import annotations

import random

import msgspec
import pytest

from scheduler.model.policy import Policy, SolverBudget
from scheduler.sim.run import Simulation, improved_by_solver
from scheduler.solver.problem import SolveRequest, SolveResult
from tests.sim.test_random_worlds import ROUGH
from tests.sim.worlds import assert_at_rest, racks
from tests.unit.solver.small import unproven

POLICY = msgspec.structs.replace(Policy(), budget=SolverBudget(wall_seconds=2.0, first_seconds=0.4))


def restless(request: SolveRequest) -> SolveResult:
    return unproven(improved_by_solver(msgspec.structs.replace(request, work=0.05)))


def crowded(seed: int) -> Simulation:
    """Gangs that ask for more than there is, all there when the scheduler starts; each ends some time."""
    chance = random.Random(seed)
    world = racks(seed, racks=2, nodes_per_rack=2, odds=ROUGH, policy=POLICY, solve=restless)
    for number in range(14):
        pods, gpus = chance.choice(((1, 8), (1, 5), (2, 3), (2, 4), (1, 6), (3, 2)))
        world.gang(f"g{number}", pods, gpus=gpus, run_seconds=chance.uniform(5.0, 40.0))
    world.start_scheduler()
    return world


def parts_of(world: Simulation) -> list[int]:
    """Of how many parts each plan was."""
    return [int(line.rpartition(" in ")[2].split()[0]) for line in world.log.lines if " plans " in line]


@pytest.mark.parametrize("seed", range(4))
def test_parts_of_a_plan_are_safe_to_act_on(seed: int) -> None:
    world = crowded(seed)
    world.run(600.0)
    assert_at_rest(world)


def test_these_worlds_show_plans_of_several_parts() -> None:
    assert max(max(parts_of(_ran(seed))) for seed in range(4)) > 1


def _ran(seed: int) -> Simulation:
    world = crowded(seed)
    world.run(30.0)
    return world
