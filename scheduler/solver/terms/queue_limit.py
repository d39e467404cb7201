"""Rule: no queue takes more than its room, and a parent's room binds everything below it."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.plan import Refusal
from scheduler.solver.problem import Problem, Put

NAME = "queue-limit"


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
