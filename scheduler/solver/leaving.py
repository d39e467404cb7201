"""How a model counts the pods that leave the node they run on."""

from __future__ import annotations

from collections.abc import Callable

from scheduler.solver.giving import Giving
from scheduler.solver.posting import Posting, Variable

Get = Callable[[Variable], int]


def post_gone(model: Posting, giving: Giving, guard: int) -> list[Variable]:
    """Numbers that add up to the pods of one budget that leave their node, evicted or moved."""
    found = []
    for yielder in giving.yielders:
        if guard not in yielder.guards:
            continue
        for stand in yielder.stands:
            here = [count for at, count in model.counts(yielder.gang, stand.member) if at == stand.node_class]

            def gone(get: Get, here: list[Variable] = here, pods: int = stand.pods) -> int:
                return pods - sum(map(get, here))

            number = model.number(stand.pods, gone)
            model.at_most([*((-1, count) for count in here), (-1, number)], -stand.pods)
            found.append(number)
    return found
