"""The real solver behind the decision: bounded by work, not by time, so that a seed still tells one story."""

from __future__ import annotations

import msgspec

from scheduler.model.policy import Policy, SolverBudget
from scheduler.sim.run import Simulation, improved_by_solver
from tests.sim.worlds import assert_at_rest, assert_on_record, racks

POLICY = msgspec.structs.replace(Policy(), budget=SolverBudget(wall_seconds=60.0, work=0.5, workers=1, seed=7))


def contended_world() -> Simulation:
    """16 GPUs in one rack, and gangs of 10, 8 and 8 GPUs that come together: the two of 8 are worth more."""
    world = racks(racks=1, policy=POLICY, solve=improved_by_solver)
    world.gang("ten", 5, gpus=2)
    world.gang("eight-a", 4, gpus=2)
    world.gang("eight-b", 4, gpus=2)
    world.start_scheduler()
    world.run(60.0)
    return world


def test_the_solver_s_plan_is_bound_and_a_seed_tells_one_story() -> None:
    world = contended_world()
    assert_on_record(world, "eight-a", 4)
    assert_on_record(world, "eight-b", 4)
    assert not any(world.pods("ten-").values())
    assert_at_rest(world)
    assert contended_world().log.digest == world.log.digest
