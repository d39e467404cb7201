"""What CP-SAT says wrongly is not believed."""

from __future__ import annotations

import numpy as np

from scheduler.solver.greedy.greedy import place
from scheduler.solver.improve import solve
from scheduler.solver.problem import BranchAsk, GangAsk, MemberAsk, Problem, SolveRequest

# fmt: off
PODS = (
    16, 16, 16, 16, 16, 16, 16, 8, 8, 8, 16, 16, 8, 8, 8, 3, 16, 3, 3, 1, 2, 4, 16, 1, 3, 1, 8, 1, 1, 2, 8, 2, 1, 8, 8,
    8, 2, 2, 2, 3, 2, 2, 8, 16, 4, 1, 4, 3, 16, 8, 8, 4, 3, 16, 8, 2, 2, 2, 3, 1,
)
VALUES = (
    21130018, 20639298, 20477043, 19036721, 17126541, 16781037, 16231931, 15836315, 15789451, 15614995, 15507277,
    15357062, 15260693, 15164857, 14523084, 14420940, 14134582, 13974569, 13897094, 13814442, 13751925, 13656057,
    13625357, 13590950, 13563086, 13450478, 13415361, 13226103, 12932039, 12754135, 12704492, 12347889, 12295237,
    12239253, 12126402, 11991562, 11925980, 11733240, 11493590, 11451106, 11419370, 11356171, 11206541, 11068293,
    11044198, 10982796, 10693186, 10291898, 10176258, 9987290, 9758812, 9727463, 9718960, 9601051, 9540464, 9385703,
    9342327, 9271327, 9065253, 9053040,
)
# fmt: on


def crowded() -> Problem:
    """Two racks of eight free nodes; gangs of whole nodes that are worth less and less prefer one rack."""
    eligible = np.packbits(np.ones(2, dtype=np.bool_)).tobytes()

    def gang(number: int) -> GangAsk:
        member = MemberAsk((64_000, 8_000), PODS[number], PODS[number], 0, eligible)
        branch = BranchAsk(-1, PODS[number], 0, preferred=1, wider=(0,))
        bonus = 999 * (len(PODS) - number) // len(PODS)
        return GangAsk((member,), (branch,), (VALUES[number],), bonus=bonus)

    return Problem(
        resources=("cpu", "nvidia.com/gpu"),
        class_nodes=np.array([8, 8], dtype=np.int32),
        class_free=np.array([[64_000, 8_000]] * 2, dtype=np.int64),
        class_domain=np.array([[0, 0], [0, 1]], dtype=np.int32),
        level_names=("psw", "rack"),
        domain_names=(("p",), ("r0", "r1")),
        gangs=tuple(gang(number) for number in range(len(PODS))),
        queues=(),
        goals=("served-value", "preferred-topology"),
        rules=("capacity", "gang-minimum"),
        node_score="pack",
    )


def test_a_model_with_a_solution_is_not_infeasible() -> None:
    problem = crowded()
    start = place(problem)
    *_, last = solve(SolveRequest(problem, start, wall_seconds=60.0, work=0.1))
    assert last.incumbent is not None
    assert last.incumbent.scores[0].value == start.scores[0].value
