"""Rule: no more pods of a PodDisruptionBudget leave their nodes than it lets go, evicted or moved."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.plan import Refusal
from scheduler.solver.leaving import post_gone
from scheduler.solver.posting import Posting
from scheduler.solver.problem import Problem, Put

NAME = "disruption-budget"


def post(model: Posting) -> None:
    giving = model.problem.giving
    if giving is None or not giving.guards_hold:
        return
    for guard, allowed in enumerate(giving.guards):
        model.at_most([(1, gone) for gone in post_gone(model, giving, guard)], allowed)


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    giving = problem.giving
    if giving is None or not giving.guards_hold:
        return []
    there: dict[tuple[int, int, int], int] = {}
    for put in puts:
        key = (put.gang, put.member, put.node_class)
        there[key] = there.get(key, 0) + put.count
    gone = [0] * len(giving.guards)
    for yielder in giving.yielders:
        for stand in yielder.stands:
            left = max(0, stand.pods - there.get((yielder.gang, stand.member, stand.node_class), 0))
            for guard in yielder.guards:
                gone[guard] += left
    return [
        Refusal(NAME, "Spent", pods, allowed, where=str(guard))
        for guard, (pods, allowed) in enumerate(zip(gone, giving.guards, strict=True))
        if pods > allowed
    ]
