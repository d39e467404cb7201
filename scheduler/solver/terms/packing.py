"""Goal: use nodes where little of what is scarce is free, so that whole nodes stay whole (or the most, when spreading).

Each pod costs the scarce amount it takes (at least one) times the scarce amount that is free on a node of its class,
both in sixteenths of the largest node, so that numbers stay small. Work without scarce needs goes where nothing scarce
is free.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from scheduler.solver.posting import Posting, Terms, Variable
from scheduler.solver.problem import Problem, Put
from scheduler.solver.scarcity import by_scarcity

NAME = "packing"


def post(model: Posting) -> list[tuple[str, Terms]]:
    """A price per pod and class, all at once as arrays."""
    problem = model.problem
    scarce = by_scarcity(problem.resources)[0]
    step = max(1, int(problem.class_free[:, scarce].max(initial=0)) // 16)
    free = (problem.class_free[:, scarce] // step) * (-1 if problem.node_score == "spread" else 1)
    terms: list[tuple[int, Variable]] = []
    for index, gang in enumerate(problem.gangs):
        for member, ask in enumerate(gang.members):
            prices = (np.maximum(ask.request[scarce] // step, 1) * free).tolist()
            terms += [(prices[node_class], count) for node_class, count in model.counts(index, member)]
    return [(NAME, terms)]


def costs(problem: Problem, puts: Iterable[Put]) -> list[tuple[str, int]]:
    """The same sum, put by put."""
    scarce = by_scarcity(problem.resources)[0]
    largest = max((int(free[scarce]) for free in problem.class_free), default=0)
    step = max(1, largest // 16)
    sign = -1 if problem.node_score == "spread" else 1
    total = 0
    for put in puts:
        taken = problem.gangs[put.gang].members[put.member].request[scarce]
        free = int(problem.class_free[put.node_class, scarce])
        total += sign * put.count * max(1, taken // step) * (free // step)
    return [(NAME, total)]
