"""Rule: no queue takes more than its room, and a parent's room binds everything below it.

A queue has several lines where quotas name flavors, or where what is not preemptible has a bound of its own: each
counts the pods that concern it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd

from scheduler.model.plan import Refusal
from scheduler.solver.posting import Posting
from scheduler.solver.problem import Problem, Put, QuotaLine

NAME = "queue-limit"


def post(model: Posting) -> None:
    """One sum per queue, line and limited resource, over everything in its subtree that the line counts."""
    problem = model.problem
    for queue, ask in enumerate(problem.queues):
        inside = [index for index, gang in enumerate(problem.gangs) if _is_below(problem, gang.queue, queue)]
        for line in (QuotaLine(ask.room), *ask.lines):
            counted = [
                (problem.charge(member, node_class), count)
                for index in inside
                if problem.gangs[index].firm or not line.firm
                for number, member in enumerate(problem.gangs[index].members)
                for node_class, count in model.counts(index, number)
                if line.flavor in (-1, problem.flavor_of(node_class))
            ]
            for resource, room in enumerate(line.room):
                if room >= 0:
                    terms = [(amounts[resource], count) for amounts, count in counted if amounts[resource] > 0]
                    step = gcd(*(amount for amount, _ in terms)) or 1
                    model.at_most([(amount // step, count) for amount, count in terms], room // step)


def _is_below(problem: Problem, queue: int, ancestor: int) -> bool:
    while queue >= 0 and queue != ancestor:
        queue = problem.queues[queue].parent
    return queue == ancestor


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    lines = [[QuotaLine(queue.room), *queue.lines] for queue in problem.queues]
    taken = [[[0] * len(problem.resources) for _ in own] for own in lines]
    for put in puts:
        gang = problem.gangs[put.gang]
        amounts = list(gang.members[put.member].request)
        if gang.members[put.member].devices is not None:
            amounts = list(problem.charge(gang.members[put.member], put.node_class))
        flavor = -1 if problem.class_flavor is None else problem.class_flavor[put.node_class]
        queue = gang.queue
        while queue >= 0:
            for line, sums in zip(lines[queue], taken[queue], strict=True):
                if (line.firm and not gang.firm) or (line.flavor != -1 and line.flavor != flavor):
                    continue
                for resource, amount in enumerate(amounts):
                    sums[resource] += amount * put.count
            queue = problem.queues[queue].parent
    return [
        Refusal(
            term=NAME,
            code="OverGuarantee" if line.firm else "OverLimit",
            needed=amount,
            offered=room,
            resource=problem.resources[resource],
            where=str(queue),
        )
        for queue, own in enumerate(lines)
        for line, sums in zip(own, taken[queue], strict=True)
        for resource, (amount, room) in enumerate(zip(sums, line.room, strict=True))
        if room >= 0 and amount > room
    ]
