"""Rule: no queue takes more than its room, and a parent's room binds everything below it."""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd

from scheduler.model.plan import Refusal
from scheduler.solver.posting import Posting, Variable
from scheduler.solver.problem import Problem, Put

NAME = "queue-limit"


def post(model: Posting) -> None:
    """One sum per queue and limited resource, over everything in its subtree."""
    problem = model.problem
    for queue, ask in enumerate(problem.queues):
        inside = [index for index, gang in enumerate(problem.gangs) if _is_below(problem, gang.queue, queue)]
        for resource, room in enumerate(ask.room):
            if room >= 0:
                terms: list[tuple[int, Variable]] = []
                for index in inside:
                    for member, each in enumerate(problem.gangs[index].members):
                        amount = each.request[resource]
                        terms += [(amount, count) for _, count in model.counts(index, member) if amount > 0]
                step = gcd(*(amount for amount, _ in terms)) or 1
                model.at_most([(amount // step, count) for amount, count in terms], room // step)


def _is_below(problem: Problem, queue: int, ancestor: int) -> bool:
    while queue >= 0 and queue != ancestor:
        queue = problem.queues[queue].parent
    return queue == ancestor


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    taken = [[0] * len(problem.resources) for _ in problem.queues]
    for put in puts:
        gang = problem.gangs[put.gang]
        queue = gang.queue
        while queue >= 0:
            for resource, amount in enumerate(gang.members[put.member].request):
                taken[queue][resource] += amount * put.count
            queue = problem.queues[queue].parent
    return [
        Refusal(
            term=NAME,
            code="OverLimit",
            needed=amount,
            offered=room,
            resource=problem.resources[resource],
            where=str(queue),
        )
        for queue, amounts in enumerate(taken)
        for resource, (amount, room) in enumerate(zip(amounts, problem.queues[queue].room, strict=True))
        if room >= 0 and amount > room
    ]
