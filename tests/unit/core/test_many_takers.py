"""Many who take at once, of unlike kinds, on small full fleets: what is promised of every plan, counted plainly."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.core.decide import decide
from scheduler.core.drive import greedy_only, run
from scheduler.model.policy import Policy, SolverBudget
from scheduler.scenario.build import snapshot_of
from scheduler.scenario.load import load
from scheduler.scenario.promises import broken
from scheduler.scenario.state import world_of
from tests.oracle.crowd.world import drawn

BUDGET = SolverBudget(wall_seconds=60.0, work=0.1)
WORLDS, PARTS = 240, 6


@pytest.mark.parametrize("part", range(PARTS))
def test_no_plan_breaks_a_promise(tmp_path: Path, part: int) -> None:
    path = tmp_path / "world.yaml"
    taken = 0
    for seed in range(part, WORLDS, PARTS):
        path.write_text(drawn(seed))
        (row,) = load(path)
        world = world_of(row.scenario)
        plan = run(decide(snapshot_of(world), Policy(), row.scenario.now, BUDGET), greedy_only)
        assert not list(broken(world, plan)), f"world {seed}"
        taken += any(each.victims for each in plan.decisions)
    assert taken, "none of these worlds says anything about taking"
