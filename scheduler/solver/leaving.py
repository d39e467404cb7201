"""How a model counts the pods that leave the node they run on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from scheduler.solver.giving import Giving
from scheduler.solver.posting import Get, Posting, Variable


def post_gone(model: Posting, giving: Giving, guard: int) -> list[Variable]:
    """Numbers that add up to the pods of one budget that leave their node, evicted or moved."""
    found = []
    for yielder in giving.yielders:
        if guard not in yielder.guards:
            continue
        for stand in yielder.stands:
            here = [count for at, count in model.counts(yielder.gang, stand.member) if at == stand.node_class]
            number = model.number(stand.pods, partial(_gone, here, stand.pods))
            model.at_most([*((-1, count) for count in here), (-1, number)], -stand.pods)
            found.append(number)
    return found


def _gone(here: Sequence[Variable], pods: int, get: Get) -> int:
    return pods - sum(map(get, here))
