"""Rule: where a queue serves strictly in order, nobody is placed before the one whose turn is earlier.

Whoever stands in front has to be there at its minima, single pods all of them; surplus may come later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from scheduler.model.plan import Refusal
from scheduler.solver.posting import Get, Posting, Variable
from scheduler.solver.problem import Problem, Put

NAME = "queue-order"


def post(model: Posting) -> None:
    """No pods of a gang unless the one in front of it is present; of single pods in front a flag says: all."""
    problem = model.problem
    for gang, front in problem.order:
        ask = problem.gangs[front]
        flag = model.present(front, 0)
        if not ask.bundle:
            counts = [count for member in range(len(ask.members)) for _, count in model.counts(front, member)]
            model.at_most([(1, flag), *((-1, count) for count in counts)], 0)
        else:
            counts = [count for _, count in model.counts(front, 0)]
            pods = ask.pods
            flag = model.number(1, partial(_is_whole, counts, pods))
            model.at_most([(pods, flag), *((-1, count) for count in counts)], 0)
        behind = [
            count for member in range(len(problem.gangs[gang].members)) for _, count in model.counts(gang, member)
        ]
        if behind:
            most = min(problem.gangs[gang].pods, sum(model.upper(count) for count in behind))
            model.at_most([*((1, count) for count in behind), (-most, flag)], 0)


def _is_whole(counts: Sequence[Variable], pods: int, get: Get) -> bool:
    return sum(map(get, counts)) >= pods


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    pods: dict[int, int] = {}
    for put in puts:
        pods[put.gang] = pods.get(put.gang, 0) + put.count
    refusals = []
    for gang, front in problem.order:
        needed = problem.gangs[front].pods if problem.gangs[front].bundle else 1
        if gang in pods and pods.get(front, 0) < needed:
            refusals.append(Refusal(NAME, "Passed", needed, pods.get(front, 0), where=f"gang {gang}"))
    return refusals
