"""Many who take at once, of unlike kinds, on small full fleets: what is promised of every plan, counted plainly."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from scheduler.core.decide import decide
from scheduler.core.drive import greedy_only, run
from scheduler.model.policy import Policy, SolverBudget
from scheduler.scenario.build import snapshot_of
from scheduler.scenario.load import load
from scheduler.scenario.promises import broken
from scheduler.scenario.state import world_of

BUDGET = SolverBudget(wall_seconds=60.0, work=0.1)
WORLDS, PARTS = 240, 6


def drawn(seed: int) -> str:
    """A world of up to 32 GPUs: one or two queues with a child each, some of what runs under a budget or firm, and up
    to five asks, each several single pods, a gang, or one that is elastic."""
    chance = Random(seed)
    nodes, size = chance.randint(2, 4), chance.choice([4, 8])
    queues = [f"- {{name: {name}, {_quota(chance, nodes * size)}}}" for name in ("a", "b")]
    queues.append(f"- {{name: below, parent: b, {_quota(chance, nodes * size)}}}")
    free = [size] * nodes
    gangs: list[str] = []
    while any(free):
        gpus = min(chance.choice([1, 1, 2]), max(free))
        places = [node for node in range(nodes) if free[node] >= gpus]
        on = [chance.choice(places)]
        free[on[0]] -= gpus
        for _ in range(chance.choice([0, 0, 1, 2, 3])):
            places = [node for node in range(nodes) if free[node] >= gpus]
            if places:
                on.append(chance.choice(places))
                free[on[-1]] -= gpus
        facts = f"gpu: {gpus}, priority: {chance.choice([0, 0, 1, 2])}, started: {-chance.randint(0, 1000)}"
        facts += f", min: {chance.randint(1, len(on))}, preemptible: {'true' if chance.random() < 0.9 else 'false'}"
        spots = ", ".join(f"n{node}: {on.count(node)}" for node in sorted(set(on)))
        queue = chance.choice(["a", "below"])
        gangs.append(f"- {{name: run{len(gangs)}, queue: {queue}, pods: {len(on)}, {facts}, on: {{{spots}}}}}")
    guarded = [chance.randrange(len(gangs)) for _ in range(2)]
    for number in range(chance.randint(2, 5)):
        facts = f"queue: {chance.choice(['a', 'below'])}, gpu: {chance.choice([1, 2, 4])}"
        facts += f", priority: {chance.randint(0, 3)}, preemptible: {'true' if chance.random() < 0.7 else 'false'}"
        pods = chance.randint(1, 5)
        if chance.random() < 0.4:
            gangs.append(f'- {{name: "w{number}x[0-{pods}]", {facts}}}')
        else:
            gangs.append(f"- {{name: w{number}, pods: {pods}, min: {chance.choice([1, pods])}, {facts}}}")
    return "\n".join(
        [
            f"id: unit/takers-{seed}\nnodes: {{'n[0-{nodes - 1}]': {size}}}\nqueues:",
            *queues,
            "gangs:",
            *gangs,
            f"pdbs: {{web: {{allowed: {chance.randint(0, 2)}, gangs: [run{guarded[0]}, run{guarded[1]}]}}}}",
        ]
    )


def _quota(chance: Random, gpus: int) -> str:
    guaranteed = chance.randint(0, gpus // 2)
    limit = f", limit: {guaranteed + chance.randint(0, gpus // 2)}" if chance.random() < 0.3 else ""
    return f"guaranteed: {guaranteed}{limit}, weight: {chance.randint(0, 2)}"


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
